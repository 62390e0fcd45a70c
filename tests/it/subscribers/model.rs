//! Random lives of a few people against a small model: who may be mailed what, at every step, on both databases.
//!
//! The model knows nothing of requests, tokens and suppressions' precedence; it holds what a person has agreed to and
//! what has come in between. After each step, whom the store would mail must be whom the model would.

mod files;
mod moving;
mod people;
mod returning;
mod sending;
mod words;
mod world;

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::TestStore;
use files::Had;
use people::{Bar, DIGESTS};
use world::World;

/// One thing that happens to one of the people.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Somebody types their address, wanting these digests and topics (as bits).
    Join { who: usize, digests: u8, topics: u8 },
    /// One of the links that they were mailed is opened by a scanner, and then its button pressed, or not.
    Confirm { who: usize, link: usize, pressed: bool },
    /// The button of an expired link is pressed.
    AskAgain { who: usize, link: usize },
    /// One-click in a digest that they once got.
    Leave { who: usize, digest: usize },
    /// They leave everything.
    LeaveAll { who: usize },
    /// They undo one of their latest leavings.
    Undo { who: usize, back: usize },
    /// They take up a digest by the link to everything.
    TakeUp { who: usize, digest: usize },
    /// Somebody says that they have lost the link of that address.
    LoseLink { who: usize },
    /// They ask for another inbox instead: the next one, or the one after that.
    AskMove { who: usize, on: usize },
    /// One of the links is followed that were mailed to a new address.
    FollowMove { link: usize },
    /// They choose topics of a digest, and pause it for some days, or not.
    Choose { who: usize, digest: usize, topics: u8, days: u64 },
    /// Their mails come back for good.
    Bounce { who: usize },
    /// They report one as spam.
    Complain { who: usize },
    /// An operator suppresses the address, or lifts whatever suppression there is.
    ByHand { who: usize, lift: bool },
    /// An operator has them on paper.
    Evidence { who: usize, digests: u8, topics: u8 },
    /// A file has them in that state, and names digests and topics, or none.
    Import { who: usize, state: usize, digests: u8, topics: u8 },
    /// A row of our own export has them as confirmed there, and perhaps suppressed.
    ImportExport { who: usize, digests: [Had; 2], mark: Option<Bar> },
    /// A list of addresses that must not be mailed has theirs, and perhaps says since when.
    List { who: usize, reason: Bar, old: bool },
    /// They have everything erased, by their link or by an operator.
    Erase { who: usize, by_link: bool },
    /// An issue of a digest is laid out for whoever gets it now.
    LayOut { digest: usize },
    /// All that is queued is started.
    Deliver,
    /// A new token key.
    Rotate,
    /// The program reminds and forgets.
    Housekeep,
    /// Time goes by.
    Wait { minutes: u64 },
}

/// What many of the lives begin with, since few would come to it by themselves: two who are there, an inbox that one of them
/// has left behind, the other who asks for that one, and a complaint of the first.
fn beginning() -> Vec<Step> {
    let joins = |who| [Step::Join { who, digests: 3, topics: 0 }, Step::Confirm { who, link: 0, pressed: true }];
    let moves = [Step::AskMove { who: 0, on: 1 }, Step::FollowMove { link: 0 }];
    let asks = [Step::Wait { minutes: 11 }, Step::AskMove { who: 2, on: 1 }];
    [&joins(0)[..], &joins(2), &moves, &asks, &[Step::Complain { who: 1 }]].concat()
}

fn had() -> impl Strategy<Value = Had> {
    prop::sample::select(vec![Had::Nothing, Had::Active, Had::Active, Had::Left, Had::Paused(1), Had::Paused(3)])
}

fn bar() -> impl Strategy<Value = Bar> {
    prop::sample::select(vec![Bar::Erased, Bar::Bounced, Bar::Bounced, Bar::Complaint, Bar::Manual])
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..people::PEOPLE.len();
    let digest = 0..DIGESTS.len();
    let wanted = (who.clone(), 1..4_u8, 0..8_u8);
    let step = prop_oneof![
        6 => wanted.clone().prop_map(|(who, digests, topics)| Step::Join { who, digests, topics }),
        9 => (who.clone(), 0..4_usize, prop::bool::weighted(0.8)).prop_map(|(who, link, pressed)| Step::Confirm { who, link, pressed }),
        1 => (who.clone(), 0..4_usize).prop_map(|(who, link)| Step::AskAgain { who, link }),
        3 => (who.clone(), digest.clone()).prop_map(|(who, digest)| Step::Leave { who, digest }),
        1 => who.clone().prop_map(|who| Step::LeaveAll { who }),
        3 => (who.clone(), 0..2_usize).prop_map(|(who, back)| Step::Undo { who, back }),
        2 => (who.clone(), digest.clone()).prop_map(|(who, digest)| Step::TakeUp { who, digest }),
        1 => who.clone().prop_map(|who| Step::LoseLink { who }),
        3 => (who.clone(), 1..people::PEOPLE.len()).prop_map(|(who, on)| Step::AskMove { who, on }),
        3 => (0..2_usize).prop_map(|link| Step::FollowMove { link }),
        2 => (who.clone(), digest.clone(), 0..8_u8, 0..4_u64).prop_map(|(who, digest, topics, days)| Step::Choose { who, digest, topics, days }),
        1 => who.clone().prop_map(|who| Step::Bounce { who }),
        1 => who.clone().prop_map(|who| Step::Complain { who }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, lift)| Step::ByHand { who, lift }),
        1 => wanted.prop_map(|(who, digests, topics)| Step::Evidence { who, digests, topics }),
        3 => (who.clone(), 0..4_usize, 0..4_u8, 0..8_u8).prop_map(|(who, state, digests, topics)| Step::Import { who, state, digests, topics }),
        3 => (who.clone(), [had(), had()], prop::option::weighted(0.3, bar())).prop_map(|(who, digests, mark)| Step::ImportExport { who, digests, mark }),
        1 => (who.clone(), bar(), any::<bool>()).prop_map(|(who, reason, old)| Step::List { who, reason, old }),
        2 => (who, any::<bool>()).prop_map(|(who, by_link)| Step::Erase { who, by_link }),
        3 => digest.prop_map(|digest| Step::LayOut { digest }),
        3 => Just(Step::Deliver),
        1 => Just(Step::Rotate),
        1 => Just(Step::Housekeep),
        6 => prop::sample::select(vec![1, 11, 600, 1_500, 5_000, 11_000, 45_000]).prop_map(|minutes| Step::Wait { minutes }),
    ];
    let further = prop::collection::vec(step, 1..36);
    let begun = prop::sample::select(vec![0, 0, 6, 8, beginning().len()]);
    (begun, further).prop_map(|(begun, further)| [&beginning()[..begun], &further].concat())
}

/// Lives so many lives, each on a store of its own.
fn lives(cases: u32, on_postgres: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Each life takes a database, so that shrinking one is dear: a failure prints all its steps.
    let config = Config { cases, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let lived = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            let store = match on_postgres {
                true => TestStore::postgres().await,
                false => Some(TestStore::sqlite().await),
            };
            let Some(store) = store else { return };
            let mut world = World::open(&store).await;
            for (at, step) in steps.iter().enumerate() {
                world.take(*step).await;
                world.check(&format!("after step {at}, {step:?}")).await;
                // Nothing happens at the same moment as something else.
                world.clock.advance(Duration::from_secs(1));
            }
            store.store.close().await;
        });
        Ok(())
    });
    if let Err(error) = lived {
        panic!("{error}");
    }
}

#[test]
fn whatever_happens_only_who_agreed_and_has_not_said_no_since_is_mailed_on_sqlite() {
    lives(64, false);
}

#[test]
fn whatever_happens_only_who_agreed_and_has_not_said_no_since_is_mailed_on_postgres() {
    lives(8, true);
}
