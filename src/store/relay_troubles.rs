//! Relays that do not work, for whoever asks how an issue goes: since when, why, and when they are tried next, by the database's
//! clock.

use std::time::Duration;

use super::query::{execute, fetch_all, queries};
use super::{Session, StoreError};

queries! {
    RELAY_TROUBLES = {
        sqlite
        "select relay, sender, words, cast(unixepoch('subsec') * 1000 as integer) - since as lasts,
                next_try - cast(unixepoch('subsec') * 1000 as integer) as rests from relay_troubles order by relay, sender"
        postgres
        "select relay, sender, words, cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - since as lasts,
                next_try - cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as rests from relay_troubles
         order by relay, sender"
    };
    // What is found while it rests is the trouble that it rests from, whoever found that.
    PUT_RELAY_TROUBLE = {
        sqlite
        "insert into relay_troubles (relay, sender, words, since, next_try)
         values ($1, $2, $3, cast(unixepoch('subsec') * 1000 as integer) - $4,
                 cast(unixepoch('subsec') * 1000 as integer) + $5)
         on conflict (relay, sender) do update set words = excluded.words, next_try = excluded.next_try,
             since = case when excluded.since between relay_troubles.since and relay_troubles.next_try
                          then relay_troubles.since else excluded.since end"
        postgres
        "insert into relay_troubles (relay, sender, words, since, next_try)
         values ($1, $2, $3, cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - $4,
                 cast(extract(epoch from clock_timestamp()) * 1000 as bigint) + $5)
         on conflict (relay, sender) do update set words = excluded.words, next_try = excluded.next_try,
             since = case when excluded.since between relay_troubles.since and relay_troubles.next_try
                          then relay_troubles.since else excluded.since end"
    };
    DROP_RELAY_TROUBLE = { "delete from relay_troubles where relay = $1 and sender = $2" };
    DROP_RELAY_TROUBLES = { "delete from relay_troubles where relay = $1" };
}

/// A relay that does not work.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RelayTrouble {
    /// Which.
    pub relay: String,
    /// The sender that it refuses while it takes mail from others; empty: it takes nothing.
    pub sender: String,
    /// Its words.
    pub words: String,
    /// For so many milliseconds it has lasted.
    pub lasts: i64,
    /// In so many milliseconds it is tried again; below zero: it is its turn.
    pub rests: i64,
}

impl RelayTrouble {
    /// For how long it has lasted.
    pub fn lasts(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.lasts).unwrap_or_default())
    }

    /// In how long it is tried again.
    pub fn rests(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.rests).unwrap_or_default())
    }
}

impl Session {
    /// The relays that do not work, as far as anybody has written it down.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn relay_troubles(&mut self) -> Result<Vec<RelayTrouble>, StoreError> {
        fetch_all!(self, RELAY_TROUBLES as RelayTrouble)
    }

    /// Writes down that a relay does not work.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_relay_trouble(&mut self, trouble: &RelayTrouble) -> Result<(), StoreError> {
        let RelayTrouble { relay, sender, words, lasts, rests } = trouble;
        execute!(self, PUT_RELAY_TROUBLE, relay, sender, words, lasts, rests).map(|_| ())
    }

    /// A relay works again, or for that sender.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_relay_trouble(&mut self, relay: &str, sender: &str) -> Result<(), StoreError> {
        execute!(self, DROP_RELAY_TROUBLE, relay, sender).map(|_| ())
    }

    /// Nothing is known of a relay any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_relay_troubles(&mut self, relay: &str) -> Result<(), StoreError> {
        execute!(self, DROP_RELAY_TROUBLES, relay).map(|_| ())
    }
}
