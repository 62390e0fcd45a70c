//! People whom an import brought without evidence, and who are asked to confirm when their turn comes.

use super::query::{execute, fetch_all, fetch_one, json, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// Somebody who is to be asked.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Ask {
    /// Whose row it is.
    pub subscriber_id: i64,
    /// When.
    pub due_at: UtcMillis,
    /// The import that brought them.
    pub source: String,
}

queries! {
    // A list of rows is bound in its own way on each. Whoever waits already keeps their turn.
    ADD_ASKS = {
        sqlite "insert into asks (subscriber_id, due_at, source)
            select value ->> 0, value ->> 1, value ->> 2 from json_each($1)
            where true on conflict (subscriber_id) do nothing"
        postgres "insert into asks (subscriber_id, due_at, source)
            select (value ->> 0)::bigint, (value ->> 1)::bigint, value ->> 2
            from jsonb_array_elements($1::jsonb) as e (value)
            on conflict (subscriber_id) do nothing"
    };
    DUE_ASKS = {
        "select subscriber_id, due_at, source from asks where due_at <= $1 order by due_at, subscriber_id limit $2"
    };
    ASKS_BETWEEN = {
        "select subscriber_id, due_at, source from asks where subscriber_id between $1 and $2 order by subscriber_id"
    };
    TAKE_ASK = { "delete from asks where subscriber_id = $1" };
    POSTPONE_ASK = { "update asks set due_at = $2 where subscriber_id = $1" };
    // A list of keys is bound in its own way on each.
    UNASKED_AMONG = {
        sqlite "select s.id from subscribers s
            where s.state = 'pending' and s.id in (select value from json_each($1))
              and not exists (select 1 from asks a where a.subscriber_id = s.id)
              and not exists (select 1 from consent_events e where e.subscriber_id = s.id and e.event = 'asked')"
        postgres "select s.id from subscribers s
            where s.state = 'pending' and s.id in (select jsonb_array_elements_text($1::jsonb)::bigint)
              and not exists (select 1 from asks a where a.subscriber_id = s.id)
              and not exists (select 1 from consent_events e where e.subscriber_id = s.id and e.event = 'asked')"
    };
    LAST_ASK = { "select max(due_at) from asks" };
}

impl Session {
    /// Adds people who are to be asked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_asks(&mut self, asks: &[Ask]) -> Result<(), StoreError> {
        let rows = json(asks.iter().map(|ask| (ask.subscriber_id, ask.due_at.0, &ask.source)));
        execute!(self, ADD_ASKS, &rows).map(|_| ())
    }

    /// Up to `limit` of those whose turn has come.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_asks(&mut self, now: UtcMillis, limit: i64) -> Result<Vec<Ask>, StoreError> {
        fetch_all!(self, DUE_ASKS as Ask, now, limit)
    }

    /// Whoever of the subscribers with those row ids, both ends included, is to be asked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn asks_between(&mut self, first: i64, last: i64) -> Result<Vec<Ask>, StoreError> {
        fetch_all!(self, ASKS_BETWEEN as Ask, first, last)
    }

    /// Takes somebody off the list; says whether they were on it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_ask(&mut self, subscriber: i64) -> Result<bool, StoreError> {
        Ok(execute!(self, TAKE_ASK, subscriber)? > 0)
    }

    /// Puts somebody's turn off.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn postpone_ask(&mut self, subscriber: i64, until: UtcMillis) -> Result<(), StoreError> {
        execute!(self, POSTPONE_ASK, subscriber, until).map(|_| ())
    }

    /// Those of the subscribers with those row ids who are pending, were never asked, and are not to be asked either.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unasked_among(&mut self, subscribers: &[i64]) -> Result<Vec<i64>, StoreError> {
        let rows = fetch_all!(self, UNASKED_AMONG as (i64,), &json(subscribers))?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// When the last of all is to be asked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_ask(&mut self) -> Result<Option<UtcMillis>, StoreError> {
        Ok(fetch_one!(self, LAST_ASK as (Option<UtcMillis>,))?.0)
    }
}
