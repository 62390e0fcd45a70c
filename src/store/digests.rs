//! What is known of each digest beside its configuration: since when its schedule counts.

use super::query::{execute, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    SEE_DIGEST = {
        "insert into digests (digest, schedule, schedule_since) values ($1, $2, $3)
         on conflict (digest) do update set schedule = excluded.schedule, schedule_since = excluded.schedule_since
         where digests.schedule <> excluded.schedule"
    };
    SCHEDULE_SINCE = { "select schedule_since from digests where digest = $1 and schedule = $2" };
    LOCK_DIGEST = { "update digests set digest = digest where digest = $1" };
}

impl Session {
    /// Records that the digest has this schedule from now on, unless it has it already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn see_digest(&mut self, digest: &str, schedule: &str, now: UtcMillis) -> Result<(), StoreError> {
        execute!(self, SEE_DIGEST, digest, schedule, now)?;
        Ok(())
    }

    /// Since when the digest has had this schedule: no period before it is caught up. `None`: it has not been seen with it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedule_since(&mut self, digest: &str, schedule: &str) -> Result<Option<UtcMillis>, StoreError> {
        Ok(fetch_optional!(self, SCHEDULE_SINCE as (UtcMillis,), digest, schedule)?.map(|row| row.0))
    }

    /// Makes other writers of this digest's issues wait until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_digest(&mut self, digest: &str) -> Result<(), StoreError> {
        execute!(self, LOCK_DIGEST, digest)?;
        Ok(())
    }
}
