//! Forgets people who never confirmed, so that nothing is left that says who they were.

use super::query::{execute, fetch_all, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// Who has never confirmed, and has asked for nothing after `$1`. That an address is dead must not be
/// forgotten with whoever never confirmed there: so only where a suppression says it as well, or an operator has lifted it
/// since.
macro_rules! unconfirmed {
    () => {
        "(state = 'pending' or state = 'bounced' and confirmed_at is null)
           and (state = 'pending'
             or exists (select 1 from suppressions x where x.address_hash = subscribers.address_hash)
             or exists (select 1 from consent_events c where c.subscriber_id = subscribers.id
                 and c.event = 'unsuppressed' and c.at between subscribers.updated_at and $1))
           and not exists (select 1 from join_requests r where r.subscriber_id = subscribers.id and r.asked_at > $1)"
    };
}

/// The next of them. Whoever is still to be asked has not failed to answer.
macro_rules! next_unconfirmed {
    () => {
        concat!(
            "select id from subscribers where ",
            unconfirmed!(),
            " and created_at <= $1
              and not exists (select 1 from deliveries d where d.subscriber_id = subscribers.id and d.state = 'sending')
              and not exists (select 1 from asks a where a.subscriber_id = subscribers.id)
              order by id limit $2"
        )
    };
}

queries! {
    // Whom another process is busy with is left for the next time.
    LOCK_UNCONFIRMED = { sqlite (next_unconfirmed!()) postgres (next_unconfirmed!(), " for update skip locked") };
    // Looks again at what is locked: a request may have come in between.
    STILL_UNCONFIRMED = {
        sqlite ("select id from subscribers where id in (select value from json_each($2)) and ", unconfirmed!())
        postgres (
            "select id from subscribers where id in (select jsonb_array_elements_text($2::jsonb)::bigint) and ",
            unconfirmed!()
        )
    };
    // What is being sent this moment ends as it ends, and is nobody's.
    DETACH_DELIVERIES = {
        deliveries set "subscriber_id = null, address = '', address_hash = null, name = '', link = null, answer = null,
                    owner = case when state = 'sending' then owner end,
                    finished_at = case when state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') then $2 else finished_at end,
                    state = case when state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') then 'cancelled' else state end"
        where sqlite "subscriber_id in (select value from json_each($1))"
        postgres "subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
    // What went, or was to go, to an address that is not that of its subscriber: a link to a new one, a test. What is being
    // sent this moment ends as it ends.
    SCRUB_DELIVERIES_TO = {
        deliveries set "address = '', address_hash = null, name = '', link = null, answer = null,
             owner = case when state = 'sending' then owner end,
             finished_at = case when state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') then $3 else finished_at end,
             state = case when state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') then 'cancelled' else state end"
        where "issue_id is null and (address_hash = $1 or lower(address) = $2)"
    };
    // A bounce is noted in the words of the relay, which name the address.
    BLANK_SUPPRESSIONS = {
        sqlite "update suppressions set note = '' where note <> '' and address_hash in (
            select s.address_hash from subscribers s where s.id in (select value from json_each($1)))"
        postgres "update suppressions set note = '' where note <> '' and address_hash in (
            select s.address_hash from subscribers s where s.id in (select jsonb_array_elements_text($1::jsonb)::bigint))"
    };
    FORGET_CONSENT = {
        sqlite "delete from consent_events where subscriber_id in (select value from json_each($1))"
        postgres "delete from consent_events where subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
    FORGET_SUBSCRIPTIONS = {
        sqlite "delete from subscriptions where subscriber_id in (select value from json_each($1))"
        postgres "delete from subscriptions where subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
    FORGET_SUBSCRIBERS = {
        sqlite "delete from subscribers where id in (select value from json_each($1))"
        postgres "delete from subscribers where id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
}

impl Session {
    /// Locks some of those who were first heard of by `until`, have asked for nothing since and never confirmed: at most
    /// `limit`. Gives their row ids.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_unconfirmed(&mut self, until: UtcMillis, limit: i64) -> Result<Vec<i64>, StoreError> {
        let found = fetch_all!(self, LOCK_UNCONFIRMED as (i64,), until, limit)?;
        let ids = serde_json::Value::from_iter(found.into_iter().map(|(id,)| id)).to_string();
        Ok(fetch_all!(self, STILL_UNCONFIRMED as (i64,), until, &ids)?.into_iter().map(|(id,)| id).collect())
    }

    /// Takes an address out of all mails that are no issue's, whoever's they are: given as its hash, and in small letters.
    /// Their deliveries stay as numbers; what waits is cancelled. Says how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn scrub_deliveries_to(
        &mut self,
        address_hash: &str,
        address: &str,
        now: UtcMillis,
    ) -> Result<u64, StoreError> {
        execute!(self, SCRUB_DELIVERIES_TO, address_hash, address, now)
    }

    /// Forgets the subscribers of those row ids, which are locked: with their subscriptions, requests and consent
    /// events, and what was noted where their addresses are suppressed. Their deliveries stay as numbers, without an
    /// address; what waits is cancelled.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_subscribers(&mut self, subscribers: &[i64], now: UtcMillis) -> Result<u64, StoreError> {
        let ids = serde_json::Value::from(subscribers).to_string();
        execute!(self, DETACH_DELIVERIES, &ids, now)?;
        execute!(self, BLANK_SUPPRESSIONS, &ids)?;
        execute!(self, FORGET_CONSENT, &ids)?;
        execute!(self, FORGET_SUBSCRIPTIONS, &ids)?;
        self.note_forgotten().await?;
        // Their requests go with them.
        execute!(self, FORGET_SUBSCRIBERS, &ids)
    }
}
