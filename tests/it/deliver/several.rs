//! Several relays: they share the work by weight, and the others take over when one fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postround::config::{Rate, Tls};
use postround::deliver::{Engine, Settings};
use postround::demo::catcher::{Command, Options, Reply, Stage};
use postround::domain::DeliveryState;

use super::crash::finish;
use super::world::{Catcher, World, reader, smtp_url};
use crate::support::{PATIENCE, on_both};

/// Settings for an engine that sends to both.
pub fn both(first: &Catcher, second: &Catcher) -> Settings {
    let mut settings = first.settings();
    let mut other = settings.smtp.relays[0].clone();
    other.url = smtp_url(second.address, Tls::None);
    settings.smtp.relays[0].id = "first".to_owned();
    other.id = "second".to_owned();
    settings.smtp.relays.push(other);
    settings
}

/// Settings for an engine that has another relay, which nobody answers at, and which rests for long once that is known.
fn with_one_that_is_down(first: &Catcher) -> Settings {
    let mut settings = both(first, first);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.smtp.relays[1].url = smtp_url(nobody, Tls::None);
    (settings.timings.relay_pause, settings.timings.relay_pause_max) = (PATIENCE * 2, PATIENCE * 2);
    settings
}

/// Delivers until what goes to `address` is put off.
async fn put_off(world: &World, address: &str, engine: Engine) {
    let over = async {
        while world.delivery_to(address).await.0 != DeliveryState::Deferred {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let patient = async { tokio::time::timeout(PATIENCE, over).await.unwrap() };
    Box::pin(engine.run(patient)).await;
}

on_both! {
    async fn two_relays_share_the_work_by_their_weights(test: TestStore) {
        let (first, second) = (Catcher::plain().await, Catcher::plain().await);
        let world = World::new(test).await;
        world.queue(200).await;
        let mut settings = both(&first, &second);
        settings.smtp.relays[0].weight = 3;
        finish(&world, world.engine(settings)).await;
        let (most, few) = (first.mailbox.len(), second.mailbox.len());
        assert_eq!(most + few, 200);
        assert!((35..=65).contains(&few), "{most} to {few}");
    }

    async fn the_others_take_over_when_a_relay_fails_and_it_is_tried_again(test: TestStore) {
        let down = Arc::new(AtomicBool::new(true));
        let is_down = Arc::clone(&down);
        let first = Catcher::answering(move |turn| match turn.stage {
            Stage::Connect if is_down.load(Ordering::SeqCst) => Some(Reply::dropped()),
            _ => None,
        })
        .await;
        let second = Catcher::plain().await;
        let world = World::new(test).await;
        world.queue(50).await;
        let engine = world.engine(both(&first, &second));
        let over = async {
            while world.totals().await.sent < 50 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!((first.mailbox.len(), second.mailbox.len()), (0, 50));
            assert_eq!(engine.relays().iter().map(|relay| relay.works).collect::<Vec<_>>(), [false, true]);
            down.store(false, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
            world.queue(100).await;
            engine.wake();
            while world.totals().await.sent < 150 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let patient = async { tokio::time::timeout(PATIENCE, over).await.unwrap() };
        Box::pin(engine.run(patient)).await;
        assert!(first.mailbox.len() > 20, "{} to {}", first.mailbox.len(), second.mailbox.len());
    }

    async fn a_few_that_one_relay_refuses_by_policy_are_tried_by_the_other(test: TestStore) {
        let first = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Recipient { .. }) => Some(Reply::new(550, "5.7.1 Blocked")),
            _ => None,
        })
        .await;
        let second = Catcher::plain().await;
        let world = World::new(test).await;
        world.queue(6).await;
        let mut settings = both(&first, &second);
        // Enough for the first one to have some of them for certain.
        settings.smtp.relays[0].connections = 3;
        finish(&world, world.engine(settings)).await;
        let totals = world.totals().await;
        assert_eq!((totals.sent, totals.failed, second.mailbox.len()), (6, 0, 6));
    }

    async fn what_all_relays_refuse_by_policy_has_failed(test: TestStore) {
        let refusing = || {
            Catcher::answering(|turn| match turn.stage {
                Stage::Command(Command::Recipient { .. }) => Some(Reply::new(550, "5.7.1 Not this one")),
                _ => None,
            })
        };
        let (first, second) = (refusing().await, refusing().await);
        let world = World::new(test).await;
        world.queue(2).await;
        finish(&world, world.engine(both(&first, &second))).await;
        assert_eq!(world.totals().await.failed, 2);
    }

    async fn what_one_relay_refuses_by_policy_while_the_other_is_down_is_put_off_and_the_first_goes_on(test: TestStore) {
        let asked = Arc::new(AtomicUsize::new(0));
        let asking = Arc::clone(&asked);
        let first = Catcher::answering(move |turn| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(5) => {
                asking.fetch_add(1, Ordering::SeqCst);
                Some(Reply::new(550, "5.7.1 Not this one"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(5).await;
        let mut settings = with_one_that_is_down(&first);
        settings.delivery.retry_for = Duration::from_secs(3600);
        let engine = world.engine(settings);
        let over = async {
            while world.delivery_to(&reader(5)).await.0 != DeliveryState::Deferred {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(asked.load(Ordering::SeqCst), 1);
            while world.totals().await.open() > 0 {
                world.clock.advance(Duration::from_secs(60));
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let patient = async { tokio::time::timeout(PATIENCE, over).await.unwrap() };
        Box::pin(engine.run(patient)).await;
        assert_eq!((world.totals().await.sent, world.totals().await.failed), (4, 1));
        let asked = asked.load(Ordering::SeqCst);
        assert!((3..10).contains(&asked), "it was asked {asked} times within an hour");
        assert!(engine.relays()[0].works, "one message is no reason to leave it alone");
    }

    async fn what_one_relay_cannot_take_the_other_gets(test: TestStore) {
        let few_octets = || Options { max_size: 100, ..Options::default() };
        let world = World::new(test).await;
        for (first, address) in [(few_octets(), "zoe"), (Options { smtputf8: false, ..Options::default() }, "zoë")] {
            let before = world.totals().await.sent;
            let (first, second) = (Catcher::start(first).await, Catcher::plain().await);
            for number in 0..8 {
                world.queue_to(&format!("{address}{number}@x.example"), "").await;
            }
            let mut settings = both(&first, &second);
            settings.smtp.relays[0].connections = 3;
            finish(&world, world.engine(settings)).await;
            let totals = world.totals().await;
            assert_eq!((totals.sent - before, totals.failed, second.mailbox.len()), (8, 0, 8), "{address}");
        }
    }

    async fn what_a_relay_cannot_take_uses_up_nothing_of_a_quota(test: TestStore) {
        let first = Catcher::start(Options { smtputf8: false, ..Options::default() }).await;
        let second = Catcher::plain().await;
        let world = World::new(test).await;
        for number in 0..8 {
            world.queue_to(&format!("zoë{number}@x.example"), "").await;
        }
        let mut settings = both(&first, &second);
        settings.smtp.rates = vec![Rate::parse("8/d").unwrap()];
        let engine = world.engine(settings);
        let over = async {
            while world.totals().await.sent < 8 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let patient = async { tokio::time::timeout(PATIENCE, over).await.unwrap() };
        Box::pin(engine.run(patient)).await;
    }

    async fn what_only_a_relay_could_take_that_is_down_waits_for_it(test: TestStore) {
        let first = Catcher::start(Options { smtputf8: false, ..Options::default() }).await;
        let world = World::new(test).await;
        world.queue(2).await;
        world.queue_to("zoë@x.example", "").await;
        put_off(&world, "zoë@x.example", world.engine(with_one_that_is_down(&first))).await;
        let second = Catcher::plain().await;
        finish(&world, world.engine(both(&first, &second))).await;
        assert_eq!((world.totals().await.sent, second.got().contains_key("zoë@x.example")), (3, true));
    }

    async fn what_is_left_to_a_relay_that_turns_out_to_be_down_is_put_off(test: TestStore) {
        let first = Catcher::start(Options { smtputf8: false, ..Options::default() }).await;
        let world = World::new(test).await;
        world.queue_to("zoë@x.example", "").await;
        put_off(&world, "zoë@x.example", world.engine(with_one_that_is_down(&first))).await;
    }

    async fn what_no_relay_can_take_has_failed(test: TestStore) {
        let one = || Catcher::start(Options { smtputf8: false, ..Options::default() });
        let (first, second) = (one().await, one().await);
        let world = World::new(test).await;
        world.queue_to("zoë@x.example", "").await;
        finish(&world, world.engine(both(&first, &second))).await;
        let (state, words) = world.delivery_to("zoë@x.example").await;
        assert_eq!((state, words.contains("SMTPUTF8")), (DeliveryState::Failed, true), "{words}");
    }

    async fn a_relay_that_refuses_us_leaves_its_messages_to_the_other(test: TestStore) {
        let first = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Mail { .. }) => Some(Reply::new(550, "5.7.1 Not you")),
            _ => None,
        })
        .await;
        let second = Catcher::plain().await;
        let world = World::new(test).await;
        world.queue(30).await;
        finish(&world, world.engine(both(&first, &second))).await;
        assert_eq!((second.mailbox.len(), world.totals().await.sent), (30, 30));
    }

    async fn what_a_relay_that_never_greets_had_in_hand_goes_through_the_other(test: TestStore) {
        let first = Catcher::answering(|turn| match turn.stage {
            Stage::Connect => Some(Reply::usual().after(Duration::from_secs(60))),
            _ => None,
        })
        .await;
        let second = Catcher::plain().await;
        let world = World::new(test).await;
        world.queue(30).await;
        let mut settings = both(&first, &second);
        settings.smtp.relays[0].connections = 5;
        settings.smtp.relays[0].timeout = Duration::from_secs(10);
        let engine = world.engine(settings);
        let over = async {
            while engine.relays()[0].works {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(engine.relays().iter().map(|relay| relay.works).collect::<Vec<_>>(), [false, true]);
            while world.totals().await.sent < 30 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // Less than a command of the first may take.
        let patient = async { tokio::time::timeout(Duration::from_secs(9), over).await.unwrap() };
        Box::pin(engine.run(patient)).await;
        assert_eq!(second.mailbox.len(), 30);
    }
}
