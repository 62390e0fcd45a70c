//! Writes many subscribers at once, as an import does.

use super::query::{execute, fetch_all, json, queries};
use super::{Session, StoreError, SubscriberRow, SubscriptionRow};
use crate::domain::{PublicId, UtcMillis};

queries! {
    // A list of rows is bound in its own way on each; the fields stand in the order of the columns. `jsonb_each` spares
    // SQLite to write each row as text and to read that again.
    ADD_SUBSCRIBERS = {
        sqlite "insert into subscribers
                (public_id, email, address_hash, name, state, locale, created_at, updated_at, confirmed_at,
                 left_all_at)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7, value ->> 8, value ->> 9
            from jsonb_each($1)
            returning id, public_id"
        postgres "insert into subscribers
                (public_id, email, address_hash, name, state, locale, created_at, updated_at, confirmed_at,
                 left_all_at)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                (value ->> 6)::bigint, (value ->> 7)::bigint, (value ->> 8)::bigint,
                (value ->> 9)::bigint
            from jsonb_array_elements($1::jsonb) as e (value)
            returning id, public_id"
    };
    UPDATE_SUBSCRIBERS = {
        sqlite "update subscribers set name = e.name, state = e.state, locale = e.locale, updated_at = e.updated_at,
                confirmed_at = e.confirmed_at, left_all_at = e.left_all_at
            from (select value ->> 0 as id, value ->> 1 as name, value ->> 2 as state, value ->> 3 as locale,
                    value ->> 4 as updated_at, value ->> 5 as confirmed_at,
                    value ->> 6 as left_all_at from json_each($1)) e
            where subscribers.id = e.id"
        postgres "update subscribers set name = e.value ->> 1, state = e.value ->> 2, locale = e.value ->> 3,
                updated_at = (e.value ->> 4)::bigint, confirmed_at = (e.value ->> 5)::bigint,
                left_all_at = (e.value ->> 6)::bigint
            from jsonb_array_elements($1::jsonb) as e (value)
            where subscribers.id = (e.value ->> 0)::bigint"
    };
    ADD_SUBSCRIPTIONS = {
        sqlite "insert into subscriptions (subscriber_id, digest, state, topics, paused_until, created_at, left_at)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
            from jsonb_each($1)"
        postgres "insert into subscriptions (subscriber_id, digest, state, topics, paused_until, created_at, left_at)
            select (value ->> 0)::bigint, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint,
                (value ->> 5)::bigint, (value ->> 6)::bigint
            from jsonb_array_elements($1::jsonb) as e (value)"
    };
    PUT_SUBSCRIPTIONS = {
        sqlite "insert into subscriptions (subscriber_id, digest, state, topics, paused_until, created_at, left_at)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
            from json_each($1) where true
            on conflict (subscriber_id, digest) do update set state = excluded.state, topics = excluded.topics,
                paused_until = excluded.paused_until, left_at = excluded.left_at"
        postgres "insert into subscriptions (subscriber_id, digest, state, topics, paused_until, created_at, left_at)
            select (value ->> 0)::bigint, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint,
                (value ->> 5)::bigint, (value ->> 6)::bigint
            from jsonb_array_elements($1::jsonb) as e (value)
            on conflict (subscriber_id, digest) do update set state = excluded.state, topics = excluded.topics,
                paused_until = excluded.paused_until, left_at = excluded.left_at"
    };
    DROP_SUBSCRIPTIONS = {
        sqlite "delete from subscriptions where (subscriber_id, digest) in
            (select value ->> 0, value ->> 1 from json_each($1))"
        postgres "delete from subscriptions where (subscriber_id, digest) in
            (select (value ->> 0)::bigint, value ->> 1 from jsonb_array_elements($1::jsonb) as e (value))"
    };
    // An id that somebody had before two became one is theirs as well.
    PUBLIC_IDS_AMONG = {
        sqlite "select public_id from subscribers where public_id in (select value from json_each($1))
            union all select public_id from former_ids where public_id in (select value from json_each($1))"
        postgres "select public_id from subscribers where public_id in (select jsonb_array_elements_text($1::jsonb))
            union all select public_id from former_ids where public_id in (select jsonb_array_elements_text($1::jsonb))"
    };
    ADD_FORMER_IDS = {
        sqlite "insert into former_ids (public_id, subscriber_id)
            select value ->> 0, value ->> 1 from json_each($1)"
        postgres "insert into former_ids (public_id, subscriber_id)
            select value ->> 0, (value ->> 1)::bigint from jsonb_array_elements($1::jsonb) as e (value)"
    };
    FORMER_IDS_BETWEEN = {
        "select subscriber_id, public_id from former_ids where subscriber_id between $1 and $2
         order by subscriber_id, public_id"
    };
    CANCEL_OPEN_OF = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $2"
        where sqlite "state in ('queued', 'claimed', 'held', 'deferred', 'uncertain')
              and (kind in ('digest', 'welcome') or $3 = 0 and kind not in ('confirmation', 'manage', 'address', 'moved'))
              and subscriber_id in (select value ->> 0 from json_each($1))
              and (subscriber_id, digest) in (select value ->> 0, value ->> 1 from json_each($1))"
        postgres "state in ('queued', 'claimed', 'held', 'deferred', 'uncertain')
              and (kind in ('digest', 'welcome') or $3 = 0 and kind not in ('confirmation', 'manage', 'address', 'moved'))
              and (subscriber_id, digest) in
                (select (value ->> 0)::bigint, value ->> 1 from jsonb_array_elements($1::jsonb) as e (value))"
    };
}

impl Session {
    /// Adds many subscribers at once, and gives their row ids with their public ids, in any order.
    ///
    /// # Errors
    /// When an address is there already (a conflict), or the database fails.
    pub async fn add_subscribers<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r SubscriberRow>,
    ) -> Result<Vec<(i64, PublicId)>, StoreError> {
        let rows = json(rows.map(|row| {
            let confirmed_at = row.confirmed_at.map(|at| at.0);
            let (state, locale) = (row.state.as_str(), row.locale.as_deref());
            let times = (row.created_at.0, row.updated_at.0);
            (
                row.public_id.as_str(),
                &row.email,
                &row.address_hash,
                &row.name,
                state,
                locale,
                times.0,
                times.1,
                confirmed_at,
                row.left_all_at.map(|at| at.0),
            )
        }));
        fetch_all!(self, ADD_SUBSCRIBERS as (i64, PublicId), &rows)
    }

    /// Writes name, state, locale and times of many subscribers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_subscribers(&mut self, rows: &[SubscriberRow]) -> Result<(), StoreError> {
        let rows = json(rows.iter().map(|row| {
            let confirmed_at = row.confirmed_at.map(|at| at.0);
            let left_all_at = row.left_all_at.map(|at| at.0);
            (row.id, &row.name, row.state.as_str(), &row.locale, row.updated_at.0, confirmed_at, left_all_at)
        }));
        execute!(self, UPDATE_SUBSCRIBERS, &rows).map(|_| ())
    }

    /// Adds many subscriptions at once.
    ///
    /// # Errors
    /// When one is there already (a conflict), or the database fails.
    pub async fn add_subscriptions(&mut self, rows: &[SubscriptionRow]) -> Result<(), StoreError> {
        execute!(self, ADD_SUBSCRIPTIONS, &subscriptions(rows)).map(|_| ())
    }

    /// Adds or replaces many subscriptions; the times they were made at stay.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_subscriptions(&mut self, rows: &[SubscriptionRow]) -> Result<(), StoreError> {
        execute!(self, PUT_SUBSCRIPTIONS, &subscriptions(rows)).map(|_| ())
    }

    /// Forgets many subscriptions that were asked for and never confirmed: subscriber and digest of each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_subscriptions(&mut self, which: &[(i64, String)]) -> Result<(), StoreError> {
        execute!(self, DROP_SUBSCRIPTIONS, &json(which)).map(|_| ())
    }

    /// Stops the open deliveries of many, of whom each has left or `paused` a digest: subscriber and digest of each. What
    /// confirms is not stopped, nor what a pause does not keep away.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_deliveries_of(
        &mut self,
        which: &[(i64, String)],
        paused: bool,
        now: UtcMillis,
    ) -> Result<(), StoreError> {
        if which.is_empty() {
            return Ok(());
        }
        execute!(self, CANCEL_OPEN_OF, &json(which), now, i64::from(paused)).map(|_| ())
    }

    /// Adds ids under which subscribers were known before: each with the subscriber's row.
    ///
    /// # Errors
    /// When somebody has one (a conflict), or the database fails.
    pub async fn add_former_ids(&mut self, ids: &[(PublicId, i64)]) -> Result<(), StoreError> {
        let rows = json(ids.iter().map(|(id, subscriber)| (id.as_str(), subscriber)));
        execute!(self, ADD_FORMER_IDS, &rows).map(|_| ())
    }

    /// The ids under which the subscribers with those row ids were known before, both ends included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn former_ids_between(&mut self, first: i64, last: i64) -> Result<Vec<(i64, PublicId)>, StoreError> {
        fetch_all!(self, FORMER_IDS_BETWEEN as (i64, PublicId), first, last)
    }

    /// Those of `ids` that a subscriber has, or had before two became one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn public_ids_among(&mut self, ids: &[&str]) -> Result<Vec<PublicId>, StoreError> {
        let rows = fetch_all!(self, PUBLIC_IDS_AMONG as (PublicId,), &json(ids))?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}

fn subscriptions(rows: &[SubscriptionRow]) -> String {
    json(rows.iter().map(|row| {
        let (paused_until, left_at) = (row.paused_until.map(|at| at.0), row.left_at.map(|at| at.0));
        (row.subscriber_id, &row.digest, row.state.as_str(), &row.topics, paused_until, row.created_at.0, left_at)
    }))
}
