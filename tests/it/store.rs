//! The store on both databases: one SQL text, the same tables, and every query prepared.

use std::collections::BTreeMap;

use postround::config::StoreUrl;
use postround::store::{Durability, Store};
use sqlx::{Connection, Executor, Row, SqlSafeStr};

use crate::support::{TestStore, on_both, postgres};

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

#[tokio::test]
async fn a_reader_of_sqlite_cannot_write_and_a_dropped_transaction_leaves_nothing() {
    let test = TestStore::sqlite().await;
    let second = Store::open(&test.url).await.unwrap();
    let lock = test.store.try_lock_deliverer().unwrap().expect("the first asks alone");
    assert!(second.try_lock_deliverer().unwrap().is_none(), "two deliverers on one SQLite file");
    drop(lock);
    assert!(second.try_lock_deliverer().unwrap().is_some());
}
