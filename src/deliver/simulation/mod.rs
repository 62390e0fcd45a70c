//! The delivery protocol as a model, and an explorer of the orders in which things may happen and go wrong.
//!
//! Nodes claim, record, beat and talk to a relay in steps; between any two of them a process may die, stand still or lose an
//! answer, a connection may break, a clock step, somebody leave, the store lose power. A seed decides which, so that what
//! went wrong once goes wrong again. The lease, the look at the others, the policy and the times of starts are the program's
//! own; the statements are a model that `lockstep` holds against both databases.

mod attempts;
mod connection;
mod faults;
mod lockstep;
mod node;
mod tables;
mod world;

use world::World;

/// A protocol with one thing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The start is recorded with the result.
    StartAfterContent,
    /// A start does not look at the subscriber.
    StartForWhoHasLeft,
    /// What has been granted goes out, however long ago that was.
    LeaseNotLookedAt,
    /// What has been granted goes out when there is a lease, though it may be another one.
    LeaseOfAnyTerm,
    /// A result counts only while the start stands.
    LateResultDropped,
    /// Marks do not ask whose the delivery is.
    MarkOfAnybody,
    /// A claim takes also what somebody has.
    ClaimOfAnything,
    /// A connection goes on before its last result is recorded.
    ResultsLater,
    /// A node is taken for dead by whoever sees it, however short that stood.
    BuriedWithoutALook,
    /// A node that was taken for dead counts from one again.
    CountedFromOne,
    /// A claim whose answer was lost is nobody's for ever.
    StraysKept,
    /// Only after a claim whose answer was lost it is looked for what nobody has in hand.
    LostResultsKept,
    /// A period may have a second issue.
    PeriodWithoutKey,
    /// Marks come to the disk when somebody else writes.
    NeverSynced,
}

/// How many worlds are lived through.
const WORLDS: u64 = 2_500;

/// How many are looked through for one in which something wrong shows.
const MANY: u64 = 40_000;

fn explore(worlds: u64, power: bool, broken: Option<Broken>) -> Option<(u64, String)> {
    (0..worlds).find_map(|seed| World::new(seed, power, broken).run().err().map(|wrong| (seed, wrong)))
}

#[test]
fn nothing_is_lost_and_only_what_nobody_can_know_of_is_repeated() {
    assert_eq!(explore(WORLDS, false, None), None);
}

#[test]
fn power_that_is_lost_takes_no_more_than_the_marks_of_the_last_moment() {
    assert_eq!(explore(WORLDS, true, None), None);
}

/// A test of the explorer: it has to find what is wrong with a protocol, and to say that of it.
fn is_caught(broken: Broken, words: &str) {
    let Some((seed, wrong)) = explore(MANY, true, Some(broken)) else { panic!("{broken:?} was not caught") };
    assert!(wrong.contains(words), "{broken:?} was caught by {wrong:?} in world {seed}");
}

#[test]
fn a_protocol_with_anything_missing_is_caught() {
    is_caught(Broken::StartAfterContent, "without a start in the store");
    is_caught(Broken::StartForWhoHasLeft, "after the answer to their leaving");
    is_caught(Broken::LeaseNotLookedAt, "without a reason");
    is_caught(Broken::LeaseOfAnyTerm, "without a reason");
    is_caught(Broken::LateResultDropped, "did not clear");
    is_caught(Broken::MarkOfAnybody, "without a reason");
    is_caught(Broken::ClaimOfAnything, "without a reason");
    is_caught(Broken::ResultsLater, "sent on without the result");
    is_caught(Broken::BuriedWithoutALook, "without a reason");
    is_caught(Broken::CountedFromOne, "without a reason");
    is_caught(Broken::StraysKept, "it never ends");
    is_caught(Broken::LostResultsKept, "it never ends");
    is_caught(Broken::PeriodWithoutKey, "two issues");
    is_caught(Broken::NeverSynced, "ago were lost");
}
