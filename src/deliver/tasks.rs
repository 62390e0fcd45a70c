//! The tasks of a run: how they begin, and how they end with everything written down.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::conversation::Stop;
use super::counts::Outcome;
use super::engine::Engine;
use super::feed::Feed;
use super::pace::{Limit, Pace};
use super::quotas::Returned;
use super::recorder::Recorder;
use super::run::{Run, Shared};
use super::{aside, connections, lease, pacer, rests, troubles};
use crate::store::StoreError;

/// After the connections have had their time, the recorder has this much to write down what is known.
const LAST_MARKS: Duration = Duration::from_millis(700);

/// The tasks of a run; dropped, they are aborted.
pub struct Tasks {
    /// The connections.
    pub workers: JoinSet<()>,
    /// What writes down starts and results.
    recorder: JoinSet<()>,
    /// What keeps the lease, to rates that nodes share, and an eye on issues and on relays that rest.
    beside: JoinSet<()>,
}

impl Engine {
    /// Starts the connections' tasks, the recorder, and what there is to do among nodes. They all end when the run is dropped.
    pub(super) fn begin(&self) -> (Arc<Run>, Tasks, watch::Sender<Stop>) {
        let (stop, stops) = watch::channel(Stop::No);
        let Shared { store, node, policy, settings, nodes, .. } = &*self.shared;
        let (recorder, recording) = Recorder::new(store.clone(), node.clone(), policy.durability());
        let is_shared = store.is_shared();
        let pace = Pace::new(&settings.smtp, Arc::clone(nodes), is_shared).following(&self.shared.reached());
        let unwelcome = self.shared.stations.iter().map(|station| Arc::clone(&station.unwelcome)).collect();
        let run = Run::new(Arc::clone(&self.shared), Feed::new(self.ahead / 2, pace, unwelcome), recorder, stops);
        let mut tasks = Tasks { workers: JoinSet::new(), recorder: JoinSet::new(), beside: JoinSet::new() };
        tasks.recorder.spawn(recording);
        let watched = Arc::clone(&run);
        tasks.beside.spawn(async move { aside::keep(&watched).await });
        let rested = Arc::clone(&run);
        tasks.beside.spawn(async move { rests::keep(&rested).await });
        if is_shared {
            let leased = Arc::clone(&run);
            tasks.beside.spawn(async move { lease::keep(&leased).await });
        }
        if run.feed.pace(|pace| pace.is_shared()) {
            let paced = Arc::clone(&run);
            tasks.beside.spawn(async move { pacer::keep(&paced).await });
        }
        tasks.workers.spawn(connections::work(Arc::clone(&run)));
        (run, tasks, stop)
    }

    /// Lets the tasks end, writes down what is known, and gives back what is claimed.
    pub(super) async fn finish(&self, run: Arc<Run>, mut tasks: Tasks, stop: &watch::Sender<Stop>) -> Outcome {
        let ended = timeout(LAST_MARKS, async { while tasks.workers.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            stop.send_replace(Stop::Now);
            tasks.workers.shutdown().await;
        }
        run.end_refusals().await;
        let outcome = run.counts.outcome(self.shared.words());
        let places = self.shared.quotas.take_out(&run.feed);
        *self.shared.reached() = run.feed.pace(|pace| pace.reached());
        tasks.beside.shutdown().await;
        let turns = run.feed.pace(Pace::let_go);
        // The recorder ends when the run, which has the way to it, is gone.
        drop(run);
        let recorded = timeout(LAST_MARKS, async { while tasks.recorder.join_next().await.is_some() {} }).await;
        if recorded.is_err() {
            tracing::warn!("the store did not take the last results in time; they are uncertain");
        }
        if timeout(LAST_MARKS, self.give_back(&places, &turns)).await.is_err() {
            tracing::warn!("not all could be given back in time; claims are free at the next start");
        }
        outcome
    }

    /// Leaves to others what this node has: its claims first, which nobody else can deliver until then. What cannot be given back
    /// keeps nothing else.
    async fn give_back(&self, places: &Returned, turns: &[(Limit, Duration)]) {
        let Shared { store, quotas, .. } = &*self.shared;
        if let Err(error) = self.release().await {
            tracing::warn!(%error, "claims are not given back; they are free at the next start");
        }
        if let Err(error) = rests::save(&self.shared).await {
            tracing::warn!(%error, "that a relay asks for less speed is not written down");
        }
        if let Err(error) = troubles::end(&self.shared).await {
            tracing::warn!(%error, "that a relay does not work stays written down until somebody delivers again");
        }
        if let Err(error) = quotas.give_back(store, places).await {
            tracing::warn!(%error, "places of quotas are not given back; they count as used");
        }
        if let Err(error) = pacer::leave(&self.shared, turns).await {
            tracing::warn!(%error, "turns at a rate are not given back; they pass unused");
        }
    }

    async fn release(&self) -> Result<(), StoreError> {
        let Shared { store, node, .. } = &*self.shared;
        let mut session = store.marks().await?;
        session.release_deliveries(node, &[]).await?;
        if store.is_shared() {
            session.leave_nodes(node).await?;
        }
        Ok(())
    }
}
