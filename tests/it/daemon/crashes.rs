//! Nodes killed at random, a relay that falls in the middle of its conversations, readers who leave meanwhile.
//!
//! `cargo bench --bench crash` does the same to a hundred thousand.

use std::time::Duration;

use crate::support::crashes::{Plan, survive};
use crate::support::on_both;

on_both! {
    async fn nobody_is_lost_and_few_are_repeated_whatever_falls(store: TestStore) {
        let nodes: u32 = if store.store.is_shared() { 3 } else { 1 };
        // Slowly enough that there is something to kill all the time.
        let pause = Duration::from_millis(30) * nodes;
        let nodes = usize::try_from(nodes).unwrap();
        let plan = Plan { people: 900, nodes, connections: 3, kills: 4, falls: 3, leavers: 60, pause };
        let outcome = survive(&store, plan).await;
        assert_eq!((outcome.lost, outcome.late), (0, 0), "{outcome:?}");
        assert!(outcome.repeats <= outcome.bound, "{outcome:?}");
        assert!(outcome.spared > 0, "somebody left in time: {outcome:?}");
        assert!(outcome.seconds < 200.0, "nothing waits for longer than a lease: {outcome:?}");
    }
}
