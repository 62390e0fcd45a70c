//! Keyed hashes of addresses that must not be mailed.

use super::query::{execute, fetch_all, fetch_optional, queries};
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

queries! {
    SUPPRESSION = { "select address_hash, reason, note, created_at from suppressions where address_hash = $1" };
    // A list of keys is bound in its own way on each.
    SUPPRESSIONS_AMONG = {
        sqlite "select address_hash, reason, note, created_at from suppressions
            where address_hash in (select value from json_each($1))"
        postgres "select address_hash, reason, note, created_at from suppressions
            where address_hash in (select jsonb_array_elements_text($1::jsonb))"
    };
    SUPPRESS = {
        "insert into suppressions (address_hash, reason, note, created_at) values ($1, $2, $3, $4)
         on conflict (address_hash) do update
            set reason = excluded.reason, note = excluded.note, created_at = excluded.created_at"
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

    /// Suppresses an address; the newest reason stands.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppress(&mut self, row: &SuppressionRow) -> Result<(), StoreError> {
        execute!(self, SUPPRESS, &row.address_hash, &row.reason, &row.note, row.created_at).map(|_| ())
    }

    /// Lifts a suppression; says whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unsuppress(&mut self, address_hash: &str) -> Result<bool, StoreError> {
        Ok(execute!(self, UNSUPPRESS, address_hash)? > 0)
    }
}
