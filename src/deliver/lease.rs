//! The lease of a node on a shared store: a counter that it raises, and a watch over the counters of the others.
//!
//! Nobody compares clocks. A node is dead when its counter has not moved for a while on the observer's own monotonic
//! clock, so that machines whose clocks differ take nothing from each other.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::policy::Policy;
use super::settings::Timings;
use crate::domain::{Clock, UtcMillis};
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

/// Beats, and frees what dead nodes had, for as long as it runs.
/// `living` learns how many nodes there are.
pub async fn keep(
    lease: &Lease,
    store: &Store,
    node: &str,
    policy: Policy,
    timings: Timings,
    clock: &dyn Clock,
    living: &AtomicU32,
) {
    let mut others = Others::default();
    loop {
        tokio::time::sleep(timings.beat).await;
        if let Err(error) = beat(lease, store, node, clock.now()).await {
            tracing::warn!(%error, "this node could not renew its lease");
        }
        match others.free_the_dead(store, node, policy, timings.lease).await {
            Ok(()) => living.store(1 + others.living(), Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "this node could not look after the others"),
        }
    }
}

/// Raises this node's counter.
pub async fn beat(lease: &Lease, store: &Store, node: &str, now: UtcMillis) -> Result<(), StoreError> {
    let since = Instant::now();
    store.marks().await?.beat(node, now).await?;
    lease.renew(since);
    Ok(())
}

/// What has been seen of the other nodes: each counter, and since when it has stood there.
#[derive(Default)]
struct Others(HashMap<String, (i64, Instant)>);

impl Others {
    async fn free_the_dead(
        &mut self,
        store: &Store,
        node: &str,
        policy: Policy,
        lease: Duration,
    ) -> Result<(), StoreError> {
        let rows = store.read().await?.other_nodes(node).await?;
        for dead in self.observe(rows, Instant::now(), lease) {
            let mut session = store.write(Durability::Full).await?;
            if session.bury_node(&dead).await? {
                let freed = session.free_deliveries_of(&dead.node, policy.after_death()).await?;
                session.commit().await?;
                tracing::warn!(node = dead.node, freed, "a node is dead; its deliveries are free again");
            }
            self.0.remove(&dead.node);
        }
        Ok(())
    }

    /// How many there are; those without a row of their own only left something behind.
    fn living(&self) -> u32 {
        u32::try_from(self.0.values().filter(|(beat, _)| *beat > 0).count()).unwrap_or(u32::MAX - 1)
    }

    /// Takes a look; gives those whose counter has not moved for the time of a lease.
    fn observe(&mut self, rows: Vec<NodeRow>, now: Instant, lease: Duration) -> Vec<NodeRow> {
        let mut seen = HashMap::new();
        let mut dead = Vec::new();
        for row in rows {
            let since = match self.0.get(&row.node) {
                Some((beat, since)) if *beat == row.beat => *since,
                _ => now,
            };
            seen.insert(row.node.clone(), (row.beat, since));
            if now.duration_since(since) >= lease {
                dead.push(row);
            }
        }
        self.0 = seen;
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_dead_when_its_counter_has_stood_still_for_a_lease() {
        let (start, lease) = (Instant::now(), Duration::from_secs(30));
        let mut others = Others::default();
        let mut look = |second: u64, beat| {
            let rows = vec![NodeRow { node: "b".to_owned(), beat }];
            others.observe(rows, start + Duration::from_secs(second), lease).len()
        };
        assert_eq!(look(0, 1), 0);
        assert_eq!(look(29, 1), 0);
        assert_eq!(look(31, 2), 0, "it has moved since");
        assert_eq!(look(60, 2), 0);
        assert_eq!(look(61, 2), 1);
    }
}
