//! Issues that are held, cancelled or changed while deliveries of them are in hand: what is only claimed goes to no relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postround::deliver::Engine;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::{DeliveryState, IssueState};
use postround::store::{Durability, Store};

use super::world::{Catcher, World, until_held};
use crate::support::{MONDAY, PATIENCE, on_both};

const CONNECTIONS: usize = 4;
const PEOPLE: u64 = 200;

/// A catcher that takes its time for each message, and how many recipients it has been asked for.
async fn slow() -> (Catcher, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let catcher = Catcher::answering(move |turn| match turn.stage {
        Stage::Command(Command::Recipient { .. }) => {
            count.fetch_add(1, Ordering::SeqCst);
            None
        }
        Stage::Content { .. } => Some(Reply::usual().after(Duration::from_millis(50))),
        _ => None,
    })
    .await;
    (catcher, asked)
}

/// As an operator does it: the issue first, then what is claimed of it.
async fn stop(store: &Store, issue: i64, to: DeliveryState) {
    let mut session = store.write(Durability::Full).await.unwrap();
    let stopped = match to {
        DeliveryState::Held => session.hold_issue(issue, None).await.unwrap(),
        _ => session.cancel_issue(issue, None).await.unwrap(),
    };
    assert!(stopped);
    session.commit().await.unwrap();
    let mut session = store.write(Durability::Full).await.unwrap();
    session.recall(issue, to, MONDAY).await.unwrap();
    session.commit().await.unwrap();
}

/// Lets the deliveries of an issue that goes on follow it, as whoever tends does, also those that were set aside late.
async fn tend(world: &World, engine: &Engine) {
    let mut session = world.store().write(Durability::Full).await.unwrap();
    session.put_back(world.issue, 1000, MONDAY).await.unwrap();
    session.commit().await.unwrap();
    engine.wake();
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// An engine that delivers to `people` through [`slow`]'s catcher.
async fn delivering(world: &World, people: u64) -> (Catcher, Arc<AtomicUsize>, Engine) {
    let (catcher, asked) = slow().await;
    world.queue(people).await;
    let mut settings = catcher.settings();
    settings.smtp.relays[0].connections = CONNECTIONS;
    let engine = world.engine(settings);
    (catcher, asked, engine)
}

/// Stops an issue by `store` in the middle, and says to how many more than it got it the relay was asked to take it.
async fn asked_in_vain(world: &World, store: &Store, to: DeliveryState) -> usize {
    let (catcher, asked, engine) = delivering(world, PEOPLE).await;
    let over = async {
        catcher.mailbox.wait_for(8, PATIENCE).await.unwrap();
        stop(store, world.issue, to).await;
        // Nothing of it is claimed any more, and the relay has answered what was under way.
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    tokio::time::timeout(PATIENCE, engine.run(over)).await.unwrap();
    let totals = world.totals().await;
    assert_eq!((totals.sent, totals.failed, totals.sending), (i64::try_from(catcher.mailbox.len()).unwrap(), 0, 0));
    asked.load(Ordering::SeqCst) - catcher.mailbox.len()
}

on_both! {
    async fn of_an_issue_that_is_held_or_cancelled_only_the_envelopes_under_way_are_given_up(test: TestStore) {
        let world = World::new(test).await;
        let vain = asked_in_vain(&world, world.store(), DeliveryState::Cancelled).await;
        assert!(vain <= CONNECTIONS, "{vain} were asked for in vain");
        assert_eq!(world.in_state(DeliveryState::Claimed).await, 0);
    }

    async fn of_an_issue_that_another_process_holds_too(test: TestStore) {
        let world = World::new(test).await;
        let other = Store::open(&world.test.url).await.unwrap();
        let vain = asked_in_vain(&world, &other, DeliveryState::Held).await;
        assert!(vain <= 2 * CONNECTIONS, "{vain} were asked for in vain");
        assert_eq!(world.in_state(DeliveryState::Claimed).await, 0);
    }

    async fn an_issue_that_goes_on_is_sent_to_everybody_else(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(40).await;
        let mut settings = catcher.settings();
        settings.smtp.rates = vec![postround::config::Rate::parse("100/s").unwrap()];
        let engine = world.engine(settings);
        let over = async {
            for _ in 0..3 {
                let sent = world.totals().await.sent;
                while world.totals().await.sent < sent + 3 {
                    tend(&world, &engine).await;
                }
                stop(world.store(), world.issue, DeliveryState::Held).await;
                let mut session = world.store().write(Durability::Full).await.unwrap();
                assert!(session.resume_issue(world.issue).await.unwrap());
                session.commit().await.unwrap();
            }
            while world.totals().await.open() > 0 {
                tend(&world, &engine).await;
            }
        };
        tokio::time::timeout(PATIENCE, engine.run(over)).await.unwrap();
        let got = catcher.got();
        assert_eq!((got.len(), got.values().max()), (40, Some(&1)));
    }

    async fn an_issue_that_is_held_since_too_many_fail_asks_for_hardly_anybody_else(test: TestStore) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Command(Command::Recipient { .. }) => {
                count.fetch_add(1, Ordering::SeqCst);
                Some(Reply::new(550, "5.1.1 No such user"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(PEOPLE).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = CONNECTIONS;
        settings.delivery.hold_when_failing = Some(30);
        let engine = world.engine(settings);
        let held = async {
            until_held(&world).await;
            while world.in_state(DeliveryState::Claimed).await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, engine.run(held)).await.unwrap();
        let issue = world.store().read().await.unwrap().issue(world.issue).await.unwrap().unwrap();
        assert_eq!(issue.state, IssueState::Held);
        let (failed, asked) = (world.totals().await.failed, asked.load(Ordering::SeqCst));
        assert!(failed <= 50 + 2 * i64::try_from(CONNECTIONS).unwrap() && asked <= 50 + 2 * CONNECTIONS, "{failed} of {asked}");
    }

    async fn deliveries_of_a_mail_that_is_replaced_go_out_with_the_new_one(test: TestStore) {
        let world = World::new(test).await;
        let (catcher, asked, engine) = delivering(&world, 60).await;
        let over = async {
            catcher.mailbox.wait_for(8, PATIENCE).await.unwrap();
            world.replace_mail().await;
            while world.totals().await.open() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, engine.run(over)).await.unwrap();
        assert_eq!(catcher.got().len(), 60);
        let vain = asked.load(Ordering::SeqCst) - 60;
        assert!(vain <= 2 * CONNECTIONS, "{vain} were asked for in vain");
    }
}
