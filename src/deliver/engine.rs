//! The engine: claims deliveries in batches, feeds the connections, and stops without losing anything.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::conversation::Stop;
use super::counts::Outcome;
use super::feed::Feed;
use super::health::Health;
use super::lease::{self, Lease};
use super::message::{Job, Links, Mails};
use super::outbox::Outbox;
use super::policy::{Fate, Policy};
use super::recorder::Recorder;
use super::relay::SmtpRelay;
use super::run::{Attempt, Relay, Run, Shared};
use super::session;
use super::settings::Settings;
use crate::config::RelayUrl;
use crate::domain::{Clock, DeliveryState, PublicId, Random};
use crate::store::{DelivererLock, Store, StoreError};

/// How many deliveries are claimed ahead for each connection, within these bounds in all.
const AHEAD: usize = 40;
const LEAST_AHEAD: usize = 200;
const MOST_AHEAD: usize = 2000;

/// How many deferred deliveries are queued again at a time.
const QUEUED_AGAIN: i64 = 1000;

/// After the connections have had their time, the recorder has this much to write down what is known.
const LAST_MARKS: Duration = Duration::from_secs(1);

/// Delivers what is queued.
pub struct Engine {
    shared: Arc<Shared>,
    ahead: usize,
    /// The one mail that it delivers; none: whatever is queued.
    mail: Option<i64>,
    wake: Notify,
    /// Whether a claim was broken off: it may have been made all the same, and nobody knows of it.
    strays: AtomicBool,
    /// One run at a time: what this node has in hand when a run begins is left over from a broken one.
    running: Mutex<()>,
    _lock: DelivererLock,
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
        let (relay, relay_name) = match &settings.smtp.url {
            RelayUrl::File(folder) => (Relay::Outbox(Outbox::new(folder)), "file".to_owned()),
            RelayUrl::Smtp { host, port, tls } => {
                let relay = SmtpRelay::new(host, *port, *tls, &settings.smtp, &settings.hello, settings.timings);
                (Relay::Smtp(Box::new(relay)), format!("{host}:{port}"))
            }
        };
        let policy = Policy { retry_for: settings.delivery.retry_for, after_crash: settings.delivery.after_crash };
        let ahead = settings.smtp.connections.saturating_mul(AHEAD).clamp(LEAST_AHEAD, MOST_AHEAD);
        let shared = Shared {
            node: PublicId::new(&*random).to_string(),
            relay,
            relay_name,
            mails: Mails::new(Arc::clone(&settings.sender)),
            lease: Lease::new(&store, &settings.timings),
            health: Health::new(settings.timings.relay_pause, settings.timings.relay_pause_max),
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
            strays: AtomicBool::new(false),
            running: Mutex::new(()),
            _lock: lock,
        }
    }

    /// The same, for the deliveries of one mail alone: what else is queued stays there.
    #[must_use]
    pub fn only(mut self, mail: i64) -> Self {
        self.mail = Some(mail);
        self
    }

    /// What the relay itself has last failed with, while it rests from that.
    pub fn relay_trouble(&self) -> Option<String> {
        self.shared.health.paused_until().and_then(|_| self.shared.health.words())
    }

    /// Tells a running engine that something has been queued.
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
        let refilled = self.refill(&run).await;
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
        loop {
            tokio::select! {
                () = &mut shutdown => return Outcome::default(),
                taken = self.take_over() => match taken {
                    Ok(()) => break,
                    Err(error) => tracing::warn!(%error, "delivering waits for the store"),
                },
            }
            tokio::time::sleep(self.shared.settings.timings.poll).await;
        }
        let (run, mut tasks, stop) = self.begin();
        loop {
            // A claim that is broken off in the middle is given back at the end with the others.
            let refilled = tokio::select! {
                () = &mut shutdown => break,
                refilled = self.refill(&run) => refilled,
            };
            let wait = refilled.unwrap_or_else(|error| {
                tracing::warn!(%error, "delivering waits for the store");
                self.shared.settings.timings.poll
            });
            tokio::select! {
                () = &mut shutdown => break,
                () = run.feed.drained() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
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

    /// Frees what is left over from runs that were broken off: on a store of one's own of all, else of this node.
    async fn take_over(&self) -> Result<(), StoreError> {
        let Shared { store, node, policy, lease, clock, .. } = &*self.shared;
        let freed = if store.is_shared() {
            lease::beat(lease, store, node, clock.now()).await?;
            store.marks().await?.free_deliveries_of(node, policy.after_death()).await?
        } else {
            store.marks().await?.free_all_deliveries(policy.after_death()).await?
        };
        if freed > 0 {
            tracing::info!(freed, "deliveries of a run that was broken off are free again");
        }
        Ok(())
    }

    /// Starts the connections' tasks, the recorder, and the heartbeat. They all end when the run is dropped.
    fn begin(&self) -> (Arc<Run>, Tasks, watch::Sender<Stop>) {
        let (stop, stops) = watch::channel(Stop::No);
        let (recorder, recording) = Recorder::new(self.shared.store.clone(), self.shared.node.clone());
        let run = Arc::new(Run::new(Arc::clone(&self.shared), Feed::new(self.ahead / 2), recorder, stops));
        let mut tasks = Tasks { workers: JoinSet::new(), recorder: JoinSet::new(), heartbeat: JoinSet::new() };
        tasks.recorder.spawn(recording);
        if self.shared.store.is_shared() {
            let shared = Arc::clone(&self.shared);
            tasks.heartbeat.spawn(async move {
                let Shared { lease, store, node, policy, settings, clock, .. } = &*shared;
                lease::keep(lease, store, node, *policy, settings.timings, &**clock).await;
            });
        }
        for _ in 0..self.shared.settings.smtp.connections.max(1) {
            tasks.workers.spawn(session::work(Arc::clone(&run)));
        }
        (run, tasks, stop)
    }

    /// Claims as many deliveries as there is room for, and feeds them. Says when the next look makes sense unless
    /// something happens before.
    async fn refill(&self, run: &Run) -> Result<Duration, StoreError> {
        let shared = &self.shared;
        let poll = shared.settings.timings.poll;
        if let Some(until) = shared.health.paused_until() {
            return Ok(until.saturating_duration_since(tokio::time::Instant::now()).min(poll));
        }
        let room = self.ahead.saturating_sub(run.feed.len());
        if room < self.ahead / 2 || !shared.lease.is_held() {
            return Ok(poll);
        }
        if self.strays.load(Ordering::SeqCst) {
            shared.store.marks().await?.release_deliveries(&shared.node, &run.in_hand()).await?;
            self.strays.store(false, Ordering::SeqCst);
        }
        let now = shared.clock.now();
        let mut session = shared.store.read().await?;
        let deferred = session.next_deferred().await?;
        let ready = session.has_due_delivery(now).await?;
        drop(session);
        let wait = deferred.and_then(|due| u64::try_from(due.0 - now.0).ok()).map_or(poll, Duration::from_millis);
        let wait = wait.clamp(Duration::from_millis(10), poll);
        let again = deferred.is_some_and(|due| due <= now);
        if !(ready || again) {
            return Ok(wait);
        }
        if again {
            shared.store.marks().await?.queue_deferred(now, QUEUED_AGAIN).await?;
        }
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        self.strays.store(true, Ordering::SeqCst);
        let rows = shared.store.marks().await?.claim_deliveries(&shared.node, now, limit, self.mail).await?;
        self.strays.store(false, Ordering::SeqCst);
        run.counts.claimed(rows.len());
        self.feed(run, rows).await?;
        Ok(wait)
    }

    async fn feed(&self, run: &Run, rows: Vec<crate::store::ClaimedRow>) -> Result<(), StoreError> {
        let failed = Fate { state: DeliveryState::Failed, due_at: None };
        let (mut jobs, mut hopeless) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut rows = rows.into_iter();
        for row in rows.by_ref() {
            let job = match self.shared.mails.get(&self.shared.store, row.mail_id).await {
                Ok(Ok(mail)) => Job::new(row, mail),
                Ok(Err(why)) => Err(Box::new((row, why))),
                Err(error) => {
                    // The rest of the claim would be nobody's until the run ends.
                    let unread = std::iter::once(row).chain(rows).map(|row| run.unclaimed(&row)).collect();
                    run.recorder.record(unread).await;
                    hopeless.extend(run.take_in(jobs));
                    run.recorder.record(hopeless).await;
                    return Err(error);
                }
            };
            match job {
                Ok(job) => jobs.push(job),
                Err(never) => {
                    let (row, why) = *never;
                    hopeless.push(run.result(&row, Attempt::Claimed, failed, why));
                }
            }
        }
        hopeless.extend(run.take_in(jobs));
        run.recorder.record(hopeless).await;
        Ok(())
    }

    /// Lets the tasks end, writes down what is known, and gives back what is claimed.
    async fn finish(&self, run: Arc<Run>, mut tasks: Tasks, stop: &watch::Sender<Stop>) -> Outcome {
        let ended = timeout(LAST_MARKS, async { while tasks.workers.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            stop.send_replace(Stop::Now);
            tasks.workers.shutdown().await;
        }
        let outcome = run.counts.outcome(self.shared.health.words());
        // The recorder ends when the run, which has the way to it, is gone.
        drop(run);
        let recorded = timeout(LAST_MARKS, async { while tasks.recorder.join_next().await.is_some() {} }).await;
        if recorded.is_err() {
            tracing::warn!("the store did not take the last results in time; they are uncertain");
        }
        match timeout(LAST_MARKS, self.give_back()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "claims are not given back; they are free at the next start"),
            Err(_) => tracing::warn!("claims are not given back in time; they are free at the next start"),
        }
        outcome
    }

    async fn give_back(&self) -> Result<(), StoreError> {
        let mut session = self.shared.store.marks().await?;
        session.release_deliveries(&self.shared.node, &[]).await?;
        if self.shared.store.is_shared() {
            session.leave_nodes(&self.shared.node).await?;
        }
        Ok(())
    }
}

/// The tasks of a run; dropped, they are aborted.
struct Tasks {
    workers: JoinSet<()>,
    recorder: JoinSet<()>,
    heartbeat: JoinSet<()>,
}
