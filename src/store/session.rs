//! A session is what queries run on: a reader's connection, or a writer's transaction.

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite, Transaction};
use tokio::sync::Notify;

use super::StoreError;
use super::marker::Marker;
use super::waiters::Waiters;

/// One connection to the store, alone for whoever holds it.
///
/// From [`super::Store::read`] each query sees the store as it is then, and on SQLite none can change it; from
/// [`super::Store::write`] it is a transaction: dropped without [`Session::commit`], nothing happened.
#[derive(Debug)]
pub struct Session {
    kind: Kind,
    /// Told of the commit when deliveries were queued, or an issue was held, cancelled or changed.
    told: Arc<Told>,
    queued: bool,
    recalled: bool,
}

/// Who delivers in this process hears of commits by these.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub queued: Notify,
    pub recalled: Notify,
}

#[derive(Debug)]
pub(super) enum Kind {
    SqliteRead(PoolConnection<Sqlite>),
    /// The writer's connection without a transaction: each statement commits itself. With it goes the right to use the one
    /// that marks deliveries.
    SqliteAlone(PoolConnection<Sqlite>, Option<Arc<Marker>>, Arc<Waiters>),
    SqliteWrite(Transaction<'static, Sqlite>),
    PostgresRead(PoolConnection<Postgres>),
    PostgresWrite(Transaction<'static, Postgres>),
}

/// The driver's connection, for the query macros.
pub(super) enum Connection<'s> {
    Sqlite(&'s mut sqlx::SqliteConnection),
    Postgres(&'s mut sqlx::PgConnection),
}

impl Session {
    pub(super) fn new(kind: Kind, told: &Arc<Told>) -> Self {
        Self { kind, told: Arc::clone(told), queued: false, recalled: false }
    }

    /// Notes that an issue is held, cancelled or changed in this session, as [`Session::queues`] does.
    pub(super) fn recalls(&mut self) {
        self.recalled = true;
    }

    /// Notes that deliveries are queued in this session: whoever delivers in this process hears of its commit.
    pub(super) fn queues(&mut self) {
        self.queued = true;
    }

    pub(super) fn connection(&mut self) -> Connection<'_> {
        match &mut self.kind {
            Kind::SqliteRead(connection) | Kind::SqliteAlone(connection, ..) => Connection::Sqlite(connection),
            Kind::SqliteWrite(transaction) => Connection::Sqlite(transaction),
            Kind::PostgresRead(connection) => Connection::Postgres(connection),
            Kind::PostgresWrite(transaction) => Connection::Postgres(transaction),
        }
    }

    /// The connection that marks deliveries at once; none in a transaction, and on PostgreSQL.
    pub(super) fn marker(&self) -> Option<&Arc<Marker>> {
        if let Kind::SqliteAlone(_, marker, _) = &self.kind { marker.as_ref() } else { None }
    }

    /// Whether somebody waits for the connection that this one has, and there is no other: whoever keeps it without a
    /// transaction, as from [`super::Store::marks`], then gives it back.
    pub fn is_wanted(&self) -> bool {
        if let Kind::SqliteAlone(.., waiters) = &self.kind { waiters.are_there() } else { false }
    }

    /// Waits until it is wanted.
    pub async fn wanted(&self) {
        match &self.kind {
            Kind::SqliteAlone(.., waiters) => waiters.come().await,
            _ => std::future::pending().await,
        }
    }

    /// Makes what was written last; for a reader, ends it.
    ///
    /// # Errors
    /// When the database could not: then nothing was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.kind {
            Kind::SqliteWrite(transaction) => transaction.commit().await,
            Kind::PostgresWrite(transaction) => transaction.commit().await,
            Kind::SqliteRead(_) | Kind::SqliteAlone(..) | Kind::PostgresRead(_) => Ok(()),
        }
        .map_err(|source| StoreError::Transaction { action: "commit", source })?;
        if self.queued {
            self.told.queued.notify_one();
        }
        if self.recalled {
            self.told.recalled.notify_one();
        }
        Ok(())
    }
}
