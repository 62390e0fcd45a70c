//! What all connections of one run of the engine share, and how they turn what happened into marks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::conversation::{Conversation, Envelope, Stop, Stops};
use super::counts::Counts;
use super::feed::Feed;
use super::health::Health;
use super::lease::Lease;
use super::message::{Job, Links, Mails};
use super::outbox::Outbox;
use super::policy::{Blame, Fate, Policy, Step, blame};
use super::recorder::Recorder;
use super::relay::{RelayError, SmtpRelay};
use super::reply::{Reply, without_addresses};
use super::settings::Settings;
use crate::domain::{Clock, DeliveryState, Random, UtcMillis};
use crate::store::{ClaimedRow, Mark, Store};

/// What takes the messages.
pub enum Relay {
    /// A folder.
    Outbox(Outbox),
    /// A server.
    Smtp(Box<SmtpRelay>),
}

/// What lasts as long as the engine.
pub struct Shared {
    pub store: Store,
    pub settings: Settings,
    pub policy: Policy,
    pub links: Arc<dyn Links>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub node: String,
    pub relay: Relay,
    /// How the relay is called in the store.
    pub relay_name: String,
    pub mails: Mails,
    pub lease: Lease,
    pub health: Health,
}

/// One run of the engine.
pub struct Run {
    pub shared: Arc<Shared>,
    pub feed: Feed,
    pub recorder: Recorder,
    pub counts: Counts,
    pub stops: Stops,
    /// Connections that are open.
    open: AtomicUsize,
    /// Claimed deliveries that are in the feed or at a connection.
    in_hand: Mutex<HashSet<i64>>,
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
    pub fn new(shared: Arc<Shared>, feed: Feed, recorder: Recorder, stops: Stops) -> Self {
        Self {
            shared,
            feed,
            recorder,
            counts: Counts::default(),
            stops,
            open: AtomicUsize::new(0),
            in_hand: Mutex::default(),
        }
    }

    /// Whether no further message should be begun.
    pub fn is_stopping(&self) -> bool {
        *self.stops.borrow() > Stop::No
    }

    /// A new connection to the server. The caller owes a [`Run::closed`].
    pub async fn connect(&self, relay: &SmtpRelay) -> Result<Conversation, RelayError> {
        let mut stops = self.stops.clone();
        let conversation = tokio::select! {
            conversation = relay.connect(self.stops.clone()) => conversation?,
            _ = stops.wait_for(|stop| *stop > Stop::No) => return Err(RelayError::Refused("stopping".to_owned())),
        };
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(conversation)
    }

    /// Whether any connection is open.
    pub fn is_connected(&self) -> bool {
        self.open.load(Ordering::SeqCst) > 0
    }

    /// A connection is gone.
    pub fn closed(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Shares claimed deliveries out to the connections. Gives the marks that free those which are in hand already, since
    /// their issue was held or changed after an earlier claim: two jobs of one delivery could start it twice.
    #[must_use]
    pub fn take_in(&self, jobs: Vec<Job>) -> Vec<Mark> {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let (jobs, again): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| in_hand.insert(job.row.id));
        drop(in_hand);
        self.feed.add(jobs);
        again.iter().map(|job| Mark { relay: None, ..self.mark(&job.row) }).collect()
    }

    /// What has been shared out and has no result yet.
    pub fn in_hand(&self) -> Vec<i64> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn settle(&self, row: &ClaimedRow) {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&row.id);
    }

    /// Commits the start of `job` together with results. `None`: it must not be made.
    pub async fn start(&self, job: &Job, results: Vec<Mark>) -> Option<UtcMillis> {
        let started = self.shared.clock.now();
        if !self.recorder.start(results, self.start_of(job, started)).await {
            self.settle(&job.row);
            return None;
        }
        if !self.shared.lease.is_held() {
            // This process stood still for so long that another node may have taken the delivery over.
            let kept = Fate { state: DeliveryState::Queued, due_at: None };
            let mark = self.result(&job.row, Attempt::Started(started), kept, "the lease was lost".to_owned());
            self.recorder.record(vec![mark]).await;
            return None;
        }
        Some(started)
    }

    fn start_of(&self, job: &Job, now: UtcMillis) -> Mark {
        Mark {
            expected: DeliveryState::Claimed,
            next: DeliveryState::Sending,
            tries: 1,
            mail: Some(job.row.mail_id),
            started_at: Some(now.0),
            ..self.mark(&job.row)
        }
    }

    /// The result of an attempt.
    pub fn result(&self, row: &ClaimedRow, attempt: Attempt, fate: Fate, words: String) -> Mark {
        let finished = matches!(fate.state, DeliveryState::Sent | DeliveryState::Failed);
        let (expected, token) = match attempt {
            Attempt::Claimed => (DeliveryState::Claimed, None),
            Attempt::Started(at) => (DeliveryState::Sending, Some(at.0)),
        };
        self.counts.came_to(fate.state);
        self.settle(row);
        Mark {
            expected,
            next: fate.state,
            token,
            tries: 1,
            due_at: fate.due_at.map(|due| due.0),
            finished_at: finished.then(|| self.shared.clock.now().0),
            answer: Some(words),
            ..self.mark(row)
        }
    }

    /// A claim given back as if it had not been made.
    pub fn unclaimed(&self, row: &ClaimedRow) -> Mark {
        self.counts.came_to(DeliveryState::Queued);
        self.settle(row);
        Mark { next: DeliveryState::Queued, relay: None, ..self.mark(row) }
    }

    /// The result of an answer that is not the one that goes on. `true`: it is about the relay.
    pub fn refused(&self, job: &Job, attempt: Attempt, step: Step, reply: &Reply) -> (Mark, bool) {
        let (row, shared) = (&job.row, &self.shared);
        let now = shared.clock.now();
        let blame = blame(step, reply);
        let fate = match blame {
            Blame::Failed => Fate { state: DeliveryState::Failed, due_at: None },
            Blame::Deferred => shared.policy.refused(row.attempts + 1, row.first_due_at, now, &*shared.random),
            Blame::Relay => Fate { state: DeliveryState::Queued, due_at: None },
        };
        let mut mark = self.result(row, attempt, fate, reply.words());
        if blame == Blame::Relay {
            // Behind the others, since the next one may have a sender that the relay accepts.
            let pause = self.relay_failed(&reply.words());
            (mark.tries, mark.due_at) = (0, Some(now.plus(pause).0));
        }
        (mark, blame == Blame::Relay)
    }

    /// The result of an attempt in which the connection broke before the message was complete.
    pub fn broken(&self, job: &Job, attempt: Attempt, why: &str) -> Mark {
        let (row, shared) = (&job.row, &self.shared);
        let now = shared.clock.now();
        let fate = shared.policy.broken(row.attempts + 1, row.first_due_at, now, &*shared.random);
        self.result(row, attempt, fate, format!("the connection broke: {why}"))
    }

    /// The result of an attempt in which the connection broke after the message was complete.
    pub fn unanswered(&self, job: &Job, started: UtcMillis, why: &str) -> Mark {
        let (row, shared) = (&job.row, &self.shared);
        let now = shared.clock.now();
        let fate = shared.policy.unanswered(row.attempts + 1, row.first_due_at, now, &*shared.random);
        self.result(row, Attempt::Started(started), fate, format!("the relay did not answer the whole message: {why}"))
    }

    /// The relay has failed, and no message is to blame. Gives the pause that it gets.
    pub fn relay_failed(&self, words: &str) -> std::time::Duration {
        let pause = self.shared.health.failed(words, &*self.shared.random);
        let (relay, error) = (&self.shared.relay_name, without_addresses(words));
        tracing::warn!(relay, error, pause = pause.as_secs_f32(), "the relay failed; the messages are kept");
        pause
    }

    /// Gives back all that no connection has taken when there is no connection left, so that other nodes can have it;
    /// then waits out the relay's pause. `false`: there is nothing to wait for, since no more deliveries will come.
    pub async fn wait_for_relay(&self) -> bool {
        if !self.is_connected() {
            let unclaimed = self.feed.take_all().iter().map(|job| self.unclaimed(&job.row)).collect();
            self.recorder.record(unclaimed).await;
        }
        if self.feed.is_closed() {
            return false;
        }
        if let Some(until) = self.shared.health.paused_until() {
            self.rest_until(until).await;
        }
        true
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
    pub async fn give_back(&self, job: Job) {
        if self.is_stopping() {
            let unclaimed = self.unclaimed(&job.row);
            self.recorder.record(vec![unclaimed]).await;
        } else {
            self.feed.put_back(job);
        }
    }

    fn mark(&self, row: &ClaimedRow) -> Mark {
        Mark {
            id: row.id,
            expected: DeliveryState::Claimed,
            next: DeliveryState::Queued,
            mail: None,
            token: None,
            tries: 0,
            due_at: None,
            started_at: None,
            finished_at: None,
            relay: Some(self.shared.relay_name.clone()),
            answer: None,
        }
    }
}

/// Who a message is from and to.
pub fn envelope(job: &Job) -> Envelope<'_> {
    Envelope { from: job.from(), to: &job.to }
}
