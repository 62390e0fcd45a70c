//! What is on disk when: a loss of power takes what is not.

use std::time::{Duration, Instant};

use postround::config::{AfterCrash, StoreUrl};
use postround::demo::catcher::{Reply, Stage};
use sqlx::{Connection, Executor};

use super::crash::finish;
use super::world::{Catcher, World, reader};
use crate::support::{PATIENCE, TestStore, on_both};

on_both! {
    async fn what_is_marked_is_on_disk_within_a_moment_also_when_nothing_more_comes(test: TestStore) {
        let world = World::new(test).await;
        let syncs = async || world.store().read().await.unwrap().meta("syncs").await.unwrap();
        world.queue(3).await;
        let (catcher, started) = (Catcher::plain().await, Instant::now());
        let engine = world.engine(catcher.settings());
        let over = async {
            while world.totals().await.sent < 3 || syncs().await.is_none() {
                assert!(started.elapsed() < PATIENCE, "{:?}", world.totals().await);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(syncs().await.as_deref(), Some("1"), "what came together goes together");
            // What is on disk stays there: nothing is written for nothing.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            assert_eq!(syncs().await.as_deref(), Some("1"));
            world.queue(1).await;
            catcher.mailbox.wait_for(4, PATIENCE).await.unwrap();
        };
        engine.run(over).await;
        assert_eq!(syncs().await.as_deref(), Some("2"), "with the end of the run");
    }

    async fn where_the_uncertain_is_held_every_mark_is_on_disk_before_it_counts(test: TestStore) {
        let world = World::new(test).await;
        world.queue(3).await;
        let catcher = Catcher::plain().await;
        let mut settings = catcher.settings();
        settings.delivery.after_crash = AfterCrash::Hold;
        finish(&world, world.engine(settings)).await;
        assert_eq!(catcher.got().len(), 3);
        assert_eq!(world.store().read().await.unwrap().meta("syncs").await.unwrap(), None, "there is nothing to bring there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_whose_result_the_store_has_lost_is_not_left_with_a_node_that_has_done_with_it() {
    let Some(test) = TestStore::postgres().await else { return };
    let StoreUrl::Postgres(url) = test.url.clone() else { unreachable!() };
    // One takes longer than several looks, and stays in hand all the time.
    let catcher = Catcher::answering(|turn| match turn.stage {
        Stage::Content { recipients, .. } if recipients[0] == reader(4) => {
            Some(Reply::usual().after(Duration::from_millis(800)))
        }
        _ => None,
    })
    .await;
    let world = World::new(test).await;
    world.queue(4).await;
    let mut settings = catcher.settings();
    settings.smtp.relays[0].connections = 2;
    let engine = world.engine(settings);
    let mut admin = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
    let sent = async |count: i64| {
        while world.totals().await.sent < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let over = async {
        sent(3).await;
        // As a server has it that has lost power and is back at once.
        let lost = "update deliveries set state = 'sending', finished_at = null, owner = (select node from nodes)
                    where address = 'reader1@x.example'";
        admin.execute(lost).await.unwrap();
        sent(4).await;
    };
    let run = engine.run(async { tokio::time::timeout(PATIENCE, over).await.expect("nothing is left") });
    Box::pin(run).await;
    let got = catcher.got();
    assert_eq!((got[&reader(1)], got[&reader(4)]), (2, 1), "{got:?}");
}
