//! The lease of a node on a shared store: a counter that it raises, and a watch over the counters of the others.
//!
//! Nobody compares clocks. A node is dead when its counter has not moved for a while on the observer's own monotonic
//! clock, so that machines whose clocks differ take nothing from each other.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::policy::Policy;
use super::run::{Run, Shared};
use super::settings::Timings;
use crate::domain::UtcMillis;
use crate::store::{Durability, NodeRow, Store, StoreError};

/// Whether this node may still start deliveries.
pub struct Lease {
    /// `None`: the store is not shared, and its lock is held.
    beaten: Option<Mutex<Instant>>,
    length: Duration,
}

impl Lease {
    /// A lease that begins now.
    pub fn new(store: &Store, timings: &Timings) -> Self {
        Self { beaten: store.is_shared().then(|| Mutex::new(Instant::now())), length: timings.lease }
    }

    /// Whether others still take this node for living.
    pub fn is_held(&self) -> bool {
        let Some(beaten) = &self.beaten else { return true };
        beaten.lock().map_or(true, |beaten| beaten.elapsed() < self.length)
    }

    fn renew(&self, since: Instant) {
        if let Some(Ok(mut beaten)) = self.beaten.as_ref().map(Mutex::lock) {
            *beaten = since;
        }
    }
}

/// Beats, and frees what dead nodes had, for as long as it runs. When others have taken this node for dead, which stood
/// still, what it had is theirs: it lets go of that, and goes on.
pub async fn keep(run: &Run) {
    let Shared { lease, store, node, policy, settings, clock, nodes, .. } = &*run.shared;
    let timings = settings.timings;
    let mut others = Others::default();
    loop {
        tokio::time::sleep(timings.beat).await;
        match beat(lease, store, node, clock.now()).await {
            Ok(Beat::Goes) => {}
            Ok(Beat::New) => {
                tracing::warn!("this node stood still, and others have taken over what it had; it goes on");
                run.let_go().await;
            }
            Err(error) => tracing::warn!(%error, "this node could not renew its lease"),
        }
        match others.free_the_dead(store, node, *policy, timings).await {
            Ok(()) => nodes.store(1 + others.living(), Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "this node could not look after the others"),
        }
    }
}

/// What a beat has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The counter goes on.
    Goes,
    /// It begins: the node is new, or has been buried.
    New,
}

/// Raises this node's counter.
pub async fn beat(lease: &Lease, store: &Store, node: &str, now: UtcMillis) -> Result<Beat, StoreError> {
    let since = Instant::now();
    let count = store.marks().await?.beat(node, now).await?;
    lease.renew(since);
    Ok(if count == 1 { Beat::New } else { Beat::Goes })
}

/// What has been seen of the other nodes.
#[derive(Default)]
struct Others {
    /// Each counter, and for how long it has been seen to stand there.
    seen: HashMap<String, (i64, Duration)>,
    looked: Option<Instant>,
}

impl Others {
    async fn free_the_dead(
        &mut self,
        store: &Store,
        node: &str,
        policy: Policy,
        timings: Timings,
    ) -> Result<(), StoreError> {
        let rows = store.read().await?.other_nodes(node).await?;
        for dead in self.observe(rows, Instant::now(), timings) {
            let mut session = store.write(Durability::Full).await?;
            if session.bury_node(&dead).await? {
                let freed = session.free_deliveries_of(&dead.node, policy.after_death()).await?;
                session.commit().await?;
                tracing::warn!(node = dead.node, freed, "a node is dead; its deliveries are free again");
            }
            self.seen.remove(&dead.node);
        }
        Ok(())
    }

    /// How many there are; those without a row of their own only left something behind.
    fn living(&self) -> u32 {
        u32::try_from(self.seen.values().filter(|(beat, _)| *beat > 0).count()).unwrap_or(u32::MAX - 1)
    }

    /// Takes a look; gives those whose counter has not moved for the time of a lease. Time in which this node did not look
    /// says nothing: it stood still itself, and the others may have done so with it.
    fn observe(&mut self, rows: Vec<NodeRow>, now: Instant, timings: Timings) -> Vec<NodeRow> {
        let passed = self.looked.map_or(Duration::ZERO, |looked| now.duration_since(looked)).min(timings.beat * 2);
        self.looked = Some(now);
        let mut seen = HashMap::new();
        let mut dead = Vec::new();
        for row in rows {
            let stood = match self.seen.get(&row.node) {
                Some((beat, stood)) if *beat == row.beat => *stood + passed,
                _ => Duration::ZERO,
            };
            seen.insert(row.node.clone(), (row.beat, stood));
            if stood >= timings.lease {
                dead.push(row);
            }
        }
        self.seen = seen;
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at a node with that counter, once with each beat, so often.
    fn look(others: &mut Others, now: &mut Instant, beat: i64, times: usize) -> usize {
        let timings = Timings::default();
        let mut dead = 0;
        for _ in 0..times {
            *now += timings.beat;
            dead += others.observe(vec![NodeRow { node: "b".to_owned(), beat }], *now, timings).len();
        }
        dead
    }

    #[test]
    fn a_node_is_dead_when_its_counter_has_stood_still_for_a_lease() {
        let (mut others, mut now) = (Others::default(), Instant::now());
        assert_eq!(look(&mut others, &mut now, 1, 6), 0);
        assert_eq!(look(&mut others, &mut now, 2, 6), 0, "it has moved since");
        assert_eq!(look(&mut others, &mut now, 2, 1), 1);
    }

    #[test]
    fn whoever_stood_still_itself_takes_nobody_for_dead() {
        let (mut others, mut now) = (Others::default(), Instant::now());
        look(&mut others, &mut now, 1, 2);
        now += Duration::from_secs(3600);
        assert_eq!(look(&mut others, &mut now, 1, 1), 0);
    }
}
