//! The engine: claims deliveries in batches, feeds the connections, and stops without losing anything.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use super::conversation::Stop;
use super::counts::Outcome;
use super::failing::Failing;
use super::lease::{self, Lease};
use super::message::{Job, Links, Mails};
use super::policy::{Fate, Policy};
use super::quotas::Quotas;
use super::rests;
use super::run::{Attempt, Run, Shared};
use super::settings::Settings;
use super::station::Station;
use super::strays::Strays;
use super::told::Told;
use super::unsigned::Unsigned;
use crate::domain::{Clock, DeliveryState, PublicId, Random};
use crate::store::{DelivererLock, Store, StoreError};

/// How many deliveries are claimed ahead for each connection, within these bounds in all.
const AHEAD: usize = 40;
const LEAST_AHEAD: usize = 200;
const MOST_AHEAD: usize = 2000;

/// The least where each is signed first: while some are claimed, others that have been signed must be at hand.
const LEAST_SIGNED_AHEAD: usize = 1000;

/// How many seconds ahead claims go where a rate is set.
const AHEAD_OF_RATE: f64 = 1.0;

/// The least time between looks of which the one before found nothing to send.
const LEAST_WAIT: Duration = Duration::from_millis(10);

/// How many deferred deliveries are queued again at a time.
const QUEUED_AGAIN: i64 = 1000;

/// Delivers what is queued.
pub struct Engine {
    pub(super) shared: Arc<Shared>,
    pub(super) ahead: usize,
    /// The one mail that it delivers; none: whatever is queued.
    mail: Option<i64>,
    wake: Notify,
    strays: Strays,
    /// Whether the store did not take the last look for what is due.
    pub(super) store_fails: AtomicBool,
    /// One run at a time: what this node has in hand when a run begins is left over from a broken one.
    running: Mutex<()>,
    pub(super) lock: Arc<DelivererLock>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("node", &self.shared.node).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine for the store whose right to deliver is `lock`. Nothing is claimed or connected yet.
    pub fn new(
        store: Store,
        lock: DelivererLock,
        settings: Settings,
        links: Arc<dyn Links>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self::locked(store, Arc::new(lock), settings, links, clock, random)
    }

    pub(super) fn locked(
        store: Store,
        lock: Arc<DelivererLock>,
        settings: Settings,
        links: Arc<dyn Links>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let policy = Policy { retry_for: settings.delivery.retry_for, after_crash: settings.delivery.after_crash };
        let least = if settings.dkim.is_some() { LEAST_SIGNED_AHEAD } else { LEAST_AHEAD };
        let ahead = settings.smtp.connections().saturating_mul(AHEAD).clamp(least, MOST_AHEAD);
        let relays = settings.smtp.relays.iter().enumerate();
        let strays = Strays::looking(settings.timings.beat * 2);
        let shared = Shared {
            node: PublicId::new(&*random).to_string(),
            stations: relays.map(|(place, relay)| Station::new(place, relay, &settings)).collect(),
            mails: Mails::default(),
            lease: Lease::new(&store, &settings.timings),
            quotas: Quotas::new(&settings.smtp, settings.timings.poll),
            failing: Failing::default(),
            reached: std::sync::Mutex::default(),
            slowed: Notify::new(),
            nodes: Arc::new(AtomicU32::new(1)),
            counts: Arc::default(),
            tally: Arc::default(),
            forward: Arc::default(),
            unsigned: Unsigned::default(),
            store,
            settings,
            policy,
            links,
            clock,
            random,
        };
        Self {
            shared: Arc::new(shared),
            ahead,
            mail: None,
            wake: Notify::new(),
            strays,
            store_fails: AtomicBool::new(false),
            running: Mutex::new(()),
            lock,
        }
    }

    /// The same, for the deliveries of one mail alone: what else is queued stays there.
    #[must_use]
    pub fn only(mut self, mail: i64) -> Self {
        self.mail = Some(mail);
        self
    }

    /// Tells a running engine that something has been queued by another process; of what this one queues it hears from
    /// the store.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Claims one batch of what is due, delivers it, and says what came of it.
    ///
    /// # Errors
    /// When the store fails before anything was claimed.
    pub async fn deliver_one_batch(&self) -> Result<Outcome, StoreError> {
        let _running = self.running.lock().await;
        self.take_over().await?;
        let (run, mut tasks, stop) = self.begin();
        let refilled = self.refill(&run, false).await;
        run.feed.close();
        while tasks.workers.join_next().await.is_some() {}
        let outcome = self.finish(run, tasks, &stop).await;
        refilled.map(|_| outcome)
    }

    /// Delivers whatever is or becomes due until `shutdown` is done; then finishes the messages in flight, gives back
    /// what it has claimed, and returns.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) -> Outcome {
        let _running = self.running.lock().await;
        tokio::pin!(shutdown);
        let mut told = Told::default();
        loop {
            tokio::select! {
                () = &mut shutdown => return Outcome::default(),
                taken = self.take_over() => match taken {
                    Ok(()) => break,
                    Err(error) => self.store_failed(&error, &mut told),
                },
            }
            tokio::time::sleep(self.shared.settings.timings.poll).await;
        }
        let (run, mut tasks, stop) = self.begin();
        let mut queued = true;
        loop {
            // A claim that is broken off in the middle is given back at the end with the others.
            let refilled = tokio::select! {
                () = &mut shutdown => break,
                refilled = self.refill(&run, queued) => refilled,
            };
            let wait = match refilled {
                Ok(wait) => {
                    told.over();
                    self.store_fails.store(false, Ordering::Relaxed);
                    wait
                }
                Err(error) => {
                    self.store_failed(&error, &mut told);
                    self.shared.settings.timings.poll
                }
            };
            queued = tokio::select! {
                () = &mut shutdown => break,
                () = run.feed.drained() => false,
                () = self.wake.notified() => true,
                () = self.shared.store.queued() => true,
                () = tokio::time::sleep(wait) => true,
            };
        }
        stop.send_replace(Stop::Soon);
        run.feed.close();
        run.feed.take_all();
        let stopped = async { while tasks.workers.join_next().await.is_some() {} };
        if timeout(self.shared.settings.timings.stop, stopped).await.is_err() {
            tracing::warn!("the relay did not answer in time; messages in flight are left as they are");
            stop.send_replace(Stop::Now);
        }
        self.finish(run, tasks, &stop).await
    }

    /// Frees what is left over from runs that were broken off: on a store of one's own of all, else of this node. And remembers
    /// what relays have asked for.
    async fn take_over(&self) -> Result<(), StoreError> {
        let Shared { store, node, policy, lease, clock, nodes, .. } = &*self.shared;
        let freed = if store.is_shared() {
            lease::beat(lease, store, node, clock.now()).await?;
            let others = store.read().await?.other_nodes(node).await?.iter().filter(|other| other.beat > 0).count();
            nodes.store(u32::try_from(others + 1).unwrap_or(u32::MAX), Ordering::SeqCst);
            store.marks().await?.free_deliveries_of(node, policy.after_death()).await?
        } else {
            store.marks().await?.free_all_deliveries(policy.after_death()).await?
        };
        if freed > 0 {
            tracing::info!(freed, "deliveries of a run that was broken off are free again");
        }
        rests::remember(&self.shared).await
    }

    /// Claims as many deliveries as there is room for, and feeds them; where something may have been `queued`, also what is
    /// more urgent. Says when the next look makes sense unless something happens before.
    async fn refill(&self, run: &Run, queued: bool) -> Result<Duration, StoreError> {
        let shared = &self.shared;
        let poll = shared.settings.timings.poll;
        if let Some(until) = shared.paused_until() {
            run.settle_refusals(false).await;
            return Ok(until.saturating_duration_since(tokio::time::Instant::now()).min(poll));
        }
        let now = shared.due_now();
        shared.quotas.restock(&shared.store, &run.feed, shared.clock.now(), now).await?;
        self.strays.free(run).await?;
        let (room, before) = run.feed.room(self.ahead_now(run), queued && self.mail.is_none());
        if room == 0 || !shared.lease.is_held() {
            return Ok(poll);
        }
        let mut session = shared.store.read().await?;
        let deferred = session.next_deferred().await?;
        let ready = session.has_due_delivery(now, before).await?;
        // Also where only what is urgent may be claimed: a quota of which nothing is in hand.
        let more = ready || before.is_some() && session.has_due_delivery(now, None).await?;
        drop(session);
        let wait = deferred.and_then(|due| u64::try_from(due.0 - now.0).ok()).map_or(poll, Duration::from_millis);
        let wait = wait.clamp(LEAST_WAIT, poll);
        let again = deferred.is_some_and(|due| due <= now);
        run.settle_refusals(!(more || again)).await;
        if !(ready || again) {
            return Ok(wait);
        }
        if again {
            shared.store.marks().await?.queue_deferred(now, QUEUED_AGAIN).await?;
        }
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let began = tokio::time::Instant::now();
        self.strays.claiming(true);
        run.claiming();
        let mut session = shared.store.marks().await?;
        let rows = match before {
            Some(priority) => session.claim_before(&shared.node, now, limit, priority).await?,
            None => session.claim_deliveries(&shared.node, now, limit, self.mail).await?,
        };
        drop(session);
        self.strays.claiming(false);
        run.counts.claimed(rows.len());
        run.settle_refusals(before.is_none() && rows.is_empty()).await;
        let is_full = rows.len() == room;
        let put_off = self.feed(run, rows).await?;
        if before.is_some() {
            shared.quotas.restock(&shared.store, &run.feed, shared.clock.now(), now).await?;
        }
        Ok(match put_off {
            // Behind those that wait for their domain are others that need not.
            1.. if is_full && put_off < room => Duration::ZERO,
            // With none to keep, whoever else writes has as much time as that took: there may be many more of them.
            1.. if is_full => began.elapsed().max(LEAST_WAIT),
            _ => wait,
        })
    }

    /// How many deliveries may be in hand: few where they go slowly, so that other nodes find some too.
    fn ahead_now(&self, run: &Run) -> usize {
        let (rate, places) = run.feed.pace(|pace| (pace.per_second(), pace.places()));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is above 0, and a cast saturates"
        )]
        let by_rate = rate.map_or(usize::MAX, |rate| (rate * AHEAD_OF_RATE).ceil() as usize);
        // A mail by itself is urgent, and has to be in hand to get a place that is kept for such.
        let by_quota = places.filter(|_| self.mail.is_none()).map_or(usize::MAX, |places| places as usize);
        self.ahead.min(by_rate.max(1)).min(by_quota)
    }

    /// Says how many of them have been put off.
    async fn feed(&self, run: &Run, rows: Vec<crate::store::ClaimedRow>) -> Result<usize, StoreError> {
        let failed = Fate { state: DeliveryState::Failed, due_at: None };
        let (mut jobs, mut hopeless) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut rows = rows.into_iter();
        for row in rows.by_ref() {
            if let Some(aside) = run.of_no_issue_under_way(&row) {
                hopeless.push(aside);
                continue;
            }
            let job = match self.shared.mails.get(&self.shared.store, row.mail_id).await {
                Ok(Ok(mail)) => Job::new(row, mail),
                Ok(Err(why)) => Err(Box::new((row, why))),
                Err(error) => {
                    // The rest of the claim would be nobody's until the run ends.
                    let unread = std::iter::once(row).chain(rows).map(|row| run.unclaimed(&row)).collect();
                    run.recorder.record(unread).await;
                    run.take_in(jobs).await;
                    run.recorder.record(hopeless).await;
                    return Err(error);
                }
            };
            match job {
                Ok(job) => jobs.push(job),
                Err(never) => {
                    let (row, why) = *never;
                    hopeless.push(run.outcome(&row, Attempt::Claimed, failed, why));
                }
            }
        }
        let put_off = run.take_in(jobs).await;
        run.recorder.record(hopeless).await;
        Ok(put_off)
    }
}
