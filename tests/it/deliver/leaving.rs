//! Whoever leaves before the start of their delivery is not mailed, however late that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postround::demo::catcher::{Command, Reply, Stage, Turn};
use postround::domain::DeliveryState;
use postround::store::{Durability, SuppressionRow};
use tokio::sync::mpsc;

use super::crash::start;
use super::world::{Catcher, World, reader};
use crate::support::{MONDAY, PATIENCE, TestStore, on_both};

/// How long the server takes for the answer at which somebody leaves.
const MEANWHILE: Duration = Duration::from_millis(300);

/// Has readers 1 and 3 leave when the server has come to `at`, while it thinks about its answer.
async fn leave_at(test: TestStore, at: impl Fn(&Turn<'_>) -> bool + Send + Sync + 'static) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let catcher = Catcher::answering(move |turn| {
        at(turn).then(|| {
            let _ = tell.send(());
            Reply::usual().after(MEANWHILE)
        })
    })
    .await;
    let world = World::new(test).await;
    let subscribers = world.queue(5).await;
    let engine = world.engine(catcher.settings());
    let leaving = async {
        told.recv().await.unwrap();
        world.leave(subscribers[0]).await;
        world.leave(subscribers[2]).await;
    };
    let delivering = async { tokio::time::timeout(PATIENCE, world.deliver_all(&engine)).await.unwrap() };
    tokio::join!(leaving, delivering);
    let got = catcher.got();
    assert_eq!(got.into_keys().collect::<Vec<_>>(), [reader(2), reader(4), reader(5)]);
    assert_eq!(world.delivery_to(&reader(1)).await.0, DeliveryState::Cancelled);
    assert_eq!(world.delivery_to(&reader(3)).await.0, DeliveryState::Cancelled);
}

on_both! {
    async fn who_leaves_while_the_content_is_under_way_is_not_tried_again(test: TestStore) {
        for answer in [Reply::new(451, "4.3.0 later"), Reply::dropped()] {
            let test = if test.store.is_shared() { TestStore::postgres().await.unwrap() } else { TestStore::sqlite().await };
            let (tell, mut told) = mpsc::unbounded_channel();
            let catcher = Catcher::answering(move |turn| {
                matches!(turn.stage, Stage::Content { .. }).then(|| {
                    let _ = tell.send(());
                    answer.clone().after(MEANWHILE)
                })
            })
            .await;
            let world = World::new(test).await;
            let subscribers = world.queue(1).await;
            let engine = world.engine(catcher.settings());
            let leaving = async {
                told.recv().await.unwrap();
                world.leave(subscribers[0]).await;
                assert!(told.recv().await.is_none(), "it was started once more after the answer to leaving");
            };
            let delivering = async { tokio::time::timeout(PATIENCE, world.deliver_all(&engine)).await.unwrap() };
            tokio::select! {
                () = leaving => {}
                () = delivering => {}
            }
            assert_eq!(world.delivery_to(&reader(1)).await.0, DeliveryState::Cancelled);
        }
    }

    async fn whoever_is_queued_and_has_left_or_is_suppressed_is_not_started(test: TestStore) {
        let catcher = Catcher::plain().await;
        let world = World::new(test).await;
        let subscribers = world.queue(3).await;
        let mut session = world.store().write(Durability::Full).await.unwrap();
        // As a layout leaves it that began before they left.
        session.drop_subscription(subscribers[0], "weekly").await.unwrap();
        let suppression = SuppressionRow {
            address_hash: reader(2),
            reason: "manual".to_owned(),
            note: String::new(),
            created_at: MONDAY,
        };
        session.suppress(&suppression).await.unwrap();
        session.commit().await.unwrap();
        let engine = world.engine(catcher.settings());
        world.deliver_all(&engine).await;
        assert_eq!(catcher.got().into_keys().collect::<Vec<_>>(), [reader(3)]);
    }

    async fn who_leaves_right_after_the_claim_is_not_mailed(test: TestStore) {
        leave_at(test, |turn| matches!(turn.stage, Stage::Connect) && turn.connection == 1).await;
    }

    async fn who_leaves_when_the_envelope_has_gone_out_is_not_mailed(test: TestStore) {
        let first = reader(1);
        leave_at(test, move |turn| matches!(turn.stage, Stage::Command(Command::Recipient { to, .. }) if *to == first))
            .await;
    }

    async fn who_leaves_before_the_server_asks_for_the_content_is_not_mailed(test: TestStore) {
        leave_at(test, |turn| matches!(turn.stage, Stage::Command(Command::Data)) && turn.connection == 1).await;
    }

    async fn who_leaves_when_the_envelope_has_gone_ahead_is_not_mailed(test: TestStore) {
        let (tell, mut told) = mpsc::unbounded_channel();
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Command(Command::Recipient { to, .. }) if *to == reader(3) => {
                let _ = tell.send(());
                Some(Reply::usual().after(MEANWHILE))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        let subscribers = world.queue(5).await;
        let engine = world.engine(catcher.settings());
        let leaving = async {
            told.recv().await.unwrap();
            world.leave(subscribers[2]).await;
        };
        tokio::join!(leaving, world.deliver_all(&engine));
        assert!(!catcher.got().contains_key(&reader(3)));
        assert_eq!(world.totals().await.sent, 4);
        assert_eq!(catcher.got().len(), 4);
    }

    async fn a_retry_goes_to_those_who_still_want_it(test: TestStore) {
        let refusing = Arc::new(AtomicBool::new(true));
        let refuses = Arc::clone(&refusing);
        let catcher = Catcher::answering(move |turn| match turn.stage {
            Stage::Command(Command::Recipient { .. }) if refuses.load(Ordering::SeqCst) => {
                Some(Reply::new(554, "5.3.0 Not today"))
            }
            _ => None,
        })
        .await;
        let world = World::new(test).await;
        let subscribers = world.queue(3).await;
        let engine = world.engine(catcher.settings());
        engine.deliver_one_batch().await.unwrap();
        assert_eq!(world.totals().await.failed, 3);
        world.leave(subscribers[1]).await;
        refusing.store(false, Ordering::SeqCst);
        let mut session = world.store().write(Durability::Full).await.unwrap();
        assert_eq!(session.retry_deliveries(world.issue, MONDAY).await.unwrap(), 2);
        session.commit().await.unwrap();
        assert_eq!(engine.deliver_one_batch().await.unwrap().sent, 2);
        assert_eq!(catcher.got().into_keys().collect::<Vec<_>>(), [reader(1), reader(3)]);
    }

    async fn a_retry_gives_up_what_is_uncertain_of_those_who_have_left(test: TestStore) {
        let world = World::new(test).await;
        let subscribers = world.queue(2).await;
        let mut session = world.store().write(Durability::Full).await.unwrap();
        let rows = session.claim_deliveries("dead", MONDAY, 2, None).await.unwrap();
        let starts: Vec<_> = rows.iter().map(|row| start(row, MONDAY.0)).collect();
        assert_eq!(session.mark_deliveries("dead", &starts).await.unwrap().len(), 2);
        session.commit().await.unwrap();
        // While it was under way; then its deliverer died, and the operator wants to be asked.
        world.leave(subscribers[0]).await;
        let mut session = world.store().write(Durability::Full).await.unwrap();
        session.free_all_deliveries(DeliveryState::Uncertain).await.unwrap();
        assert_eq!(session.retry_deliveries(world.issue, MONDAY).await.unwrap(), 1);
        session.commit().await.unwrap();
        let totals = world.totals().await;
        assert_eq!((totals.queued, totals.cancelled, totals.uncertain), (1, 1, 0), "nothing of the issue stays open for ever");
    }

    async fn what_is_left_is_recalled_from_whoever_has_claimed_it(test: TestStore) {
        let world = World::new(test).await;
        let subscribers = world.queue(2).await;
        let mut session = world.store().write(Durability::Full).await.unwrap();
        let rows = session.claim_deliveries("me", MONDAY, 2, None).await.unwrap();
        assert_eq!(session.recall_what_was_left(subscribers[0], Some("another"), MONDAY).await.unwrap(), 0);
        assert_eq!(session.recall_what_was_left(subscribers[0], Some("weekly"), MONDAY).await.unwrap(), 1);
        let starts: Vec<_> = rows.iter().map(|row| start(row, MONDAY.0)).collect();
        let granted = session.mark_deliveries("me", &starts).await.unwrap();
        assert_eq!(granted, [(rows[1].id, "sending".to_owned())]);
        assert_eq!(session.recall_what_was_left(subscribers[1], None, MONDAY).await.unwrap(), 0, "it has been started");
        session.commit().await.unwrap();
    }

    async fn who_must_not_be_mailed_at_all_gets_nothing_of_any_digest(test: TestStore) {
        let (world, catcher) = (World::new(test).await, Catcher::plain().await);
        let subscribers = world.queue(3).await;
        let mut session = world.store().write(Durability::Full).await.unwrap();
        assert_eq!(session.cancel_deliveries(subscribers[1], None, MONDAY).await.unwrap(), 1);
        session.commit().await.unwrap();
        world.engine(catcher.settings()).deliver_one_batch().await.unwrap();
        assert_eq!(catcher.got().into_keys().collect::<Vec<_>>(), [reader(1), reader(3)]);
    }
}
