//! What becomes of a delivery by what the relay answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postround::demo::catcher::{Command, Options, Reply, Stage};
use postround::domain::DeliveryState;

use super::world::{Catcher, World, header, outcome, reader, since_monday};
use crate::support::on_both;

on_both! {
    async fn each_recipient_gets_a_message_of_their_own(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        world.queue(50).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].connections = 4;
        let engine = world.engine(settings);
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(50, 50, 0, 0));
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(0, 0, 0, 0));

        let mails = catcher.mailbox.messages();
        let got = catcher.got();
        assert_eq!((mails.len(), got.len()), (50, 50));
        let mut ids = BTreeSet::new();
        for mail in &mails {
            let to = &mail.recipients[0];
            let number = to.trim_start_matches("reader").trim_end_matches("@x.example");
            assert_eq!(mail.envelope_from, "digest@example.org");
            assert_eq!(header(&mail.raw, "To:"), format!("To: Reader {number} <{to}>"));
            assert_eq!(header(&mail.raw, "Date:"), "Date: Mon, 23 Nov 2026 08:00:00 +0000");
            let text = String::from_utf8(mail.raw.clone()).unwrap();
            assert!(text.contains(&format!("Hello =\r\nReader {number}=\r\n, choose")), "{text}");
            ids.insert(header(&mail.raw, "Message-ID:"));
        }
        assert_eq!(ids.len(), 50, "two messages share a Message-ID");
        assert_eq!(world.totals().await.sent, 50);
    }

    async fn a_temporary_refusal_is_tried_again_when_due(test: TestStore) {
        let (refusing, ids) = (Arc::new(AtomicBool::new(true)), Arc::new(std::sync::Mutex::new(Vec::new())));
        let (refuses, seen) = (Arc::clone(&refusing), Arc::clone(&ids));
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Content { recipients, raw, .. } if recipients[0] == reader(2) => {
                seen.lock().unwrap().push(header(raw, "Message-ID:"));
                refuses.load(Ordering::SeqCst).then(|| Reply::new(451, "4.3.0 Come back later"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(3).await;
        let engine = world.engine(catcher.settings());
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(3, 2, 1, 0));
        let deferred = (DeliveryState::Deferred, "451 4.3.0 Come back later".to_owned());
        assert_eq!(world.delivery_to(&reader(2)).await, deferred);

        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(0, 0, 0, 0), "before it is due");
        refusing.store(false, Ordering::SeqCst);
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(1, 1, 0, 0));
        assert_eq!(world.delivery_to(&reader(2)).await.0, DeliveryState::Sent);
        let ids = ids.lock().unwrap();
        assert!(ids.len() == 2 && ids[0] == ids[1], "another Message-ID for the same delivery");
    }

    async fn what_is_refused_for_too_long_has_failed_with_the_last_words(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Recipient { .. }) => Some(Reply::new(450, "4.2.1 The mailbox is busy")),
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(2).await;
        let engine = world.engine(catcher.settings());
        world.deliver_all(&engine).await;
        let failed = (DeliveryState::Failed, "450 4.2.1 The mailbox is busy".to_owned());
        assert_eq!(world.delivery_to(&reader(1)).await, failed);
        let mut session = world.store().read().await.unwrap();
        let rows = session.issue_deliveries(world.issue, None, 0, 10).await.unwrap();
        let lasted = since_monday(rows[0].finished_at.unwrap());
        // Each attempt is late by less than the hour that the clock moves at a time, and that is not counted.
        let attempts = rows[0].attempts;
        assert!((48..48 + attempts).contains(&(lasted.as_secs().cast_signed() / 3600)), "{lasted:?}");
        assert!((5..=30).contains(&attempts), "{attempts} attempts");
    }

    async fn a_refused_recipient_in_a_group_fails_alone_and_keeps_the_words(test: TestStore) {
        let catcher = Catcher::answering(|turn| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(3) || *to == reader(4) => {
                Some(Reply::new(550, "5.1.1 No such user\n5.1.1 here"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(8).await;
        let engine = world.engine(catcher.settings());
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(8, 6, 0, 2));
        let (state, words) = world.delivery_to(&reader(3)).await;
        assert_eq!(state, DeliveryState::Failed);
        assert!(words.starts_with("550 5.1.1 No such user") && words.ends_with("here"), "{words}");
        assert_eq!(catcher.got().len(), 6);
        let connections: BTreeSet<_> = catcher.mailbox.messages().iter().map(|mail| mail.connection).collect();
        assert_eq!(connections.len(), 1, "a refused recipient is no reason to hang up");
    }

    async fn a_354_after_the_only_recipient_was_refused_makes_no_empty_mail(test: TestStore) {
        let refused = AtomicBool::new(false);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(2) => {
                refused.store(true, Ordering::SeqCst);
                Some(Reply::new(550, "5.1.1 No such user"))
            }
            Stage::Command(Command::Data) => refused.swap(false, Ordering::SeqCst).then(|| Reply::new(354, "Go on")),
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(5).await;
        let engine = world.engine(catcher.settings());
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(5, 4, 0, 1));
        assert_eq!(catcher.got().len(), 4);
    }

    async fn only_the_first_refusal_of_a_group_counts(test: TestStore) {
        let mails = AtomicUsize::new(0);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Command(Command::Mail { .. }) => {
                (mails.fetch_add(1, Ordering::SeqCst) == 2).then(|| Reply::new(452, "4.3.1 The disk is full"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(5).await;
        let engine = world.engine(catcher.settings());
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(5, 4, 1, 0));
        let deferred = (DeliveryState::Deferred, "452 4.3.1 The disk is full".to_owned());
        assert_eq!(world.delivery_to(&reader(3)).await, deferred, "the 503 that follows is not its answer");
    }

    async fn a_refused_sender_is_not_the_messages_failure(test: TestStore) {
        let refusing = Arc::new(AtomicBool::new(true));
        let refuses = Arc::clone(&refusing);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Command(Command::Mail { .. }) if refuses.load(Ordering::SeqCst) => {
                Some(Reply::new(550, "5.7.1 You may not send as this"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        world.queue(5).await;
        let engine = world.engine(catcher.settings());
        for _ in 0..4 {
            let outcome = engine.deliver_one_batch().await.unwrap();
            assert_eq!((outcome.sent, outcome.deferred, outcome.failed), (0, 0, 0));
            assert!(outcome.relay.unwrap_or_default().contains("You may not send as this"));
            assert_eq!(world.totals().await.queued, 5);
            world.clock.advance(Duration::from_secs(3600));
        }
        refusing.store(false, Ordering::SeqCst);
        world.deliver_all(&engine).await;
        assert_eq!(world.totals().await.sent, 5);
        assert!(catcher.got().values().all(|mails| *mails == 1));
    }

    async fn without_pipelining_each_command_waits_for_its_answer(test: TestStore) {
        // This catcher hangs up on a client that does not wait.
        let answers = postround::demo::catcher::Answers::script(|turn| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(3) => Some(Reply::new(550, "5.1.1 No")),
            _ => None,
        });
        let catcher = Catcher::start(Options { pipelining: false, answers, ..Options::default() }).await;
        let world = World::new(test).await;
        world.queue(6).await;
        let engine = world.engine(catcher.settings());
        assert_eq!(engine.deliver_one_batch().await.unwrap(), outcome(6, 5, 0, 1));
        let connections: BTreeSet<_> = catcher.mailbox.messages().iter().map(|mail| mail.connection).collect();
        assert_eq!(connections.len(), 1);
    }

    async fn an_address_beyond_ascii_needs_a_server_for_it(test: TestStore) {
        let world = World::new(test).await;
        for (number, smtputf8) in [(1, false), (2, true)] {
            let address = format!("zoë{number}@x.example");
            world.queue_to(&address, "Zoë").await;
            world.queue_to(&format!("plain{number}@x.example"), "").await;
            let catcher = Catcher::start(Options { smtputf8, ..Options::default() }).await;
            let engine = world.engine(catcher.settings());
            engine.deliver_one_batch().await.unwrap();
            let (state, words) = world.delivery_to(&address).await;
            if smtputf8 {
                assert_eq!(state, DeliveryState::Sent, "{words}");
                assert_eq!(catcher.got().len(), 2);
            } else {
                assert_eq!(state, DeliveryState::Failed);
                assert!(words.contains("SMTPUTF8"), "{words}");
                assert_eq!(catcher.got().len(), 1);
            }
        }
    }

    async fn a_connection_is_closed_after_its_share_with_no_envelope_left_behind(test: TestStore) {
        let (mails, quits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (mail, quit) = (Arc::clone(&mails), Arc::clone(&quits));
        let catcher = Catcher::answering(move |turn| {
            match turn.stage {
                Stage::Command(Command::Mail { .. }) => mail.fetch_add(1, Ordering::SeqCst),
                Stage::Command(Command::Quit) => quit.fetch_add(1, Ordering::SeqCst),
                _ => 0,
            };
            None
        })
        .await;
        let world = World::new(test).await;
        world.queue(10).await;
        let mut settings = catcher.settings();
        settings.smtp.relays[0].messages_per_connection = 3;
        assert_eq!(world.engine(settings).deliver_one_batch().await.unwrap(), outcome(10, 10, 0, 0));
        let by_connection: Vec<u64> = catcher.mailbox.messages().iter().map(|mail| mail.connection).collect();
        assert_eq!(by_connection, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]);
        assert_eq!((mails.load(Ordering::SeqCst), quits.load(Ordering::SeqCst)), (10, 4));
    }
}
