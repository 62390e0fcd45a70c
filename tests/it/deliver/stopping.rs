//! What a node that stops leaves to the others.

use std::time::Duration;

use postround::config::Rate;
use postround::domain::DeliveryState;

use super::world::{Catcher, World};
use crate::support::household::{execute, text};
use crate::support::{PATIENCE, TestStore};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_handed_over_also_where_the_turns_of_a_rate_cannot_be() {
    let Some(test) = TestStore::postgres().await else { return };
    let world = World::new(test).await;
    let catcher = Catcher::plain().await;
    world.queue(20).await;
    let mut settings = catcher.settings();
    settings.smtp.rates = vec![Rate::parse("4/s").unwrap()];
    let engine = world.engine(settings);
    let over = async {
        while world.totals().await.sent < 2 || world.in_state(DeliveryState::Claimed).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        execute(&world.test, "drop table turns").await;
    };
    Box::pin(engine.run(async { tokio::time::timeout(PATIENCE, over).await.unwrap() })).await;
    assert_eq!(world.in_state(DeliveryState::Claimed).await, 0);
    assert_eq!(text(&world.test, "select node from nodes").await, "");
}
