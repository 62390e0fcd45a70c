//! Addresses that people had before the present one, as keyed hashes.

use super::query::{execute, fetch_all, json, queries};
use super::{Session, StoreError, SubscriberRow};
use crate::domain::UtcMillis;

/// An address that somebody had before.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct FormerAddressRow {
    /// The keyed hash of the address.
    pub address_hash: String,
    /// Whose it was.
    pub subscriber_id: i64,
    /// When they moved away from it.
    pub moved_at: UtcMillis,
}

/// Somebody who has another address by now.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MovedRow {
    /// The keyed hash of the address that they had.
    pub former_hash: String,
    /// The person.
    #[sqlx(flatten)]
    pub person: SubscriberRow,
}

queries! {
    PUT_FORMER_ADDRESS = {
        "insert into former_addresses (address_hash, subscriber_id, moved_at) values ($1, $2, $3)
         on conflict (address_hash) do update set subscriber_id = excluded.subscriber_id, moved_at = excluded.moved_at"
    };
    // A list of rows is bound in its own way on each. Whoever has confirmed such an address here keeps it.
    ADD_FORMER_ADDRESSES = {
        sqlite "insert into former_addresses (address_hash, subscriber_id, moved_at)
            select value ->> 0, value ->> 1, value ->> 2 from json_each($1)
            where not exists (select 1 from subscribers s where s.address_hash = value ->> 0 and s.state = 'confirmed')
            on conflict (address_hash) do nothing"
        postgres "insert into former_addresses (address_hash, subscriber_id, moved_at)
            select value ->> 0, (value ->> 1)::bigint, (value ->> 2)::bigint from jsonb_array_elements($1::jsonb) as e (value)
            where not exists (select 1 from subscribers s where s.address_hash = value ->> 0 and s.state = 'confirmed')
            on conflict (address_hash) do nothing"
    };
    HAND_OVER_FORMER_ADDRESSES = { "update former_addresses set subscriber_id = $2 where subscriber_id = $1" };
    DROP_FORMER_ADDRESS = { "delete from former_addresses where address_hash = $1" };
    FORMER_ADDRESSES_BETWEEN = {
        "select address_hash, subscriber_id, moved_at from former_addresses where subscriber_id between $1 and $2
         order by subscriber_id, moved_at, address_hash"
    };
    // A list of keys is bound in its own way on each. SQLite's one writer has locked everything by being it.
    LOCK_MOVED_AMONG = {
        sqlite "select 0 where $1 is null"
        postgres "select s.id from subscribers s where s.id in (select f.subscriber_id from former_addresses f
            where f.address_hash in (select jsonb_array_elements_text($1::jsonb))) order by s.id for update"
    };
    HAVE_MOVED_AMONG = {
        sqlite "select distinct subscriber_id from former_addresses
            where subscriber_id in (select value from json_each($1))"
        postgres "select distinct subscriber_id from former_addresses
            where subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
    MOVED_AMONG = {
        sqlite "select f.address_hash as former_hash, s.id, s.public_id, s.email, s.address_hash, s.name, s.state, s.locale,
                s.created_at, s.updated_at, s.confirmed_at, s.left_all_at
            from former_addresses f join subscribers s on s.id = f.subscriber_id
            where f.address_hash in (select value from json_each($1))"
        postgres "select f.address_hash as former_hash, s.id, s.public_id, s.email, s.address_hash, s.name, s.state, s.locale,
                s.created_at, s.updated_at, s.confirmed_at, s.left_all_at
            from former_addresses f join subscribers s on s.id = f.subscriber_id
            where f.address_hash in (select jsonb_array_elements_text($1::jsonb))"
    };
}

impl Session {
    /// Notes that somebody had an address before, whoever else had it before them.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn put_former_address(&mut self, row: &FormerAddressRow) -> Result<(), StoreError> {
        execute!(self, PUT_FORMER_ADDRESS, &row.address_hash, row.subscriber_id, row.moved_at).map(|_| ())
    }

    /// Notes many, but for addresses that somebody has confirmed as their own, or that are noted already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_former_addresses(&mut self, rows: &[FormerAddressRow]) -> Result<(), StoreError> {
        let rows = json(rows.iter().map(|row| (&row.address_hash, row.subscriber_id, row.moved_at.0)));
        execute!(self, ADD_FORMER_ADDRESSES, &rows).map(|_| ())
    }

    /// Gives the former addresses of one to another.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn hand_over_former_addresses(&mut self, from: i64, to: i64) -> Result<(), StoreError> {
        execute!(self, HAND_OVER_FORMER_ADDRESSES, from, to).map(|_| ())
    }

    /// Forgets that anybody had that address before: it is one of its own again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_former_address(&mut self, address_hash: &str) -> Result<(), StoreError> {
        execute!(self, DROP_FORMER_ADDRESS, address_hash).map(|_| ())
    }

    /// The former addresses of the subscribers with those row ids, both ends included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn former_addresses_between(
        &mut self,
        first: i64,
        last: i64,
    ) -> Result<Vec<FormerAddressRow>, StoreError> {
        fetch_all!(self, FORMER_ADDRESSES_BETWEEN as FormerAddressRow, first, last)
    }

    /// Keeps other writers from those who had one of these addresses before, until the end of the transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_moved_among(&mut self, hashes: &[&str]) -> Result<(), StoreError> {
        fetch_all!(self, LOCK_MOVED_AMONG as (i64,), &json(hashes)).map(|_| ())
    }

    /// Those who had one of these addresses before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn moved_among(&mut self, hashes: &[&str]) -> Result<Vec<MovedRow>, StoreError> {
        fetch_all!(self, MOVED_AMONG as MovedRow, &json(hashes))
    }

    /// Those of the subscribers with these row ids who had another address before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn have_moved_among(&mut self, subscribers: &[i64]) -> Result<Vec<i64>, StoreError> {
        let rows = fetch_all!(self, HAVE_MOVED_AMONG as (i64,), &json(subscribers))?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// Whoever had that address before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn moved_from(&mut self, address_hash: &str) -> Result<Option<SubscriberRow>, StoreError> {
        Ok(self.moved_among(&[address_hash]).await?.pop().map(|moved| moved.person))
    }
}
