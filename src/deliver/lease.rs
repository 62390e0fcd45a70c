//! The lease of a node on a shared store: a counter that it raises, and a watch over the counters of the others.
//!
//! Nobody compares clocks. A node is dead when its counter has not moved for a while on the observer's own monotonic
//! clock, so that machines whose clocks differ take nothing from each other.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::policy::Policy;
use super::run::{Run, Shared};
use super::settings::Timings;
use crate::domain::UtcMillis;
use crate::store::{Durability, NodeRow, Store, StoreError};

/// Whether this node may still start deliveries.
pub struct Lease(Option<Mutex<Held>>);

/// A lease on a shared store.
struct Held {
    length: Duration,
    beaten: Instant,
    /// How often it had run out when it was renewed: what was granted in an earlier term is nobody's by now.
    term: u64,
    /// The last value of the counter. None comes twice, also where others have taken this node for dead in between: whoever
    /// has seen one stand for long would take the same one for the proof that it still does.
    beats: i64,
}

impl Held {
    fn is_held(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.beaten) < self.length
    }
}

impl Lease {
    /// A lease that begins now.
    pub fn new(store: &Store, timings: &Timings) -> Self {
        if store.is_shared() { Self::shared(timings.lease, Instant::now()) } else { Self::alone() }
    }

    /// The store is not shared, and its lock is held.
    pub fn alone() -> Self {
        Self(None)
    }

    /// A lease of that length, which begins then.
    pub fn shared(length: Duration, begins: Instant) -> Self {
        Self(Some(Mutex::new(Held { length, beaten: begins, term: 0, beats: 0 })))
    }

    /// Whether others still take this node for living.
    pub fn is_held(&self) -> bool {
        self.is_held_at(Instant::now())
    }

    /// The same at that moment.
    pub fn is_held_at(&self, now: Instant) -> bool {
        self.with(true, |held| held.is_held(now))
    }

    /// The term in which something is asked of the store now.
    pub fn term(&self) -> u64 {
        self.with(0, |held| held.term)
    }

    /// Whether the lease has been held without a break since `term` was asked for: what others would take over has not been
    /// taken over, however soon the lease was renewed.
    pub fn is_held_in(&self, term: u64, now: Instant) -> bool {
        self.with(true, |held| held.term == term && held.is_held(now))
    }

    /// Renews it: the counter was raised after `since`, and that is known `now`. Says whether it begins anew, since it had run
    /// out, or this node was `buried`.
    pub fn renew(&self, since: Instant, now: Instant, buried: bool) -> bool {
        self.with(false, |held| {
            let anew = buried || !held.is_held(now);
            held.term += u64::from(anew);
            held.beaten = since;
            anew
        })
    }

    /// The next value of the counter.
    pub fn next_beat(&self) -> i64 {
        self.with(0, |held| {
            held.beats += 1;
            held.beats
        })
    }

    /// Counts on from where another lease of the same node has come to.
    pub fn count_on_from(&self, before: &Self) {
        let beats = before.with(0, |held| held.beats);
        self.with((), |held| held.beats = beats);
    }

    fn with<T>(&self, alone: T, act: impl FnOnce(&mut Held) -> T) -> T {
        let Some(held) = &self.0 else { return alone };
        act(&mut held.lock().unwrap_or_else(PoisonError::into_inner))
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
            Ok(Beat::Anew) => {
                tracing::warn!("this node stood still, and others may have taken over what it had; it goes on");
                run.forget();
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
    /// The lease goes on.
    Goes,
    /// It begins anew: the node is new, or others have buried it, or may have.
    Anew,
}

/// Raises this node's counter. On disk at once, since a counter that a loss of power sets back looks as if it had stood still.
pub async fn beat(lease: &Lease, store: &Store, node: &str, now: UtcMillis) -> Result<Beat, StoreError> {
    let since = Instant::now();
    let mut session = store.write(Durability::Full).await?;
    let buried = session.beat(node, lease.next_beat(), now).await?;
    session.commit().await?;
    Ok(if lease.renew(since, Instant::now(), buried) { Beat::Anew } else { Beat::Goes })
}

/// What has been seen of the other nodes.
#[derive(Default)]
pub(super) struct Others {
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
    pub(super) fn observe(&mut self, rows: Vec<NodeRow>, now: Instant, timings: Timings) -> Vec<NodeRow> {
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

    #[test]
    fn what_was_asked_for_before_the_lease_ran_out_does_not_go_out_after_it_was_renewed() {
        let (start, lease) = (Instant::now(), Lease::shared(Duration::from_secs(30), Instant::now()));
        let at = |second: u64| start + Duration::from_secs(second);
        lease.renew(at(20), at(21), false);
        let asked = lease.term();
        assert!(lease.is_held_in(asked, at(49)), "renewed in time");
        assert!(!lease.is_held_in(asked, at(51)), "others may have taken over");
        lease.renew(at(51), at(52), false);
        assert!(lease.is_held_at(at(53)) && !lease.is_held_in(asked, at(53)), "they may have in between");
        let asked = lease.term();
        assert!(lease.is_held_in(asked, at(53)));
        lease.renew(at(54), at(54), true);
        assert!(!lease.is_held_in(asked, at(55)), "they have, though by this clock they had no time to");
    }

    #[test]
    fn no_value_of_the_counter_comes_twice_also_from_a_lease_in_the_place_of_another() {
        let lease = || Lease::shared(Duration::from_secs(30), Instant::now());
        let (old, new) = (lease(), lease());
        assert_eq!([old.next_beat(), old.next_beat()], [1, 2]);
        new.count_on_from(&old);
        assert_eq!(new.next_beat(), 3);
    }
}
