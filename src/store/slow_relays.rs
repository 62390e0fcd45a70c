//! Relays that have asked for less speed: until when they rest, by the database's clock, and how they are treated then.

use std::time::Duration;

use super::query::{execute, fetch_all, fetch_one, queries};
use super::{Session, StoreError};

queries! {
    SLOW_RELAYS = {
        sqlite
        "select relay, rests_until, times, connections, words,
                rests_until - cast(unixepoch('subsec') * 1000 as integer) as rests from slow_relays"
        postgres
        "select relay, rests_until, times, connections, words,
                rests_until - cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as rests from slow_relays"
    };
    PUT_SLOW_RELAY = {
        sqlite
        "insert into slow_relays (relay, rests_until, times, connections, words)
         values ($1, cast(unixepoch('subsec') * 1000 as integer) + $2, $3, $4, $5)
         on conflict (relay) do update set rests_until = excluded.rests_until, times = excluded.times,
             connections = excluded.connections, words = excluded.words
         returning rests_until"
        postgres
        "insert into slow_relays (relay, rests_until, times, connections, words)
         values ($1, cast(extract(epoch from clock_timestamp()) * 1000 as bigint) + $2, $3, $4, $5)
         on conflict (relay) do update set rests_until = excluded.rests_until, times = excluded.times,
             connections = excluded.connections, words = excluded.words
         returning rests_until"
    };
    // By whoever knows of that rest: it may have asked another node for less since.
    GROW_SLOW_RELAY = { "update slow_relays set connections = $3 where relay = $1 and rests_until = $2" };
    DROP_SLOW_RELAY = { "delete from slow_relays where relay = $1 and rests_until = $2" };
    // What lies further ahead than anybody rests was written before the clock was set back.
    PRUNE_SLOW_RELAYS = {
        sqlite
        "delete from slow_relays where rests_until < cast(unixepoch('subsec') * 1000 as integer) - $1
             or rests_until > cast(unixepoch('subsec') * 1000 as integer) + $2"
        postgres
        "delete from slow_relays where rests_until < cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - $1
             or rests_until > cast(extract(epoch from clock_timestamp()) * 1000 as bigint) + $2"
    };
}

/// A relay that has asked for less speed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SlowRelay {
    /// Which.
    pub relay: String,
    /// Until when it rests; tells one rest from another.
    pub rests_until: i64,
    /// How often it has asked.
    pub times: i64,
    /// How many connections it has had since.
    pub connections: i64,
    /// Its words.
    pub words: String,
    /// For so many milliseconds more it rests; below zero: it has rested.
    pub rests: i64,
}

impl SlowRelay {
    /// For how long it still rests.
    pub fn rests(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.rests).unwrap_or_default())
    }
}

impl Session {
    /// The relays that have asked for less speed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slow_relays(&mut self) -> Result<Vec<SlowRelay>, StoreError> {
        fetch_all!(self, SLOW_RELAYS as SlowRelay)
    }

    /// Writes down that a relay has asked for less speed, and rests for so long from now on. Gives the row with the moment
    /// until when it does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_slow_relay(&mut self, row: SlowRelay) -> Result<SlowRelay, StoreError> {
        let SlowRelay { relay, rests, times, connections, words, .. } = &row;
        let (rests_until,) = fetch_one!(self, PUT_SLOW_RELAY as (i64,), relay, rests, times, connections, words)?;
        Ok(SlowRelay { rests_until, ..row })
    }

    /// Writes down how many connections a relay has after that rest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grow_slow_relay(&mut self, row: &SlowRelay) -> Result<(), StoreError> {
        execute!(self, GROW_SLOW_RELAY, &row.relay, row.rests_until, row.connections).map(|_| ())
    }

    /// Forgets that rest of a relay, which has all its connections again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_slow_relay(&mut self, row: &SlowRelay) -> Result<(), StoreError> {
        execute!(self, DROP_SLOW_RELAY, &row.relay, row.rests_until).map(|_| ())
    }

    /// Forgets rests that have been over for longer than `kept`, or would be longer than `longest`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune_slow_relays(&mut self, kept: Duration, longest: Duration) -> Result<(), StoreError> {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        execute!(self, PRUNE_SLOW_RELAYS, millis(kept), millis(longest)).map(|_| ())
    }
}
