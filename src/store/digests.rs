//! What is known of each digest beside its configuration: since when its schedules count, and when it rests.

use super::query::{execute, fetch_all, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    ADD_DIGEST = { "insert into digests (digest) values ($1) on conflict (digest) do nothing" };
    SCHEDULES = { "select digest, schedule, since, seen_at from digest_schedules where digest = $1 order by schedule" };
    SCHEDULES_SEEN = {
        "select digest, schedule, since, seen_at from digest_schedules where seen_at between $1 and $2
         order by digest, since, schedule"
    };
    PUT_SCHEDULE = {
        "insert into digest_schedules (digest, schedule, since, seen_at) values ($1, $2, $3, $4)
         on conflict (digest, schedule) do update set since = excluded.since, seen_at = excluded.seen_at"
    };
    FORGET_SCHEDULE = { "delete from digest_schedules where digest = $1 and schedule = $2" };
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

/// A schedule that a digest has, or had lately, on some node.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SeenSchedule {
    /// The digest.
    pub digest: String,
    /// Its expression and zone.
    pub schedule: String,
    /// Since when.
    pub since: UtcMillis,
    /// When it was seen last; while it is the only one, that is not written down.
    pub seen_at: UtcMillis,
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
        due >= self.since && self.is_on(due)
    }

    /// Whether it is not over at that moment: a clock that has been set back since it began does not end it.
    pub fn is_on(&self, now: UtcMillis) -> bool {
        self.until.is_none_or(|until| now < until)
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

    /// Knows of a digest from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_digest(&mut self, digest: &str) -> Result<(), StoreError> {
        execute!(self, ADD_DIGEST, digest).map(|_| ())
    }

    /// The schedules that a digest has, or had lately.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedules(&mut self, digest: &str) -> Result<Vec<SeenSchedule>, StoreError> {
        fetch_all!(self, SCHEDULES as SeenSchedule, digest)
    }

    /// The schedules of all digests that were seen within that time, the oldest of each first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedules_seen(&mut self, from: UtcMillis, to: UtcMillis) -> Result<Vec<SeenSchedule>, StoreError> {
        fetch_all!(self, SCHEDULES_SEEN as SeenSchedule, from, to)
    }

    /// Writes down since when a digest has a schedule, and that it was seen now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_schedule(
        &mut self,
        digest: &str,
        schedule: &str,
        since: UtcMillis,
        now: UtcMillis,
    ) -> Result<(), StoreError> {
        execute!(self, PUT_SCHEDULE, digest, schedule, since, now).map(|_| ())
    }

    /// Forgets a schedule that a digest has no more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_schedule(&mut self, digest: &str, schedule: &str) -> Result<(), StoreError> {
        execute!(self, FORGET_SCHEDULE, digest, schedule).map(|_| ())
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
