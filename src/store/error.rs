//! What can go wrong with the store, in words for an operator.

use std::path::PathBuf;

/// A store operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be opened.
    #[error("cannot open the store {target}: {source}; check `store.url`, and that this user may read and write there")]
    Open {
        /// The file, or the database without its password.
        target: String,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// A folder or a lock file beside the database could not be used.
    #[error("cannot use {path}: {source}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The tables could not be brought up to date.
    #[error("cannot bring the tables of the store up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A named query failed.
    #[error("the store could not do `{query}`: {source}")]
    Query {
        /// The query's name.
        query: &'static str,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// Deliveries could not be marked.
    #[error("the store could not mark deliveries: {0}")]
    Mark(rusqlite::Error),
    /// A transaction could not begin or end.
    #[error("the store could not {action} a transaction: {source}")]
    Transaction {
        /// `begin` or `commit`.
        action: &'static str,
        /// What the driver says.
        source: sqlx::Error,
    },
}

impl StoreError {
    /// Whether a unique key refused the row: somebody else was first.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Query { source: sqlx::Error::Database(error), .. } => error.is_unique_violation(),
            _ => false,
        }
    }

    /// Whether trying again later may help: the database is busy, or out of reach for now.
    pub fn is_transient(&self) -> bool {
        if let Self::Mark(error) = self {
            return super::marker::is_busy(error);
        }
        let (Self::Open { source, .. } | Self::Query { source, .. } | Self::Transaction { source, .. }) = self else {
            return false;
        };
        match source {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
            // SQLite: busy and locked; PostgreSQL: serialization failure, deadlock, shutdown and start of the server.
            sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                matches!(code.as_ref(), "5" | "6" | "261" | "517" | "40001" | "40P01" | "57P01" | "57P02" | "57P03")
            }),
            _ => false,
        }
    }
}
