//! All SQL: one file for each kind of thing, one text for SQLite and PostgreSQL.
//!
//! A [`Store`] gives [`Session`]s; the files of this room add to `Session` the queries on one kind of thing each. The
//! store knows no policy: what may happen when is the business of the rooms that call it.

mod alerts;
mod articles;
mod asks;
mod census;
mod consent;
mod control;
mod corrections;
mod deliveries;
mod digests;
mod error;
mod figures;
mod file;
mod folding;
mod forget;
mod former;
mod freeing;
mod imports;
mod issues;
mod layout;
mod links;
mod mails;
mod marker;
mod marks;
mod meta;
mod moving;
mod nodes;
mod pages;
mod pausing;
mod query;
mod queue;
mod quotas;
mod reasons;
mod relay_troubles;
mod requests;
mod session;
mod slots;
mod slow_relays;
mod sources;
mod subscribers;
mod suppressions;
mod turns;
mod waiters;
mod why;
mod withdrawals;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgPool};

pub use alerts::UnpostedAlert;
pub use articles::{ArticleRow, NewArticle, Put, StoryRow};
pub use asks::Ask;
pub use census::{Census, PeopleCensus, UnderWay};
pub use consent::ConsentRow;
pub use control::{IssueEventRow, NewIssueEvent, UncertainIssue};
pub use corrections::{CorrectionRow, CorrectionText, MailOfIssue};
pub use deliveries::{DeliveryRow, MailedRow, NewDelivery, Totals};
pub use digests::{Hold, SeenSchedule};
pub use error::StoreError;
pub use figures::{DeferralRow, PaceRow};
pub use former::{FormerAddressRow, MovedRow};
pub use issues::{IssueRow, NewIssue, NewIssueArticle};
pub use layout::{Audience, Choice, IssueMail, Place};
pub use links::LinkRow;
pub use mails::{Followed, MailRow, NewMail};
pub use marks::{MOST_MARKS, Mark};
pub use nodes::NodeRow;
pub use pages::{ArchivedRow, NewPage, PageRow};
pub use query::Query;
pub use queue::ClaimedRow;
pub use quotas::Quota;
pub use reasons::{GivenReasonRow, ReasonRow};
pub use relay_troubles::RelayTrouble;
pub use requests::{JoinRequestRow, UnansweredRow};
pub use session::Session;
use session::{Connection, Kind};
pub use slow_relays::SlowRelay;
pub use sources::SourceRow;
pub use subscribers::{SubscriberRow, SubscriptionRow};
pub use suppressions::{SuppressedRow, SuppressionRow};
pub use turns::Turn;
pub use why::IssueForRow;
pub use withdrawals::IssueArticleRow;

use crate::config::StoreUrl;
use file::SqliteFile;

static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How PostgreSQL treats marks. What is looked up is a few rows by their keys, in a table that may have a million and be
/// so new that nobody has counted it: a plan that reads all of it would cost milliseconds for each message.
const MARKS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

/// Longest wait for a connection, or for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest wait for a connection to PostgreSQL: whoever looks at a page does not wait longer for being told that the database
/// is gone.
const PLACE: Duration = Duration::from_secs(10);

/// How surely a commit survives a loss of power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// On disk before the commit returns: consent, leaving, suppression, issues.
    Full,
    /// Survives the death of the process at once, and is on disk with the next full commit. For marks of deliveries, whose
    /// recorder sees to it that there is one soon.
    Normal,
}

/// The store: SQLite or PostgreSQL. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Backend, Arc<session::Told>);

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(Arc<SqliteFile>),
    Postgres(PgPools),
}

#[derive(Clone, Debug)]
struct PgPools {
    all: PgPool,
    /// At `synchronous_commit = off`.
    marks: PgPool,
    /// The same, but on disk before they are answered.
    marks_on_disk: PgPool,
}

/// Held by the one process that delivers from a store on SQLite; free when the process ends, however it does.
#[derive(Debug)]
pub struct DelivererLock(#[allow(dead_code, reason = "the lock lives as long as the file is open")] Option<File>);

impl Store {
    /// Opens the store, makes it on first use (SQLite), and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or brought up to date.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Sqlite(path) => {
                Ok(Self(Backend::Sqlite(Arc::new(SqliteFile::open(path).await?)), Arc::default()))
            }
            StoreUrl::Postgres(url) => Self::open_postgres(url.reveal()).await,
        }
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let target = || match url::Url::parse(url) {
            Ok(url) => format!("postgres://{}{}", url.host_str().unwrap_or_default(), url.path()),
            Err(_) => "postgres://…".to_owned(),
        };
        let open = |source| StoreError::Open { target: target(), source };
        let options: PgConnectOptions = url.parse().map_err(open)?;
        // A pool would try for as long as it may, and then say only that it did.
        let first = tokio::time::timeout(PATIENCE, sqlx::PgConnection::connect_with(&options)).await;
        let first = first.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(open)?;
        sqlx::Connection::close(first).await.map_err(open)?;
        let options = options.application_name("postround");
        let all = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(PLACE)
            .connect_with(options.clone())
            .await
            .map_err(open)?;
        POSTGRES_MIGRATIONS.run(&all).await?;
        // The recorder repeats what failed, so that nothing needs to ask first whether the connection still works.
        let marks = |options| {
            let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(PLACE).test_before_acquire(false);
            pool.connect_lazy_with(options)
        };
        let options = options.options(MARKS);
        let marks_on_disk = marks(options.clone());
        let marks = marks(options.options([("synchronous_commit", "off")]));
        Ok(Self(Backend::Postgres(PgPools { all, marks, marks_on_disk }), Arc::default()))
    }

    /// Every named query, for the test that prepares them all.
    pub fn queries() -> impl Iterator<Item = &'static Query> {
        [
            alerts::ALL,
            articles::ALL,
            asks::ALL,
            census::ALL,
            consent::ALL,
            control::ALL,
            corrections::ALL,
            deliveries::ALL,
            digests::ALL,
            figures::ALL,
            folding::ALL,
            forget::ALL,
            former::ALL,
            freeing::ALL,
            imports::ALL,
            issues::ALL,
            layout::ALL,
            links::ALL,
            mails::ALL,
            marks::ALL,
            meta::ALL,
            moving::ALL,
            nodes::ALL,
            pages::ALL,
            pausing::ALL,
            queue::ALL,
            quotas::ALL,
            reasons::ALL,
            relay_troubles::ALL,
            requests::ALL,
            slots::ALL,
            slow_relays::ALL,
            sources::ALL,
            subscribers::ALL,
            suppressions::ALL,
            turns::ALL,
            why::ALL,
            withdrawals::ALL,
        ]
        .into_iter()
        .flatten()
    }

    /// A reader's session.
    ///
    /// # Errors
    /// When no connection could be had.
    pub async fn read(&self) -> Result<Session, StoreError> {
        let begin = |source| StoreError::Transaction { action: "begin", source };
        Ok(Session::new(
            match &self.0 {
                Backend::Sqlite(file) => Kind::SqliteRead(file.reader().await.map_err(begin)?),
                Backend::Postgres(pools) => Kind::PostgresRead(pools.all.acquire().await.map_err(begin)?),
            },
            &self.1,
        ))
    }

    /// A writer's session: a transaction. On SQLite it is the only one, so keep it short, and never wait for the
    /// network in it.
    ///
    /// # Errors
    /// When no connection could be had, or another process has held the store for too long.
    pub async fn write(&self, durability: Durability) -> Result<Session, StoreError> {
        let begin = |source| StoreError::Transaction { action: "begin", source };
        match &self.0 {
            Backend::Sqlite(file) => Ok(Session::new(Kind::SqliteWrite(file.begin(durability).await?), &self.1)),
            Backend::Postgres(pools) => {
                Ok(Session::new(Kind::PostgresWrite(pools.all.begin().await.map_err(begin)?), &self.1))
            }
        }
    }

    /// A writer's session in which each statement commits itself, at [`Durability::Normal`]: what marks deliveries, many
    /// in one statement, at less than half the cost of a transaction.
    ///
    /// # Errors
    /// When no connection could be had.
    pub async fn marks(&self) -> Result<Session, StoreError> {
        self.marks_at(Durability::Normal).await
    }

    /// The same, as durable as is asked for.
    ///
    /// # Errors
    /// When no connection could be had.
    pub async fn marks_at(&self, durability: Durability) -> Result<Session, StoreError> {
        let begin = |source| StoreError::Transaction { action: "begin", source };
        Ok(Session::new(
            match &self.0 {
                Backend::Sqlite(file) => {
                    // What has to be on disk takes longer than a thread that does other things may wait.
                    let marker = (durability == Durability::Normal).then(|| file.marker());
                    Kind::SqliteAlone(file.writer(durability).await?, marker, file.waiters())
                }
                Backend::Postgres(pools) => {
                    let pool = if durability == Durability::Full { &pools.marks_on_disk } else { &pools.marks };
                    Kind::PostgresRead(pool.acquire().await.map_err(begin)?)
                }
            },
            &self.1,
        ))
    }

    /// Brings to the disk whatever has been committed at [`Durability::Normal`].
    ///
    /// # Errors
    /// When it could not.
    pub async fn sync(&self) -> Result<(), StoreError> {
        let mut session = self.write(Durability::Full).await?;
        session.sync().await?;
        session.commit().await
    }

    /// Takes the right to deliver: on SQLite the one lock of the store, on PostgreSQL always (claims have owners there).
    /// `None`: another process has it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn try_lock_deliverer(&self) -> Result<Option<DelivererLock>, StoreError> {
        let Backend::Sqlite(file) = &self.0 else { return Ok(Some(DelivererLock(None))) };
        Ok(file.try_lock_deliverer()?.map(|lock| DelivererLock(Some(lock))))
    }

    /// Waits until somebody in this process has queued deliveries.
    pub async fn queued(&self) {
        self.1.queued.notified().await;
    }

    /// Waits until somebody in this process has held, cancelled or changed an issue.
    pub async fn recalled(&self) {
        self.1.recalled.notified().await;
    }

    /// Whether claims and leases are needed, since other nodes may deliver from this store too.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Backend::Postgres(_))
    }

    /// Sees to it that nothing of what has been deleted is left in SQLite's log. PostgreSQL looks after its own files.
    /// `false`: somebody reads or writes for too long, and it is to be tried again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        match &self.0 {
            Backend::Sqlite(file) => file.empty_log().await,
            Backend::Postgres(_) => Ok(true),
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.0 {
            Backend::Sqlite(file) => {
                file.close().await;
            }
            Backend::Postgres(pools) => {
                pools.all.close().await;
                pools.marks.close().await;
                pools.marks_on_disk.close().await;
            }
        }
    }
}
