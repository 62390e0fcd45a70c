//! Marks: alone and among many, and on SQLite beside other processes that write.

use std::time::Duration;

use postround::config::StoreUrl;
use postround::domain::DeliveryState;
use postround::store::{Durability, Mark};
use sqlx::{Connection, Executor};

use super::crash::{claim, record, result, start};
use super::world::{World, mail_of};
use crate::support::household::{execute, text};
use crate::support::{MONDAY, TestStore, on_both};

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

/// What may be so of a delivery when it is marked, as changes of its row and of its subscriber.
const CASES: [&str; 16] = [
    "",
    "update deliveries set state = 'queued', owner = null where id = {id}",
    "update deliveries set state = 'cancelled', owner = null where id = {id}",
    "update deliveries set state = 'cancelled', owner = null, started_at = 7 where id = {id}",
    "update deliveries set state = 'uncertain', owner = null, started_at = 7 where id = {id}",
    "update deliveries set state = 'held', owner = null, started_at = 7 where id = {id}",
    "update deliveries set owner = 'another' where id = {id}",
    "update deliveries set address = '' where id = {id}",
    "update deliveries set started_at = 6 where id = {id}",
    "update deliveries set started_at = 7 where id = {id}",
    "update deliveries set state = 'sending', started_at = 7, attempts = 3, answer = 'wait' where id = {id}",
    "update deliveries set state = 'sending', started_at = 7, address = '' where id = {id}",
    "update deliveries set state = 'sending', started_at = 7, owner = 'another' where id = {id}",
    "update deliveries set mail_id = {other} where id = {id}",
    "update subscriptions set state = 'left' where subscriber_id = {subscriber}",
    "update subscribers set state = 'complained' where id = {subscriber}",
];

on_both! {
    async fn a_mark_does_the_same_alone_and_among_many(test: TestStore) {
        let world = World::new(test).await;
        let mut session = world.store().write(Durability::Full).await.unwrap();
        let other = session.insert_mail(&mail_of(world.issue), MONDAY).await.unwrap();
        session.commit().await.unwrap();
        for issue in ["state = 'sending'", "state = 'held'", "state = 'cancelled'", "outdated_upto = 1"] {
            for (case, kind) in CASES.iter().flat_map(|case| [(case, true), (case, false)]) {
                execute(&world.test, "update issues set state = 'sending', outdated_upto = null").await;
                world.queue(2).await;
                let rows = claim(&world, "me", 2).await;
                execute(&world.test, &format!("update issues set {issue}")).await;
                let mut came_to = Vec::new();
                for (row, is_alone) in [(&rows[0], true), (&rows[1], false)] {
                    let id = row.id.to_string();
                    let subscriber = format!("(select subscriber_id from deliveries where id = {id})");
                    let change = case.replace("{id}", &id).replace("{other}", &other.to_string());
                    execute(&world.test, &change.replace("{subscriber}", &subscriber)).await;
                    let relay = Some("main".to_owned());
                    let mark = if kind {
                        Mark { relay, ..start(row, 7) }
                    } else {
                        let answer = Some("250 ok".to_owned());
                        Mark { relay, answer, finished_at: Some(8), ..result(row, 7, DeliveryState::Sent) }
                    };
                    let nobodys = (-3..0).map(|id| Mark::of(id, DeliveryState::Sending, DeliveryState::Sent));
                    let marks: Vec<Mark> = std::iter::once(mark).chain(nobodys.filter(|_| !is_alone)).collect();
                    let taken = record(&world, "me", &marks).await[0];
                    const ROW: &str = "select state || '|' || coalesce(owner, '') || '|' || attempts || '|' || due_at || '|'
                        || first_due_at || '|' || coalesce(cast(started_at as text), '') || '|'
                        || coalesce(cast(finished_at as text), '') || '|' || coalesce(relay, '') || '|' || coalesce(answer, '')
                        from deliveries where id = ";
                    came_to.push((taken, text(&world.test, &format!("{ROW}{id}")).await));
                }
                assert_eq!(came_to[0], came_to[1], "{case:?}, start: {kind}, of an issue with {issue}");
            }
        }
    }
}
