//! Requests that wait for a confirmation, and whom to remind of one.

use super::query::{execute, fetch_all, fetch_optional, json, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// What somebody, perhaps a stranger, asked for in the name of a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct JoinRequestRow {
    /// The subscriber's row.
    pub subscriber_id: i64,
    /// When; with the subscriber, this says which request it is.
    pub asked_at: UtcMillis,
    /// The digests and topics, as in the token.
    pub choice: String,
    /// The name that was typed; may be empty.
    pub name: String,
    /// The language that was asked in.
    pub locale: Option<String>,
    /// When they were reminded of it.
    pub reminded_at: Option<UtcMillis>,
}

/// A request of which somebody may be reminded.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct UnansweredRow {
    /// The request's row, to go on from.
    pub id: i64,
    /// The hash of the subscriber's address.
    pub address_hash: String,
    /// When it was asked for.
    pub asked_at: UtcMillis,
}

queries! {
    PUT_REQUEST = {
        "insert into join_requests (subscriber_id, asked_at, choice, name, locale) values ($1, $2, $3, $4, $5)
         on conflict (subscriber_id, asked_at) do update
            set choice = excluded.choice, name = excluded.name, locale = excluded.locale"
    };
    REQUEST = {
        "select subscriber_id, asked_at, choice, name, locale, reminded_at from join_requests
         where subscriber_id = $1 and asked_at = $2"
    };
    REQUESTS_BETWEEN = {
        "select subscriber_id, asked_at, choice, name, locale, reminded_at from join_requests
         where subscriber_id between $1 and $2 order by subscriber_id, asked_at"
    };
    // A list of rows is bound in its own way on each.
    ADD_REQUESTS = {
        sqlite "insert into join_requests (subscriber_id, asked_at, choice, name, locale, reminded_at)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from json_each($1)
            where true on conflict (subscriber_id, asked_at) do nothing"
        postgres "insert into join_requests (subscriber_id, asked_at, choice, name, locale, reminded_at)
            select (value ->> 0)::bigint, (value ->> 1)::bigint, value ->> 2, value ->> 3, value ->> 4, (value ->> 5)::bigint
            from jsonb_array_elements($1::jsonb) as e (value)
            on conflict (subscriber_id, asked_at) do nothing"
    };
    // A list of keys is bound in its own way on each.
    DROP_REQUESTS_OF = {
        sqlite "delete from join_requests where subscriber_id in (select value from json_each($1))"
        postgres "delete from join_requests
            where subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
    DROP_REQUESTS = { "delete from join_requests where subscriber_id = $1" };
    // The reminder of somebody who may still be asked again is remembered.
    PRUNE_REQUESTS = {
        "delete from join_requests where asked_at <= $1 and (reminded_at is null or exists (
             select 1 from subscribers s where s.id = join_requests.subscriber_id and s.state <> 'pending'))"
    };
    // The newest request of each who has never confirmed, left, bounced, complained or been suppressed; none where any
    // reminder has gone out.
    UNANSWERED = {
        "select r.id, s.address_hash, r.asked_at from join_requests r join subscribers s on s.id = r.subscriber_id
         where r.asked_at > $1 and r.asked_at <= $2 and s.state = 'pending' and r.id > $3
           and not exists (select 1 from join_requests o where o.subscriber_id = r.subscriber_id
                           and (o.asked_at > r.asked_at or o.reminded_at is not null))
           and not exists (select 1 from suppressions x where x.address_hash = s.address_hash)
         order by r.id limit $4"
    };
    MARK_REMINDED = {
        "update join_requests set reminded_at = $3 where subscriber_id = $1 and asked_at = $2
         and not exists (select 1 from join_requests o where o.subscriber_id = $1
                         and (o.asked_at > $2 or o.reminded_at is not null))"
    };
}

impl Session {
    /// Notes a request.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_join_request(&mut self, row: &JoinRequestRow) -> Result<(), StoreError> {
        execute!(self, PUT_REQUEST, row.subscriber_id, row.asked_at, &row.choice, &row.name, &row.locale).map(|_| ())
    }

    /// The request of that moment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn join_request(
        &mut self,
        subscriber: i64,
        asked_at: UtcMillis,
    ) -> Result<Option<JoinRequestRow>, StoreError> {
        fetch_optional!(self, REQUEST as JoinRequestRow, subscriber, asked_at)
    }

    /// The requests of the subscribers with those row ids, both ends included, oldest first for each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn join_requests_between(&mut self, first: i64, last: i64) -> Result<Vec<JoinRequestRow>, StoreError> {
        fetch_all!(self, REQUESTS_BETWEEN as JoinRequestRow, first, last)
    }

    /// Notes many requests at once, with when they were reminded of.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_join_requests(&mut self, rows: &[JoinRequestRow]) -> Result<(), StoreError> {
        let rows = json(rows.iter().map(|row| {
            let reminded_at = row.reminded_at.map(|at| at.0);
            (row.subscriber_id, row.asked_at.0, &row.choice, &row.name, &row.locale, reminded_at)
        }));
        execute!(self, ADD_REQUESTS, &rows).map(|_| ())
    }

    /// Forgets all requests of a subscriber.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_join_requests(&mut self, subscriber: i64) -> Result<(), StoreError> {
        execute!(self, DROP_REQUESTS, subscriber).map(|_| ())
    }

    /// Forgets all requests of many subscribers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_join_requests_of(&mut self, subscribers: &[i64]) -> Result<(), StoreError> {
        if subscribers.is_empty() {
            return Ok(());
        }
        execute!(self, DROP_REQUESTS_OF, &json(subscribers)).map(|_| ())
    }

    /// Forgets the requests of that moment and before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune_join_requests(&mut self, until: UtcMillis) -> Result<u64, StoreError> {
        execute!(self, PRUNE_REQUESTS, until)
    }

    /// Who has not answered a request that was made after `after` and not after `until`, and has not been reminded: the
    /// next `limit` of them beyond the request's row `beyond`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unanswered(
        &mut self,
        after: UtcMillis,
        until: UtcMillis,
        beyond: i64,
        limit: i64,
    ) -> Result<Vec<UnansweredRow>, StoreError> {
        fetch_all!(self, UNANSWERED as UnansweredRow, after, until, beyond, limit)
    }

    /// Notes that the subscriber is reminded of that request; `false`: they were before, or it is not their newest.
    /// Whoever calls has locked the subscriber.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_reminded(
        &mut self,
        subscriber: i64,
        asked_at: UtcMillis,
        now: UtcMillis,
    ) -> Result<bool, StoreError> {
        Ok(execute!(self, MARK_REMINDED, subscriber, asked_at, now)? > 0)
    }
}
