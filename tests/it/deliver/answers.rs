//! Answers that mean more than one delivery's fate: dead addresses, lists that fail, relays that refuse us or ask for less.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postround::config::Tls;
use postround::demo::catcher::{Command, Reply, Stage};
use postround::domain::SubscriberState;
use postround::store::{Durability, SuppressionRow};

use super::world::{Catcher, World, outcome, reader, smtp_url, until_held};
use crate::support::{MONDAY, on_both};

/// A catcher that answers every recipient in these words, as long as it is told to.
async fn refusing_all(code: u16, words: &'static str) -> (Catcher, Arc<AtomicBool>) {
    let refusing = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&refusing);
    let catcher = Catcher::answering(move |turn| match turn.stage {
        Stage::Command(Command::Recipient { to, .. }) if refuses.load(Ordering::SeqCst) => {
            Some(Reply::new(code, words.replace("ADDRESS", to)))
        }
        _ => None,
    })
    .await;
    (catcher, refusing)
}

on_both! {
    async fn an_address_that_does_not_exist_is_suppressed_and_one_that_is_full_is_not(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(1) => {
                Some(Reply::new(550, "5.1.1 No such user"))
            }
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(2) => {
                Some(Reply::new(552, "5.2.2 The mailbox is full"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(3).await;
        assert_eq!(world.engine(catcher.settings()).deliver_one_batch().await.unwrap().failed, 2);
        let mut session = world.store().read().await.unwrap();
        let suppression = session.suppression(&reader(1)).await.unwrap().unwrap();
        assert_eq!((suppression.reason.as_str(), suppression.note.as_str()), ("bounced", "550 5.1.1 No such user"));
        let state = session.subscriber_by_hash(&reader(1)).await.unwrap().unwrap().state;
        assert_eq!(state, SubscriberState::Bounced);
        assert!(session.suppression(&reader(2)).await.unwrap().is_none());
        let state = session.subscriber_by_hash(&reader(2)).await.unwrap().unwrap().state;
        assert_eq!(state, SubscriberState::Confirmed);
    }

    async fn a_mailbox_that_gets_too_much_for_now_is_tried_again_and_not_suppressed(test: TestStore) {
        let rate = "5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages";
        let (catcher, refusing) = refusing_all(550, rate).await;
        let world = World::new(test).await;
        world.queue(1).await;
        let engine = world.engine(catcher.settings());
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(1, 0, 1, 0));
        assert!(world.store().read().await.unwrap().suppression(&reader(1)).await.unwrap().is_none());
        refusing.store(false, Ordering::SeqCst);
        world.deliver_all(&engine).await;
        assert_eq!(world.totals().await.sent, 1);
    }

    async fn an_account_that_may_not_send_keeps_every_message_of_however_few(test: TestStore) {
        let world = World::new(test).await;
        for (sent, code, words) in [
            (4, 554, "Message rejected: Email address is not verified. The following identities failed the check"),
            (8, 450, "4.1.8 Sender address rejected: Domain not found"),
        ] {
            let (catcher, refusing) = refusing_all(code, words).await;
            world.queue(4).await;
            let engine = world.engine(catcher.settings());
            let outcome = engine.deliver_one_batch().await.unwrap();
            assert_eq!((outcome.failed, outcome.deferred, outcome.sent), (0, 0, 0), "{outcome:?}");
            assert!(outcome.relay.unwrap().contains(words));
            refusing.store(false, Ordering::SeqCst);
            world.deliver_all(&engine).await;
            assert_eq!(world.totals().await.sent, sent);
        }
    }

    async fn a_dead_address_weakens_no_complaint_and_no_suppression_by_hand(test: TestStore) {
        let (catcher, _) = refusing_all(550, "5.1.1 No such user").await;
        let world = World::new(test).await;
        world.queue(4).await;
        // The envelope goes out before the last look at the subscriber.
        let reasons = ["complaint", "manual", "erased", "bounced"];
        let mut session = world.store().write(Durability::Full).await.unwrap();
        for (number, reason) in (1..).zip(reasons) {
            let (address_hash, reason, note) = (reader(number), reason.to_owned(), "before".to_owned());
            session.suppress(&SuppressionRow { address_hash, reason, note, created_at: MONDAY }).await.unwrap();
        }
        session.commit().await.unwrap();
        assert_eq!(world.engine(catcher.settings()).deliver_one_batch().await.unwrap().failed, 4);
        let mut session = world.store().read().await.unwrap();
        let refused = "550 5.1.1 No such user";
        let after = [("complaint", "before"), ("manual", "before"), ("bounced", refused), ("bounced", "before")];
        for (number, after) in (1..).zip(after) {
            let row = session.suppression(&reader(number)).await.unwrap().unwrap();
            assert_eq!((row.reason.as_str(), row.note.as_str()), after);
        }
    }

    async fn one_policy_refusal_after_the_other_is_about_us_and_keeps_every_message(test: TestStore) {
        let (catcher, refusing) = refusing_all(550, "5.7.1 <ADDRESS>: your network is blocked").await;
        let world = World::new(test).await;
        world.queue(40).await;
        let engine = world.engine(catcher.settings());
        let outcome = engine.deliver_one_batch().await.unwrap();
        assert_eq!((outcome.failed, outcome.sent), (0, 0), "{outcome:?}");
        assert!(outcome.relay.unwrap().contains("your network is blocked"));
        refusing.store(false, Ordering::SeqCst);
        world.deliver_all(&engine).await;
        assert_eq!(world.totals().await.sent, 40);
    }

    async fn what_was_under_way_when_the_relay_began_to_refuse_us_is_no_proof_that_it_takes_our_mail(test: TestStore) {
        let (taken, refusing) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(true)));
        let refuses = Arc::clone(&refusing);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Command(Command::Recipient { .. }) => {
                let is_welcome = taken.fetch_add(1, Ordering::SeqCst) < 20 || !refuses.load(Ordering::SeqCst);
                (!is_welcome).then(|| Reply::new(554, "5.7.1 Client host blocked"))
            }
            Stage::Content { .. } => Some(Reply::usual().after(Duration::from_millis(30))),
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(100).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 10;
        let engine = world.engine(settings);
        for _ in 0..3 {
            engine.deliver_one_batch().await.unwrap();
            world.clock.advance(Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let totals = world.totals().await;
        assert_eq!((totals.sent, totals.failed), (20, 0), "{totals:?}");
        refusing.store(false, Ordering::SeqCst);
        world.deliver_all(&engine).await;
        assert_eq!(world.totals().await.sent, 100);
    }

    async fn a_relay_that_refuses_all_of_a_few_by_policy_refuses_us_where_they_are_of_several_domains(test: TestStore) {
        let (catcher, refusing) = refusing_all(550, "5.7.1 <ADDRESS>: your network is blocked").await;
        let world = World::new(test).await;
        for address in ["a@x.example", "b@y.example", "c@z.example"] {
            world.queue_to(address, "").await;
        }
        let engine = world.engine(catcher.settings());
        let outcome = engine.deliver_one_batch().await.unwrap();
        assert_eq!((outcome.failed, outcome.deferred), (0, 3), "{outcome:?}");
        assert!(outcome.relay.unwrap().contains("your network is blocked"));
        refusing.store(false, Ordering::SeqCst);
        world.deliver_all(&engine).await;
        assert_eq!(world.totals().await.sent, 3);
    }

    async fn a_policy_refusal_of_all_for_longer_than_they_are_tried_ends_them(test: TestStore) {
        let (catcher, _) = refusing_all(550, "5.7.1 <ADDRESS>: your network is blocked").await;
        let world = World::new(test).await;
        for address in ["a@x.example", "b@y.example", "c@z.example"] {
            world.queue_to(address, "").await;
        }
        let engine = world.engine(catcher.settings());
        world.deliver_all(&engine).await;
        assert_eq!(world.totals().await.failed, 3);
    }

    async fn a_few_policy_refusals_are_their_messages_own(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if to.starts_with("reader2") => {
                Some(Reply::new(550, "5.7.1 Not from you"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(28).await;
        let engine = world.engine(catcher.settings());
        // reader2, and the nine from reader20 on.
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(28, 18, 0, 10));
    }

    async fn an_issue_of_which_too_many_fail_is_held_and_told(test: TestStore) {
        let (catcher, _) = refusing_all(550, "5.1.1 No such user").await;
        let world = World::new(test).await;
        world.queue(120).await;
        let mut settings = catcher.settings();
        settings.delivery.hold_when_failing = Some(30);
        let engine = world.engine(settings);
        engine.run(until_held(&world)).await;
        let issue = world.store().read().await.unwrap().issue(world.issue).await.unwrap().unwrap();
        assert!(issue.reason.as_ref().is_some_and(|reason| reason.contains("5 of the latest 5 ")), "{:?}", issue.reason);
        let before = world.totals().await;
        assert!(before.queued > 0, "{before:?}");
        engine.deliver_one_batch().await.unwrap();
        assert_eq!(world.totals().await.failed, before.failed, "nothing of a held issue is tried");
    }

    async fn a_relay_that_asks_for_less_is_left_alone_and_no_message_is_to_blame(test: TestStore) {
        let asked = Arc::new(AtomicUsize::new(0));
        let asking = Arc::clone(&asked);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Content { .. } if turn.delivered == 2 => {
                asking.fetch_add(1, Ordering::SeqCst);
                Some(Reply::new(421, "4.7.28 Unusual rate of mail").then_close())
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(20).await;
        let engine = world.engine(catcher.settings());
        engine.deliver_one_batch().await.unwrap();
        assert_eq!(world.store().read().await.unwrap().slow_relays().await.unwrap().len(), 1);
        let totals = world.totals().await;
        assert_eq!((totals.sent, totals.queued, totals.deferred), (2, 18, 0));
        let again = engine.deliver_one_batch().await.unwrap();
        assert_eq!((again.claimed, asked.load(Ordering::SeqCst)), (0, 1), "not before ten minutes");
    }

    async fn waiting_for_a_relay_does_not_count_as_time_in_which_it_was_tried(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Recipient { .. }) => Some(Reply::new(450, "4.2.1 Busy")),
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(1).await;
        world.clock.advance(Duration::from_secs(72 * 3600));
        let engine = world.engine(catcher.settings());
        assert_eq!(engine.deliver_one_batch().await.unwrap().deferred, 1, "it had waited for longer than it is tried");
        drop(engine);
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut settings = catcher.settings();
        settings.smtp.relays[0].url = smtp_url(nobody, Tls::None);
        world.clock.advance(Duration::from_secs(72 * 3600));
        world.engine(settings).deliver_one_batch().await.unwrap();
        assert_eq!(world.engine(catcher.settings()).deliver_one_batch().await.unwrap().deferred, 1);
    }

    async fn waiting_for_a_quota_or_between_connections_that_break_does_not_count_either(test: TestStore) {
        let breaks = |turn: &postround::demo::catcher::Turn<'_>| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(1) => Some(Reply::dropped()),
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(2) => Some(Reply::new(450, "4.2.1 Busy")),
            _ => None,
        };
        let catcher = Catcher::answering(breaks).await;
        let world = World::new(test).await;
        world.queue(2).await;
        let mut settings = catcher.settings();
        settings.delivery.retry_for = Duration::from_secs(3600);
        settings.smtp.rates = vec![postround::config::Rate::parse("1000/h").unwrap()];
        for _ in 0..4 {
            // Nobody had a place for it for two days.
            world.clock.advance(Duration::from_secs(48 * 3600));
            let engine = world.engine(settings.clone());
            for _ in 0..3 {
                engine.deliver_one_batch().await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let totals = world.totals().await;
        assert_eq!((totals.failed, totals.open()), (0, 2), "four tries within some minutes: {totals:?}");
        for _ in 0..8 {
            world.clock.advance(Duration::from_secs(3600));
            let engine = world.engine(settings.clone());
            for _ in 0..3 {
                engine.deliver_one_batch().await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert_eq!(world.totals().await.failed, 2, "an hour of tries is an hour");
    }

    async fn a_relay_that_asks_for_less_in_its_greeting_is_left_alone_for_as_long(test: TestStore) {
        let asked = Arc::new(AtomicUsize::new(0));
        let asking = Arc::clone(&asked);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Connect => {
                asking.fetch_add(1, Ordering::SeqCst);
                Some(Reply::new(421, "4.7.28 Unusual rate of mail from your network").then_close())
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(20).await;
        let engine = world.engine(catcher.settings());
        engine.deliver_one_batch().await.unwrap();
        assert_eq!(world.store().read().await.unwrap().slow_relays().await.unwrap().len(), 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let again = engine.deliver_one_batch().await.unwrap();
        assert_eq!((again.claimed, asked.load(Ordering::SeqCst)), (0, 1), "not before ten minutes");
        let totals = world.totals().await;
        assert_eq!((totals.queued, totals.deferred), (20, 0));
    }

    async fn a_reply_without_words_is_a_reply(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Recipient { .. }) => Some(Reply::new(250, "")),
            Stage::Command(Command::Data) => Some(Reply::new(354, "")),
            Stage::Content { .. } => Some(Reply::new(250, "")),
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(5).await;
        assert_eq!(world.engine(catcher.settings()).deliver_one_batch().await.unwrap().sent, 5);
    }
}
