//! Why people left.

use super::query::{execute, fetch_all, json, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// An answer, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct GivenReasonRow {
    /// The subscriber's row.
    pub subscriber_id: i64,
    /// The answer.
    #[sqlx(flatten)]
    pub reason: ReasonRow,
}

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
    REASONS_BETWEEN = {
        "select subscriber_id, digest, left_at, reason, note from leave_reasons where subscriber_id between $1 and $2
         order by subscriber_id, left_at, id"
    };
    // A list of rows is bound in its own way on each.
    ADD_REASONS = {
        sqlite "insert into leave_reasons (subscriber_id, digest, left_at, reason, note)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 from json_each($1)
            where true on conflict (subscriber_id, digest, left_at) do nothing"
        postgres "insert into leave_reasons (subscriber_id, digest, left_at, reason, note)
            select (value ->> 0)::bigint, value ->> 1, (value ->> 2)::bigint, value ->> 3, value ->> 4
            from jsonb_array_elements($1::jsonb) as e (value)
            on conflict (subscriber_id, digest, left_at) do nothing"
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

    /// Why the subscribers with those row ids left, both ends included, the oldest first for each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reasons_between(&mut self, first: i64, last: i64) -> Result<Vec<GivenReasonRow>, StoreError> {
        fetch_all!(self, REASONS_BETWEEN as GivenReasonRow, first, last)
    }

    /// Writes down many at once; what is there already stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_reasons(&mut self, rows: &[GivenReasonRow]) -> Result<(), StoreError> {
        let rows = json(rows.iter().map(|GivenReasonRow { subscriber_id, reason: row }| {
            (subscriber_id, &row.digest, row.left_at.0, &row.reason, &row.note)
        }));
        execute!(self, ADD_REASONS, &rows).map(|_| ())
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
