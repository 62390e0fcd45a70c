//! Subscribers and their subscriptions.

use super::query::{execute, fetch_all, fetch_one, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::{PublicId, SubscriberState, SubscriptionState, UtcMillis};

/// A person with one address.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SubscriberRow {
    /// The row.
    pub id: i64,
    /// What stands for it outside.
    pub public_id: PublicId,
    /// The address.
    pub email: String,
    /// Its keyed hash.
    pub address_hash: String,
    /// The name; may be empty.
    pub name: String,
    /// Where they stand.
    #[sqlx(try_from = "String")]
    pub state: SubscriberState,
    /// The language of their mails; none: the digest's.
    pub locale: Option<String>,
    /// When they were first heard of.
    pub created_at: UtcMillis,
    /// When the row last changed; of whoever left, bounced or complained, since when they have.
    pub updated_at: UtcMillis,
    /// When they last confirmed.
    pub confirmed_at: Option<UtcMillis>,
    /// When they last left everything, and not only some digests: what they asked for before that counts no more.
    pub left_all_at: Option<UtcMillis>,
}

/// A subscriber's choice for one digest.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SubscriptionRow {
    /// Whose it is.
    pub subscriber_id: i64,
    /// The digest.
    pub digest: String,
    /// Whether they want it.
    #[sqlx(try_from = "String")]
    pub state: SubscriptionState,
    /// `*`, or topic ids, sorted, with commas between.
    pub topics: String,
    /// Until when a paused one waits.
    pub paused_until: Option<UtcMillis>,
    /// Since when there is one.
    pub created_at: UtcMillis,
    /// When they left it.
    pub left_at: Option<UtcMillis>,
}

/// Reads subscribers, as [`SubscriberRow`] has them.
macro_rules! subscribers {
    ($which:literal) => {
        concat!(
            "select id, public_id, email, address_hash, name, state, locale, created_at, updated_at, confirmed_at,
                left_all_at
             from subscribers ",
            $which
        )
    };
}

queries! {
    SUBSCRIBER_BY_HASH = { subscribers!("where address_hash = $1") };
    SUBSCRIBER_BY_PUBLIC_ID = {
        subscribers!(
            "where public_id = $1
             union all
             select s.id, s.public_id, s.email, s.address_hash, s.name, s.state, s.locale, s.created_at, s.updated_at,
                s.confirmed_at, s.left_all_at
             from former_ids f join subscribers s on s.id = f.subscriber_id where f.public_id = $1"
        )
    };
    // On SQLite a writer is alone anyway.
    LOCK_SUBSCRIBER = {
        sqlite "select id from subscribers where id = $1"
        postgres "select id from subscribers where id = $1 for update"
    };
    // SQLite's one writer has locked everything by being it.
    LOCK_SUBSCRIBERS_AMONG = {
        sqlite "select 0 where $1 is null"
        postgres "select id from subscribers
            where address_hash in (select jsonb_array_elements_text($1::jsonb)) order by id for update"
    };
    // A list of keys is bound in its own way on each.
    SUBSCRIBERS_AMONG = {
        sqlite (subscribers!("where address_hash in (select value from json_each($1)) order by id"))
        postgres (subscribers!("where address_hash in (select jsonb_array_elements_text($1::jsonb)) order by id"))
    };
    SUBSCRIPTIONS_AMONG = {
        sqlite "select subscriber_id, digest, state, topics, paused_until, created_at, left_at from subscriptions
            where subscriber_id in (select value from json_each($1)) order by subscriber_id, id"
        postgres "select subscriber_id, digest, state, topics, paused_until, created_at, left_at from subscriptions
            where subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint) order by subscriber_id, id"
    };
    SUBSCRIBERS_AFTER = { subscribers!("where id > $1 order by id limit $2") };
    SUBSCRIPTIONS_BETWEEN = {
        "select subscriber_id, digest, state, topics, paused_until, created_at, left_at from subscriptions
         where subscriber_id between $1 and $2 order by subscriber_id, id"
    };
    ADD_SUBSCRIBER = {
        "insert into subscribers
            (public_id, email, address_hash, name, state, locale, created_at, updated_at, confirmed_at, left_all_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id"
    };
    UPDATE_SUBSCRIBER = {
        "update subscribers set name = $2, state = $3, locale = $4, updated_at = $5, confirmed_at = $6,
                left_all_at = $7
         where id = $1"
    };
    PUT_SUBSCRIPTION = {
        "insert into subscriptions (subscriber_id, digest, state, topics, paused_until, created_at, left_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (subscriber_id, digest) do update set state = excluded.state, topics = excluded.topics,
            paused_until = excluded.paused_until, left_at = excluded.left_at"
    };
    DROP_SUBSCRIPTION = { "delete from subscriptions where subscriber_id = $1 and digest = $2" };
}

impl Session {
    /// The subscriber whose address has that hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subscriber_by_hash(&mut self, address_hash: &str) -> Result<Option<SubscriberRow>, StoreError> {
        fetch_optional!(self, SUBSCRIBER_BY_HASH as SubscriberRow, address_hash)
    }

    /// The subscriber who has that public id, or had it before two became one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subscriber_by_public_id(&mut self, id: &PublicId) -> Result<Option<SubscriberRow>, StoreError> {
        fetch_optional!(self, SUBSCRIBER_BY_PUBLIC_ID as SubscriberRow, id)
    }

    /// Keeps other writers from this subscriber until the end of the transaction; says whether it is there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_subscriber(&mut self, id: i64) -> Result<bool, StoreError> {
        Ok(fetch_optional!(self, LOCK_SUBSCRIBER as (i64,), id)?.is_some())
    }

    /// Keeps other writers from those subscribers whose address has one of `hashes` until the end of the transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_subscribers_among(&mut self, hashes: &[&str]) -> Result<(), StoreError> {
        let hashes = serde_json::Value::from(hashes).to_string();
        fetch_all!(self, LOCK_SUBSCRIBERS_AMONG as (i64,), &hashes).map(|_| ())
    }

    /// Those subscribers whose address has one of `hashes`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subscribers_among(&mut self, hashes: &[&str]) -> Result<Vec<SubscriberRow>, StoreError> {
        let hashes = serde_json::Value::from(hashes).to_string();
        fetch_all!(self, SUBSCRIBERS_AMONG as SubscriberRow, &hashes)
    }

    /// The subscriptions of the subscribers with those row ids.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subscriptions_among(&mut self, subscribers: &[i64]) -> Result<Vec<SubscriptionRow>, StoreError> {
        let ids = serde_json::Value::from(subscribers).to_string();
        fetch_all!(self, SUBSCRIPTIONS_AMONG as SubscriptionRow, &ids)
    }

    /// The next `limit` subscribers after the row id `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subscribers_after(&mut self, after: i64, limit: i64) -> Result<Vec<SubscriberRow>, StoreError> {
        fetch_all!(self, SUBSCRIBERS_AFTER as SubscriberRow, after, limit)
    }

    /// The subscriptions of the subscribers with those row ids, both ends included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subscriptions_between(&mut self, first: i64, last: i64) -> Result<Vec<SubscriptionRow>, StoreError> {
        fetch_all!(self, SUBSCRIPTIONS_BETWEEN as SubscriptionRow, first, last)
    }

    /// Adds a subscriber and gives the row's id; the row's own `id` is not looked at.
    ///
    /// # Errors
    /// When the address is there already (a conflict), or the database fails.
    pub async fn add_subscriber(&mut self, row: &SubscriberRow) -> Result<i64, StoreError> {
        let added = fetch_one!(
            self,
            ADD_SUBSCRIBER as (i64,),
            &row.public_id,
            &row.email,
            &row.address_hash,
            &row.name,
            row.state.as_str(),
            &row.locale,
            row.created_at,
            row.updated_at,
            row.confirmed_at,
            row.left_all_at
        );
        Ok(added?.0)
    }

    /// Writes name, state, locale and times of a subscriber.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_subscriber(&mut self, row: &SubscriberRow) -> Result<(), StoreError> {
        execute!(
            self,
            UPDATE_SUBSCRIBER,
            row.id,
            &row.name,
            row.state.as_str(),
            &row.locale,
            row.updated_at,
            row.confirmed_at,
            row.left_all_at
        )
        .map(|_| ())
    }

    /// Adds or replaces a subscription; the time it was made at stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_subscription(&mut self, row: &SubscriptionRow) -> Result<(), StoreError> {
        execute!(
            self,
            PUT_SUBSCRIPTION,
            row.subscriber_id,
            &row.digest,
            row.state.as_str(),
            &row.topics,
            row.paused_until,
            row.created_at,
            row.left_at
        )
        .map(|_| ())
    }

    /// Forgets a subscription that was asked for and never confirmed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_subscription(&mut self, subscriber: i64, digest: &str) -> Result<(), StoreError> {
        execute!(self, DROP_SUBSCRIPTION, subscriber, digest).map(|_| ())
    }
}
