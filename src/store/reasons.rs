//! Why people left.

use super::query::{execute, fetch_all, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// An answer to the question why.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ReasonRow {
    /// The digest that was left.
    pub digest: String,
    /// When.
    pub left_at: UtcMillis,
    /// The answer that was picked.
    pub reason: String,
    /// What was written beside it; may be empty.
    pub note: String,
}

queries! {
    PUT_REASON = {
        "insert into leave_reasons (subscriber_id, digest, left_at, reason, note) values ($1, $2, $3, $4, $5)
         on conflict (subscriber_id, digest, left_at) do update set reason = excluded.reason, note = excluded.note"
    };
    REASONS_OF_SUBSCRIBER = {
        "select digest, left_at, reason, note from leave_reasons where subscriber_id = $1 order by left_at, id"
    };
    REASONS_OF_DIGEST = {
        "select digest, left_at, reason, note from leave_reasons where digest = $1 and left_at >= $2
         order by left_at desc, id desc"
    };
    BLANK_REASONS = { "update leave_reasons set note = '' where subscriber_id = $1" };
}

impl Session {
    /// Writes down why somebody left a digest at that moment; another answer takes the place of the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_reason(&mut self, subscriber: i64, row: &ReasonRow) -> Result<(), StoreError> {
        execute!(self, PUT_REASON, subscriber, &row.digest, row.left_at, &row.reason, &row.note).map(|_| ())
    }

    /// Why somebody left, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reasons_of_subscriber(&mut self, subscriber: i64) -> Result<Vec<ReasonRow>, StoreError> {
        fetch_all!(self, REASONS_OF_SUBSCRIBER as ReasonRow, subscriber)
    }

    /// Why people left a digest since then, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reasons_of_digest(&mut self, digest: &str, since: UtcMillis) -> Result<Vec<ReasonRow>, StoreError> {
        fetch_all!(self, REASONS_OF_DIGEST as ReasonRow, digest, since)
    }

    /// Keeps the answers that somebody picked, without what they wrote.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn blank_reasons(&mut self, subscriber: i64) -> Result<(), StoreError> {
        execute!(self, BLANK_REASONS, subscriber).map(|_| ())
    }
}
