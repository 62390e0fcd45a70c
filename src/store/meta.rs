//! Facts about the store itself, and whether it answers.

use super::query::{execute, fetch_all, fetch_one, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    META = { "select value from meta where name = $1" };
    META_BEGINNING_WITH = { "select name from meta where substr(name, 1, length(cast($1 as text))) = $1" };
    CLAIM_META = { "insert into meta (name, value) values ($1, $2) on conflict (name) do nothing" };
    NOTE_FORGOTTEN = {
        "insert into meta (name, value) values ('forgotten', '1')
         on conflict (name) do update set value = cast(cast(meta.value as bigint) + 1 as text)"
    };
    DROP_FORGOTTEN = { "delete from meta where name = 'forgotten' and value = $1" };
    // A row of its own, so that nobody waits for it.
    PROBE = {
        "insert into meta (name, value) values ('probe', $1) on conflict (name) do update set value = excluded.value"
    };
    // Whatever is committed and on disk, so is all that was committed before.
    SYNC = {
        "insert into meta (name, value) values ('syncs', '1')
         on conflict (name) do update set value = cast(cast(meta.value as bigint) + 1 as text)"
    };
    PING = { "select cast(1 as bigint)" };
}

impl Session {
    /// The fact of that name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn meta(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(fetch_optional!(self, META as (String,), name)?.map(|(value,)| value))
    }

    /// The names of the facts that begin so.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn meta_beginning_with(&mut self, beginning: &str) -> Result<Vec<String>, StoreError> {
        let names = fetch_all!(self, META_BEGINNING_WITH as (String,), beginning)?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// Writes down a fact unless it is there already; gives what is there then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_meta(&mut self, name: &str, value: &str) -> Result<String, StoreError> {
        execute!(self, CLAIM_META, name, value)?;
        Ok(fetch_one!(self, META as (String,), name)?.0)
    }

    /// Notes that somebody has been forgotten, of whom there may still be traces in files beside the tables.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_forgotten(&mut self) -> Result<(), StoreError> {
        execute!(self, NOTE_FORGOTTEN).map(|_| ())
    }

    /// Which forgetting has been noted last; none: there are no traces.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forgotten(&mut self) -> Result<Option<String>, StoreError> {
        self.meta("forgotten").await
    }

    /// Drops that note, unless there is a newer one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_forgotten(&mut self, noted: &str) -> Result<(), StoreError> {
        execute!(self, DROP_FORGOTTEN, noted).map(|_| ())
    }

    /// Writes something that nobody needs, to see whether anything can be written.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn probe(&mut self, now: UtcMillis) -> Result<(), StoreError> {
        execute!(self, PROBE, now.to_string())?;
        Ok(())
    }

    /// Changes a row that nobody needs: when that is on disk, so is everything before it.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn sync(&mut self) -> Result<(), StoreError> {
        execute!(self, SYNC)?;
        Ok(())
    }

    /// Asks for an answer, whatever it is.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ping(&mut self) -> Result<(), StoreError> {
        fetch_one!(self, PING as (i64,)).map(|_| ())
    }
}
