//! Keyed hashes of addresses that must not be mailed.

use super::query::{execute, fetch_all, fetch_optional, json, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// An address that must not be mailed, as its hash.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SuppressionRow {
    /// The keyed hash of the address.
    pub address_hash: String,
    /// `erased`, `bounced`, `complaint` or `manual`.
    pub reason: String,
    /// What the operator or the bounce said.
    pub note: String,
    /// Since when.
    pub created_at: UtcMillis,
}

/// A suppression as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SuppressedRow {
    /// The row.
    pub id: i64,
    /// The keyed hash of the address.
    pub address_hash: String,
    /// `erased`, `bounced`, `complaint` or `manual`.
    pub reason: String,
    /// What the operator or the bounce said.
    pub note: String,
    /// Since when.
    pub created_at: UtcMillis,
    /// The address, where a subscriber has it.
    pub email: Option<String>,
}

queries! {
    SUPPRESSION = { "select address_hash, reason, note, created_at from suppressions where address_hash = $1" };
    // A list of keys is bound in its own way on each.
    SUPPRESSIONS_AMONG = {
        sqlite "select address_hash, reason, note, created_at from suppressions
            where address_hash in (select value from json_each($1))"
        postgres "select address_hash, reason, note, created_at from suppressions
            where address_hash in (select jsonb_array_elements_text($1::jsonb))"
    };
    // What only an owner lifts gives way to nothing that a confirmation lifts, whoever comes first of two at once.
    SUPPRESS = {
        "insert into suppressions (address_hash, reason, note, created_at) values ($1, $2, $3, $4)
         on conflict (address_hash) do update
            set reason = excluded.reason, note = excluded.note, created_at = excluded.created_at
            where suppressions.reason not in ('complaint', 'manual') or excluded.reason in ('manual', suppressions.reason)"
    };
    SUPPRESSIONS_AFTER = {
        "select x.id, x.address_hash, x.reason, x.note, x.created_at, s.email
         from suppressions x left join subscribers s on s.address_hash = x.address_hash
         where x.id > $1 order by x.id limit $2"
    };
    // A list of rows is bound in its own way on each.
    SUPPRESS_MANY = {
        sqlite "insert into suppressions (address_hash, reason, note, created_at)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each($1) where true
            on conflict (address_hash) do update
                set reason = excluded.reason, note = excluded.note, created_at = excluded.created_at
                where suppressions.reason not in ('complaint', 'manual') or excluded.reason in ('manual', suppressions.reason)"
        postgres "insert into suppressions (address_hash, reason, note, created_at)
            select value ->> 0, value ->> 1, value ->> 2, (value ->> 3)::bigint
            from jsonb_array_elements($1::jsonb) as e (value)
            on conflict (address_hash) do update
                set reason = excluded.reason, note = excluded.note, created_at = excluded.created_at
                where suppressions.reason not in ('complaint', 'manual') or excluded.reason in ('manual', suppressions.reason)"
    };
    BLANK_SUPPRESSION = { "update suppressions set note = '' where address_hash = $1" };
    // Everything that is on its way to somebody: no kind of mail is spared.
    CANCEL_ALL_OF = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $2"
        where sqlite "state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') and subscriber_id in
                (select s.id from subscribers s where s.address_hash in (select value from json_each($1)))"
        postgres "state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') and subscriber_id in
                (select s.id from subscribers s
                 where s.address_hash in (select jsonb_array_elements_text($1::jsonb)))"
    };
    // What goes to an address that is not, or not yet, that of its subscriber; issues go to subscribers alone.
    CANCEL_ALL_TO = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $2"
        where sqlite "state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') and issue_id is null
              and (address_hash in (select value from json_each($3))
                   or lower(address) in (select value from json_each($1)))"
        postgres "state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') and issue_id is null
              and (address_hash in (select jsonb_array_elements_text($3::jsonb))
                   or lower(address) in (select jsonb_array_elements_text($1::jsonb)))"
    };
    // What may not be started now, of what may be about to be.
    RECALL_UNWANTED_OF = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $2"
        where sqlite "state in ('queued', 'claimed') and subscriber_id in
                (select s.id from subscribers s where s.address_hash in (select value from json_each($1)))
              and not exists (select 1 from startable x where x.id = deliveries.id and x.since <= $2)"
        postgres "state in ('queued', 'claimed') and subscriber_id in
                (select s.id from subscribers s
                 where s.address_hash in (select jsonb_array_elements_text($1::jsonb)))
              and not exists (select 1 from startable x where x.id = deliveries.id and x.since <= $2)"
    };
    RECALL_UNWANTED_TO = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $2"
        where sqlite "state in ('queued', 'claimed') and issue_id is null
              and address_hash in (select value from json_each($1))
              and not exists (select 1 from startable x where x.id = deliveries.id and x.since <= $2)"
        postgres "state in ('queued', 'claimed') and issue_id is null
              and address_hash in (select jsonb_array_elements_text($1::jsonb))
              and not exists (select 1 from startable x where x.id = deliveries.id and x.since <= $2)"
    };
    UNSUPPRESS = { "delete from suppressions where address_hash = $1" };
}

impl Session {
    /// Whether, and why, an address must not be mailed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppression(&mut self, address_hash: &str) -> Result<Option<SuppressionRow>, StoreError> {
        fetch_optional!(self, SUPPRESSION as SuppressionRow, address_hash)
    }

    /// Those of `hashes` that are suppressed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppressions_among(&mut self, hashes: &[&str]) -> Result<Vec<SuppressionRow>, StoreError> {
        let hashes = serde_json::Value::from(hashes).to_string();
        fetch_all!(self, SUPPRESSIONS_AMONG as SuppressionRow, &hashes)
    }

    /// Suppresses an address; the newest reason stands, but that a complaint gives way only to an operator's word, and
    /// that to nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppress(&mut self, row: &SuppressionRow) -> Result<(), StoreError> {
        execute!(self, SUPPRESS, &row.address_hash, &row.reason, &row.note, row.created_at).map(|_| ())
    }

    /// Suppresses many addresses, as [`Session::suppress`] does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppress_many(&mut self, rows: &[SuppressionRow]) -> Result<(), StoreError> {
        let rows = json(rows.iter().map(|row| (&row.address_hash, &row.reason, &row.note, row.created_at.0)));
        execute!(self, SUPPRESS_MANY, &rows).map(|_| ())
    }

    /// Forgets what was noted with a suppression.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn blank_suppression(&mut self, address_hash: &str) -> Result<(), StoreError> {
        execute!(self, BLANK_SUPPRESSION, address_hash).map(|_| ())
    }

    /// The next `limit` suppressions after the row id `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppressions_after(&mut self, after: i64, limit: i64) -> Result<Vec<SuppressedRow>, StoreError> {
        fetch_all!(self, SUPPRESSIONS_AFTER as SuppressedRow, after, limit)
    }

    /// Stops everything that has not gone out to the subscribers with those hashes, and to those addresses, given in
    /// small letters. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_everything(
        &mut self,
        hashes: &[&str],
        addresses: &[&str],
        now: UtcMillis,
    ) -> Result<u64, StoreError> {
        let hashes = json(hashes);
        let stopped = execute!(self, CANCEL_ALL_OF, &hashes, now)?;
        Ok(stopped + execute!(self, CANCEL_ALL_TO, &json(addresses), now, &hashes)?)
    }

    /// Cancels what may not be started at that moment of all that goes to those subscribers and addresses, in a transaction
    /// after the one that said so: a start that looked at them before is over then, or finds its claim gone. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recall_unwanted(&mut self, hashes: &[&str], at: UtcMillis) -> Result<u64, StoreError> {
        let hashes = json(hashes);
        let recalled = execute!(self, RECALL_UNWANTED_OF, &hashes, at)?;
        Ok(recalled + execute!(self, RECALL_UNWANTED_TO, &hashes, at)?)
    }

    /// Lifts a suppression; says whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unsuppress(&mut self, address_hash: &str) -> Result<bool, StoreError> {
        Ok(execute!(self, UNSUPPRESS, address_hash)? > 0)
    }
}
