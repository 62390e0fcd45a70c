//! The store on both databases: one SQL text, the same tables, and every query prepared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use postround::config::StoreUrl;
use postround::domain::UtcMillis;
use postround::store::{Durability, Store};
use sqlx::{Connection, Executor, Row, SqlSafeStr};

use crate::support::household::{confirmed, execute, subscribers, text};
use crate::support::{MONDAY, TestStore, on_both, postgres};

on_both! {
    async fn every_named_query_is_understood_by_the_database(test: TestStore) {
        let queries: Vec<_> = Store::queries().collect();
        assert!(queries.len() > 20, "the list of queries is gone");
        match &test.url {
            StoreUrl::Sqlite(path) => {
                let url = format!("sqlite:{}", path.display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                for query in queries {
                    let prepared = connection.prepare(query.sqlite.into_sql_str()).await;
                    prepared.unwrap_or_else(|error| panic!("{}: {error}", query.name));
                }
            }
            StoreUrl::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
                for query in queries {
                    let prepared = connection.prepare(query.postgres.into_sql_str()).await;
                    prepared.unwrap_or_else(|error| panic!("{}: {error}", query.name));
                }
            }
        }
    }

    async fn whoever_a_file_had_paused_without_an_end_has_left_since_the_upgrade(test: TestStore) {
        let (subscribers, _clock) = subscribers(&test, "https://post.northfold.example").await;
        confirmed(&subscribers, "ann@northfold.example", &["weekly", "jobs"]).await;
        confirmed(&subscribers, "ben@northfold.example", &["weekly"]).await;
        execute(&test, "update subscriptions set state = 'paused' where digest = 'weekly'").await;
        execute(&test, match &test.url {
            StoreUrl::Sqlite(_) => include_str!("../../migrations/sqlite/0016_pauses_without_an_end.sql"),
            StoreUrl::Postgres(_) => include_str!("../../migrations/postgres/0016_pauses_without_an_end.sql"),
        }).await;
        let states = "select email || ' ' || state from subscribers order by email";
        assert_eq!(text(&test, states).await, "ann@northfold.example confirmed\nben@northfold.example unsubscribed");
        let live = "select email || ' ' || digest from live_subscriptions";
        assert_eq!(text(&test, live).await, "ann@northfold.example jobs", "nobody gets what they did not get before");
        let left = "select c.address || ' ' || c.event || ' ' || c.digest from consent_events c
            join subscriptions b on b.subscriber_id = c.subscriber_id and b.digest = c.digest and b.state = 'left' and b.left_at > 0
            where c.source = 'upgrade' and c.evidence like '%paused without an end%' order by 1";
        assert_eq!(text(&test, left).await, "ann@northfold.example left weekly\nben@northfold.example left weekly");
    }

    async fn a_store_is_opened_again_as_it_was(test: TestStore) {
        test.store.close().await;
        let again = Store::open(&test.url).await.unwrap();
        again.write(Durability::Full).await.unwrap().commit().await.unwrap();
    }
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let sqlite = TestStore::sqlite().await;
    let Some(url) = postgres::fresh_database().await else { return };
    let postgres = StoreUrl::Postgres(postround::config::Secret::new(url.clone()));
    let _store = Store::open(&postgres).await.unwrap();

    let StoreUrl::Sqlite(path) = &sqlite.url else { unreachable!() };
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let rows = connection
        .fetch_all(
            "select m.name, c.name, c.\"notnull\" from sqlite_master m join pragma_table_info(m.name) c
             where m.type in ('table', 'view') and m.name not like 'sqlite_%' and m.name <> '_sqlx_migrations' and c.pk = 0",
        )
        .await
        .unwrap();
    let columns = |rows: Vec<(String, String, bool)>| {
        let mut tables: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
        for (table, column, required) in rows {
            tables.entry(table).or_default().insert(column, required);
        }
        tables
    };
    let in_sqlite = columns(rows.iter().map(|row| (row.get(0), row.get(1), row.get::<i64, _>(2) == 1)).collect());

    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let rows = connection
        .fetch_all(
            "select c.table_name::text, c.column_name::text, c.is_nullable = 'NO' from information_schema.columns c
             where c.table_schema = 'public' and c.table_name <> '_sqlx_migrations' and not exists (
                 select from information_schema.key_column_usage k
                 join information_schema.table_constraints t using (constraint_name)
                 where t.constraint_type = 'PRIMARY KEY' and k.table_name = c.table_name and k.column_name = c.column_name)",
        )
        .await
        .unwrap();
    let in_postgres = columns(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect());
    assert_eq!(in_sqlite, in_postgres);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_which_postgresql_has_no_figures_yet_is_worked_through_quickly() {
    let Some(test) = TestStore::postgres().await else { return };
    let sql = "insert into issues (public_id, digest, issue_key, number, state, subject, issue_date, composed_at, layout_after, recipients)
                   values ('one', 'weekly', 'one', 1, 'sending', '', '2026-11-23', 0, 0, 8000);
               insert into mails (kind, topics, locale, subject, html, body_text, mime, marker, salt, created_at)
                   values ('digest', '*', '', '', '', '', '', '', '', 0);
               insert into deliveries (mail_id, issue_id, kind, digest, address, name, state, priority, due_at, first_due_at, attempts)
                   select m.id, i.id, 'digest', 'weekly', 'reader@x.example', '', 'sent', 20, 0, 0, 1
                   from mails m, issues i, generate_series(1, 8000);
               analyze deliveries";
    execute(&test, sql).await;
    let (began, now) = (Instant::now(), UtcMillis(1));
    execute(&test, "update deliveries set state = 'deferred'").await;
    let mut session = test.store.write(Durability::Normal).await.unwrap();
    assert_eq!(session.queue_deferred(now, 10_000).await.unwrap(), 8000);
    assert_eq!(session.claim_deliveries("me", now, 200, None).await.unwrap().len(), 200);
    assert_eq!(session.release_deliveries("me", &[]).await.unwrap(), 200);
    assert!(session.hold_issue(1, None).await.unwrap());
    assert_eq!(session.set_aside(1, 10_000).await.unwrap(), 8000);
    assert!(session.resume_issue(1).await.unwrap());
    assert_eq!(session.put_back(1, 10_000, now).await.unwrap(), 8000);
    assert!(session.cancel_issue(1, None).await.unwrap());
    assert_eq!(session.cancel_rest(1, 10_000, now).await.unwrap(), 8000);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "each statement compared each row with each: {took:?}");
}

#[tokio::test]
async fn a_reader_of_sqlite_cannot_write_and_a_dropped_transaction_leaves_nothing() {
    let test = TestStore::sqlite().await;
    let second = Store::open(&test.url).await.unwrap();
    let lock = test.store.try_lock_deliverer().unwrap().expect("the first asks alone");
    assert!(second.try_lock_deliverer().unwrap().is_none(), "two deliverers on one SQLite file");
    drop(lock);
    assert!(second.try_lock_deliverer().unwrap().is_some());
}

on_both! {
    async fn a_node_is_new_at_its_first_beat_alone_though_the_clock_stands_still(test: TestStore) {
        let mut session = test.store.write(Durability::Full).await.unwrap();
        assert!(session.beat("a", 1, MONDAY).await.unwrap());
        assert!(!session.beat("a", 2, MONDAY).await.unwrap());
        session.leave_nodes("a").await.unwrap();
        assert!(session.beat("a", 3, MONDAY).await.unwrap(), "others have buried it");
    }
}
