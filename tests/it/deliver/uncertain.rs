//! What nobody can know of, where the config says that it waits: what is of an issue does, and nothing else.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use postround::config::AfterCrash;
use postround::demo::catcher::{Reply, Stage};
use postround::domain::DeliveryState;

use super::crash::{claim, record, start};
use super::world::{Catcher, World, header, reader};
use crate::support::household::text;
use crate::support::{PATIENCE, on_both};

const NEW: &str = "new@x.example";

on_both! {
    async fn a_mail_of_no_issue_is_queued_again_whoever_frees_it(test: TestStore) {
        let world = World::new(test).await;
        for (at, how) in [(1, "owner"), (2, "all"), (3, "strays")] {
            world.queue(1).await;
            world.queue_notice("confirmation", &format!("{how}@x.example")).await;
            let rows = claim(&world, "dead", 10).await;
            let starts: Vec<_> = rows.iter().map(|row| start(row, at)).collect();
            assert!(record(&world, "dead", &starts).await.iter().all(|granted| *granted));
            let mut session = world.store().marks().await.unwrap();
            match how {
                "owner" => session.free_deliveries_of("dead", DeliveryState::Uncertain).await.unwrap(),
                "all" => session.free_all_deliveries(DeliveryState::Uncertain).await.unwrap(),
                _ => session.free_strays("dead", &[], DeliveryState::Uncertain).await.unwrap(),
            };
            drop(session);
            let kinds = "select distinct kind || ' ' || state from deliveries order by 1";
            assert_eq!(text(&world.test, kinds).await, "confirmation queued\ndigest uncertain", "{how}");
        }
    }

    async fn a_confirmation_whose_answer_is_lost_is_sent_again_as_the_same_and_a_digest_waits(test: TestStore) {
        let world = World::new(test).await;
        world.queue(1).await;
        world.queue_notice("confirmation", NEW).await;
        let begun = Mutex::new(BTreeSet::new());
        let catcher = Catcher::answering(move |turn| match turn.stage {
            // The first time to each.
            Stage::Content { recipients, .. } => {
                begun.lock().unwrap().insert(recipients[0].clone()).then(|| Reply::dropped().keeping())
            }
            _ => None,
        })
        .await;
        let mut settings = catcher.settings();
        settings.delivery.after_crash = AfterCrash::Hold;
        let engine = world.engine(settings);
        let over = async {
            while text(&world.test, "select state from deliveries order by id").await != "uncertain\nsent" {
                tokio::time::sleep(Duration::from_millis(10)).await;
                world.clock.advance(Duration::from_secs(20));
            }
        };
        tokio::time::timeout(PATIENCE, engine.run(over)).await.expect("the confirmation is sent");
        let got = catcher.got();
        assert_eq!(got[&reader(1)], 1, "a repeat that nobody allowed");
        let ids = catcher.mailbox.messages().into_iter().filter(|mail| mail.recipients[0] == NEW);
        let ids: BTreeSet<String> = ids.map(|mail| header(&mail.raw, "Message-ID:")).collect();
        assert!(got[NEW] == 2 && ids.len() == 1, "{got:?} {ids:?}");
    }
}
