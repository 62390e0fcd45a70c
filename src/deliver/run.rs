//! What all connections of one run of the engine share, and how they turn what happened into marks.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::aside::Aside;
use super::conversation::{Conversation, Envelope, Stop, Stops};
use super::counts::Counts;
use super::failing::Failing;
use super::feed::Feed;
use super::forward::Forward;
use super::lease::Lease;
use super::message::{Job, Links, Mails};
use super::pace::Limit;
use super::policy::{Fate, Policy};
use super::quotas::Quotas;
use super::recorder::Recorder;
use super::relay::{RelayError, SmtpRelay};
use super::reply::without_addresses;
use super::settings::Settings;
use super::station::Station;
use super::tally::Tally;
use super::unsigned::Unsigned;
use crate::domain::{Clock, DeliveryState, Random, UtcMillis};
use crate::store::{ClaimedRow, Mark, Store};

/// When a delivery is looked at again whose issue is neither being sent, held nor cancelled.
pub const LATER: Duration = Duration::from_secs(60);

/// What lasts as long as the engine.
pub struct Shared {
    pub store: Store,
    pub settings: Settings,
    pub policy: Policy,
    pub links: Arc<dyn Links>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub node: String,
    pub stations: Vec<Station>,
    pub mails: Mails,
    pub lease: Lease,
    pub quotas: Quotas,
    pub failing: Failing,
    /// How far the last run has used its rates.
    pub reached: Mutex<HashMap<Limit, Instant>>,
    /// A relay has asked for less speed.
    pub slowed: Notify,
    /// Nodes that deliver from this store.
    pub nodes: Arc<std::sync::atomic::AtomicU32>,
    /// Of all runs.
    pub counts: Arc<Counts>,
    /// Of this process.
    pub tally: Arc<Tally>,
    /// By which it is reckoned what is due.
    pub forward: Arc<Forward>,
    /// What goes out unsigned though mails are signed.
    pub unsigned: Unsigned,
}

impl Shared {
    /// The time by which deliveries are due. What is put off is put off by the same, so that a clock that was set back takes
    /// no pause away.
    pub fn due_now(&self) -> UtcMillis {
        self.forward.now(self.clock.now(), std::time::Instant::now())
    }

    /// When the first relay may be used again, if none may now.
    pub fn paused_until(&self) -> Option<Instant> {
        let pauses: Option<Vec<Instant>> = self.stations.iter().map(|station| station.health.paused_until()).collect();
        pauses?.into_iter().min()
    }

    /// Whether the relay of that place rests.
    pub fn rests(&self, relay: usize) -> bool {
        self.stations.get(relay).is_some_and(|station| station.health.paused_until().is_some())
    }

    /// What a relay failed with, unless it has worked since.
    pub fn words(&self) -> Option<String> {
        self.stations.iter().find_map(|station| station.health.words())
    }

    /// How far the last run has used its rates.
    pub fn reached(&self) -> MutexGuard<'_, HashMap<Limit, Instant>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One run of the engine.
pub struct Run {
    pub shared: Arc<Shared>,
    pub feed: Feed,
    pub recorder: Recorder,
    pub counts: Counts,
    pub stops: Stops,
    /// Claimed deliveries that are in the feed or at a connection.
    in_hand: Mutex<HashSet<i64>>,
    /// What was in hand, or had a mark on its way, when the last claim began.
    before_claim: Mutex<HashSet<i64>>,
    /// For what goes on beside the connections.
    pub me: Weak<Run>,
}

/// A delivery in the course of an attempt: claimed, or started at that time.
#[derive(Clone, Copy)]
pub enum Attempt {
    /// The envelope may have gone out, no content.
    Claimed,
    /// The start has been granted.
    Started(UtcMillis),
}

impl Run {
    /// A run that has not begun.
    pub fn new(shared: Arc<Shared>, feed: Feed, recorder: Recorder, stops: Stops) -> Arc<Self> {
        let counts = Counts::within(Arc::clone(&shared.counts));
        let (in_hand, before_claim) = (Mutex::default(), Mutex::default());
        Arc::new_cyclic(|me| Self { shared, feed, recorder, counts, stops, in_hand, before_claim, me: Weak::clone(me) })
    }

    /// Whether no further message should be begun.
    pub fn is_stopping(&self) -> bool {
        *self.stops.borrow() > Stop::No
    }

    /// A new connection to the server. The caller owes a [`Station::closed`].
    pub async fn connect(&self, station: &Station, relay: &SmtpRelay) -> Result<Conversation, RelayError> {
        let mut stops = self.stops.clone();
        let conversation = tokio::select! {
            conversation = relay.connect(self.stops.clone(), station.takes_groups()) => conversation?,
            _ = stops.wait_for(|stop| *stop > Stop::No) => return Err(RelayError::Refused("stopping".to_owned())),
        };
        station.opened();
        Ok(conversation)
    }

    /// Shares claimed deliveries out to the connections, signed. Those that their domain lets go much later only, those that others
    /// go before, those of issues that are not being sent, and those that are in hand already, since their issue was held or changed after an
    /// earlier claim, go back into the queue: two jobs of one delivery could start it twice. Says how many go back for later.
    pub async fn take_in(&self, jobs: Vec<Job>) -> usize {
        let (jobs, again) = self.first_taken(jobs);
        let (jobs, slow) = self.feed.sift(jobs);
        let put_off = slow.len();
        let mut later: Vec<Mark> = slow.iter().map(|(job, wait)| self.put_off(&job.row, *wait)).collect();
        for job in &again {
            self.counts.came_to(DeliveryState::Queued);
            self.recorder.expect(job.row.id);
            later.push(mark(&job.row));
        }
        self.recorder.record(later).await;
        match &self.shared.settings.dkim {
            Some(signer) => self.sign(signer, jobs).await,
            None => self.offer(jobs).await,
        }
        put_off
    }

    /// Feeds deliveries, but for those whose issue was stopped in the meantime.
    pub async fn offer(&self, jobs: Vec<Job>) {
        let unwanted = self.feed.add(jobs);
        self.recorder.record(self.unwanted_all(&unwanted)).await;
    }

    /// Takes deliveries in hand; parts those that already were, or whose last claim is still to be given back: the mark that
    /// does so would undo this claim, and their start would be refused.
    fn first_taken(&self, jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
        let before = self.before_claim.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.into_iter().partition(|job| !before.contains(&job.row.id) && in_hand.insert(job.row.id))
    }

    /// A claim begins: whatever is in hand now, or has a mark on its way, may be marked after it.
    pub fn claiming(&self) {
        self.feed.aside(Aside::claiming);
        *self.before_claim.lock().unwrap_or_else(PoisonError::into_inner) = self.in_hand().into_iter().collect();
    }

    /// What has been shared out and has no recorded result yet.
    pub fn in_hand(&self) -> Vec<i64> {
        let in_hand: Vec<i64> = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        // In this order: what comes to its result in between is in both.
        in_hand.into_iter().chain(self.recorder.unrecorded()).collect()
    }

    /// How many deliveries are in the feed or at a connection.
    pub fn count_in_hand(&self) -> usize {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A result of this row will be recorded.
    fn comes_to_its_result(&self, row: &ClaimedRow) {
        self.recorder.expect(row.id);
        self.settle(row);
    }

    fn settle(&self, row: &ClaimedRow) {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&row.id);
    }

    /// Commits the start of `job` together with results. `None`: it must not be made.
    pub async fn start(&self, station: &Station, job: &Job, results: Vec<Mark>) -> Option<UtcMillis> {
        let started = start_time(self.shared.clock.now(), job.row.started_at);
        let term = self.shared.lease.term();
        let start = Mark {
            expected: DeliveryState::Claimed,
            next: DeliveryState::Sending,
            mail: Some(job.row.mail_id),
            tries: 1,
            started_at: Some(started.0),
            relay: Some(station.config.id.clone()),
            ..mark(&job.row)
        };
        if !self.recorder.start(results, start).await {
            self.settle(&job.row);
            self.learn_from_refusal(job).await;
            return None;
        }
        if !self.shared.lease.is_held_in(term, Instant::now().into_std()) {
            // This process stood still for so long that another node may have taken the delivery over.
            let kept = Fate { state: DeliveryState::Queued, due_at: None };
            let words = "the lease was lost".to_owned();
            let mark = self.result(station, &job.row, Attempt::Started(started), kept, words);
            self.recorder.record(vec![mark]).await;
            return None;
        }
        Some(started)
    }

    /// The result of an attempt at `station`.
    pub fn result(&self, station: &Station, row: &ClaimedRow, attempt: Attempt, fate: Fate, words: String) -> Mark {
        Mark { relay: Some(station.config.id.clone()), ..self.outcome(row, attempt, fate, words) }
    }

    /// The result of an attempt, or why there was none.
    pub fn outcome(&self, row: &ClaimedRow, attempt: Attempt, fate: Fate, words: String) -> Mark {
        let finished = matches!(fate.state, DeliveryState::Sent | DeliveryState::Failed);
        let (expected, token) = match attempt {
            Attempt::Claimed => (DeliveryState::Claimed, None),
            Attempt::Started(at) => (DeliveryState::Sending, Some(at.0)),
        };
        self.counts.came_to(fate.state);
        self.shared.tally.count(row.digest.as_deref(), &row.address, fate.state, &words);
        self.comes_to_its_result(row);
        if finished {
            self.look_after(row.issue_id, fate.state == DeliveryState::Failed);
        }
        Mark {
            expected,
            next: fate.state,
            token,
            tries: 1,
            due_at: fate.due_at.map(|due| due.0),
            finished_at: finished.then(|| self.shared.clock.now().0),
            answer: Some(words),
            ..mark(row)
        }
    }

    /// A claim given back as if it had not been made.
    pub fn unclaimed(&self, row: &ClaimedRow) -> Mark {
        self.counts.came_to(DeliveryState::Queued);
        self.comes_to_its_result(row);
        Mark { next: DeliveryState::Queued, ..mark(row) }
    }

    /// A claim given back for so long; that time is not counted as one in which it was tried.
    pub fn put_off(&self, row: &ClaimedRow, wait: Duration) -> Mark {
        let due = self.shared.due_now().plus(wait);
        Mark { due_at: Some(due.0), first_due_at: Some(first_due(row, due).0), ..self.unclaimed(row) }
    }

    /// The result of an attempt in which the connection broke before the message was complete.
    pub fn broken(&self, station: &Station, job: &Job, attempt: Attempt, why: &str) -> Mark {
        let fate = |first, now| self.shared.policy.broken(job.row.attempts + 1, first, now, &*self.shared.random);
        self.tried(station, &job.row, attempt, fate, format!("the connection broke: {why}"))
    }

    /// The result of an attempt in which the connection broke after the message was complete.
    pub fn unanswered(&self, station: &Station, job: &Job, started: UtcMillis, why: &str) -> Mark {
        let (row, Shared { policy, random, .. }) = (&job.row, &*self.shared);
        let fate = |first, now| policy.unanswered(row.is_of_issue(), row.attempts + 1, first, now, &**random);
        let words = format!("the relay did not answer the whole message: {why}");
        self.tried(station, row, Attempt::Started(started), fate, words)
    }

    /// The result of an attempt that was in vain. `fate` is by since when it has been tried and the time: what it waited for
    /// a connection or a quota is not time in which it was tried.
    pub fn tried(
        &self,
        station: &Station,
        row: &ClaimedRow,
        attempt: Attempt,
        fate: impl FnOnce(UtcMillis, UtcMillis) -> Fate,
        words: String,
    ) -> Mark {
        let now = self.shared.due_now();
        let first = first_due(row, now);
        let mark = self.result(station, row, attempt, fate(first, now), words);
        Mark { first_due_at: mark.due_at.map(|_| first.0), ..mark }
    }

    /// The relay has failed, and no message is to blame.
    pub fn relay_failed(&self, station: &Station, words: &str) {
        let rests = station.health.paused_until().is_some();
        let pause = station.health.failed(words, &*self.shared.random);
        self.feed.leave_out(station.place, |relay| self.shared.rests(relay));
        let (relay, error) = (&station.config.id, without_addresses(words));
        if rests {
            tracing::debug!(relay, error, "the relay has failed on another connection too");
        } else {
            tracing::warn!(relay, error, pause = pause.as_secs_f32(), "the relay failed; the messages are kept");
        }
    }

    /// The relay has asked for less speed.
    pub fn throttled(&self, station: &Station, words: &str) {
        let (relay, error) = (&station.config.id, without_addresses(words));
        let Some(pause) = station.health.throttled(&error, &*self.shared.random) else {
            tracing::debug!(relay, error, "the relay asks for less speed on another connection too");
            return;
        };
        self.feed.leave_out(station.place, |relay| self.shared.rests(relay));
        self.shared.slowed.notify_one();
        tracing::warn!(relay, error, pause = pause.as_secs_f32(), "the relay asks for less speed");
    }

    /// Gives back all that no connection has taken when no relay is connected or can be used, so that other nodes can
    /// have it. `false`: no more deliveries will come.
    pub async fn after_failure(&self) -> bool {
        let stations = &self.shared.stations;
        if self.shared.paused_until().is_some() && !stations.iter().any(Station::is_connected) {
            self.let_go().await;
        }
        !self.feed.is_closed()
    }

    /// Gives back all that no connection has taken.
    async fn let_go(&self) {
        let unclaimed = self.feed.take_all().iter().map(|job| self.unclaimed(&job.row)).collect();
        self.recorder.record(unclaimed).await;
    }

    /// Forgets all that no connection has taken: others may have taken it over. A mark that gives it back could come when
    /// this node has claimed it anew, and take that claim away; what is still in its name is found as a stray.
    pub fn forget(&self) {
        for job in self.feed.take_all() {
            self.counts.came_to(DeliveryState::Queued);
            self.settle(&job.row);
        }
    }

    /// Waits, unless the engine is asked to stop.
    pub async fn rest_until(&self, until: Instant) {
        let mut stops = self.stops.clone();
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            _ = stops.wait_for(|stop| *stop > Stop::No) => {}
        }
    }

    /// Gives one delivery back: to another connection, or to the queue when nobody may take it up.
    pub async fn give_back(&self, station: &Station, job: Job) {
        if self.is_stopping() {
            let unclaimed = self.unclaimed(&job.row);
            self.recorder.record(vec![unclaimed]).await;
        } else if let Some(unwanted) = self.feed.put_back(station.place, job) {
            self.recorder.record(self.unwanted_all(&[unwanted])).await;
        }
    }

    /// Counts a result of an issue, and holds it when too many have failed.
    fn look_after(&self, issue: Option<i64>, failed: bool) {
        let (Some(issue), Some(share)) = (issue, self.shared.settings.delivery.hold_when_failing) else { return };
        let Some((failures, of)) = self.shared.failing.count(issue, failed, share) else { return };
        self.hold(issue, format!("{failures} of the latest {of} deliveries failed"));
    }
}

/// The time of a start: now, but after every start before it, since a late result is known by its start, and clocks step.
pub fn start_time(now: UtcMillis, last: Option<UtcMillis>) -> UtcMillis {
    last.map_or(now, |last| now.max(last.plus(Duration::from_millis(1))))
}

/// From when on it counts how long a delivery is tried, when it has waited until `then` for something that is not its
/// own.
pub fn first_due(row: &ClaimedRow, then: UtcMillis) -> UtcMillis {
    UtcMillis(row.first_due_at.0 + (then.0 - row.due_at.0).max(0))
}

fn mark(row: &ClaimedRow) -> Mark {
    Mark::of(row.id, DeliveryState::Claimed, DeliveryState::Queued)
}

/// Who a message is from and to.
pub fn envelope(job: &Job) -> Envelope<'_> {
    Envelope { from: job.from(), to: &job.to, size: job.size() }
}
