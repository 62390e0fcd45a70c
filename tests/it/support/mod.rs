//! Helpers of the integration tests: a store on each database, and a moment that does not move.
//!
//! A test that needs the store is written once inside [`on_both!`] and runs on SQLite and on PostgreSQL. Where no
//! PostgreSQL server is installed its half says so and passes, except in CI (`CI=true`), where it fails.

pub mod browser;
pub mod crashes;
pub mod daemon;
pub mod household;
pub mod plain;
pub mod postgres;
pub mod postgres_server;
pub mod program;
pub mod site;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use postround::config::{Secret, StoreUrl};
use postround::domain::{Clock, UtcMillis};
use postround::store::Store;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use url::Url;

/// How long a test waits for what has to come, in any case. It says nothing about speed: a machine that has just built all
/// this, or that others use too, may stand still for seconds.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Monday 23 November 2026, 08:00 in London.
pub const MONDAY: UtcMillis = UtcMillis(1_795_420_800_000);

/// Writes a test once and runs it on both databases: `on_both! { async fn name(store: TestStore) { … } }`.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: TestStore) $body:block)+) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn rule($store: $crate::support::TestStore) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                rule($crate::support::TestStore::sqlite().await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(store) = $crate::support::TestStore::postgres().await {
                    rule(store).await;
                }
            }
        })+
    };
}
pub(crate) use on_both;

/// A fresh, empty store that is gone after the test.
pub struct TestStore {
    /// The store itself.
    pub store: Store,
    /// How to open it again.
    pub url: StoreUrl,
    /// A folder for whatever else the test needs.
    pub folder: TempDir,
}

impl TestStore {
    /// One on SQLite.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(folder.path().join("postround.db"));
        Self { store: Store::open(&url).await.unwrap(), url, folder }
    }

    /// One on PostgreSQL, or none where no server is installed.
    pub async fn postgres() -> Option<Self> {
        let url = StoreUrl::Postgres(Secret::new(ready_database().await?));
        Some(Self { store: Store::open(&url).await.unwrap(), url, folder: tempfile::tempdir().unwrap() })
    }
}

/// The URL of a PostgreSQL database of a test's own that has its tables already: making them takes longer than most tests.
pub async fn ready_database() -> Option<String> {
    static MADE: OnceCell<Option<String>> = OnceCell::const_new();
    let make = async || {
        let url = postgres::fresh_database().await?;
        let name = Url::parse(&url).unwrap().path()[1..].to_owned();
        Store::open(&StoreUrl::Postgres(Secret::new(url))).await.unwrap().close().await;
        Some(name)
    };
    postgres::copy_of(MADE.get_or_init(make).await.as_ref()?).await
}

/// A clock that stands still until it is moved.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Stands at `now`.
    pub fn at(now: UtcMillis) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Sets it back.
    pub fn set_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UtcMillis {
        UtcMillis(self.0.load(Ordering::SeqCst))
    }
}
