//! Marks on SQLite, beside other processes that write.

use std::time::Duration;

use postround::config::StoreUrl;
use sqlx::{Connection, Executor};

use super::crash::{claim, record, start};
use super::world::World;
use crate::support::TestStore;

// On one thread: a mark that waited on it would keep the other process's commit from being made here.
#[tokio::test]
async fn a_mark_waits_for_another_processs_transaction_and_keeps_nobody_else_waiting() {
    let test = TestStore::sqlite().await;
    let StoreUrl::Sqlite(path) = test.url.clone() else { unreachable!() };
    let world = World::new(test).await;
    world.queue(1).await;
    let rows = claim(&world, "a", 1).await;
    let url = format!("sqlite:{}", path.display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("begin immediate").await.unwrap();
    let start = start(&rows[0], 1);
    let marking = record(&world, "a", std::slice::from_ref(&start));
    tokio::pin!(marking);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut marking).await;
    assert!(early.is_err(), "the other process has the store");
    other.execute("commit").await.unwrap();
    assert_eq!(marking.await, [true]);
}
