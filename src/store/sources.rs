//! What is known of each source: when it was read last, with which answer, and its validators for the next time.

use super::query::{execute, fetch_all, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    ALL_SOURCES = { "select source, url, title, etag, last_modified, polled_at, succeeded_at, status, failures, error from sources order by source" };
    ONE_SOURCE = { "select source, url, title, etag, last_modified, polled_at, succeeded_at, status, failures, error from sources where source = $1" };
    PUT_SOURCE = {
        "insert into sources (source, url, title, etag, last_modified, polled_at, succeeded_at, status, failures, error)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (source) do update set url = excluded.url, title = excluded.title, etag = excluded.etag,
         last_modified = excluded.last_modified, polled_at = excluded.polled_at, succeeded_at = excluded.succeeded_at,
         status = excluded.status, failures = excluded.failures, error = excluded.error"
    };
}

/// The state of a source.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct SourceRow {
    /// Its id in the configuration.
    pub source: String,
    /// The address that it was read from.
    pub url: String,
    /// What it calls itself.
    pub title: Option<String>,
    /// Validator for a conditional request.
    pub etag: Option<String>,
    /// Validator for a conditional request.
    pub last_modified: Option<String>,
    /// When it was tried last.
    pub polled_at: Option<UtcMillis>,
    /// When it was read last.
    pub succeeded_at: Option<UtcMillis>,
    /// `new`, `unchanged` or `failed`.
    pub status: String,
    /// How often in a row it has failed.
    pub failures: i64,
    /// Why it failed last.
    pub error: Option<String>,
}

impl Session {
    /// The states of all sources that were ever tried, by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sources(&mut self) -> Result<Vec<SourceRow>, StoreError> {
        fetch_all!(self, ALL_SOURCES as SourceRow)
    }

    /// The state of one source.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn source(&mut self, source: &str) -> Result<Option<SourceRow>, StoreError> {
        fetch_optional!(self, ONE_SOURCE as SourceRow, source)
    }

    /// Records the state of a source.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_source(&mut self, s: &SourceRow) -> Result<(), StoreError> {
        execute!(
            self,
            PUT_SOURCE,
            &s.source,
            &s.url,
            &s.title,
            &s.etag,
            &s.last_modified,
            s.polled_at,
            s.succeeded_at,
            &s.status,
            s.failures,
            &s.error
        )?;
        Ok(())
    }
}
