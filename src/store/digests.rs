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
    // A hold that goes on keeps its beginning.
    HOLD_DIGEST = {
        "update digests set held_until = $3, held_since =
             case when held_since is not null and (held_until is null or held_until > $2) then held_since else $2 end
         where digest = $1"
    };
    RESUME_DIGEST = {
        "update digests set held_until = $2
         where digest = $1 and held_since is not null and (held_until is null or held_until > $2)"
    };
    HOLD = { "select held_since, held_until from digests where digest = $1 and held_since is not null" };
    LOCK_DIGEST = { "update digests set digest = digest where digest = $1" };
}

/// A time in which a digest has no issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Hold {
    /// From when on.
    #[sqlx(rename = "held_since")]
    pub since: UtcMillis,
    /// Until when; none: until somebody resumes it.
    #[sqlx(rename = "held_until")]
    pub until: Option<UtcMillis>,
}

impl Hold {
    /// Whether what is due at that moment falls into it.
    pub fn covers(&self, due: UtcMillis) -> bool {
        due >= self.since && self.until.is_none_or(|until| due < until)
    }
}

impl Session {
    /// Holds a digest that has been seen, from now on; one that is held already gets another end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_digest(&mut self, digest: &str, hold: Hold) -> Result<(), StoreError> {
        execute!(self, HOLD_DIGEST, digest, hold.since, hold.until)?;
        Ok(())
    }

    /// Ends the hold of a digest; says whether it was held. What was due within stays skipped.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume_digest(&mut self, digest: &str, now: UtcMillis) -> Result<bool, StoreError> {
        Ok(execute!(self, RESUME_DIGEST, digest, now)? > 0)
    }

    /// The latest hold of a digest, which may be over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold(&mut self, digest: &str) -> Result<Option<Hold>, StoreError> {
        fetch_optional!(self, HOLD as Hold, digest)
    }

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
