//! Consent events: evidence that is only ever added to.

use serde::Serialize;

use super::query::{execute, fetch_all, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// What was asked or agreed, when, from where, in which wording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct ConsentRow {
    /// Whose it is.
    pub subscriber_id: i64,
    /// The address at that time.
    pub address: String,
    /// `asked`, `reminded`, `confirmed`, `chose`, `left`, `returned`, `profile`, `moved`, `imported`, `suppressed`,
    /// `unsuppressed`.
    pub event: String,
    /// The digest that it is about; none: all.
    pub digest: Option<String>,
    /// When.
    pub at: UtcMillis,
    /// Where it came from: a page, the command line, a file.
    pub source: String,
    /// `subscriber`, `operator` or `relay`.
    pub actor: String,
    /// The network address that it came from.
    pub network: Option<String>,
    /// What the program there calls itself.
    pub agent: Option<String>,
    /// What the person was shown.
    pub wording: Option<String>,
    /// What proves it: the operator's words, or the choice that was made.
    pub evidence: Option<String>,
}

queries! {
    ADD_CONSENT = {
        "insert into consent_events (subscriber_id, address, event, digest, at, source, actor, network, agent, wording, evidence)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    };
    // A list of rows is bound in its own way on each; the fields stand in the order of the columns.
    ADD_CONSENTS = {
        sqlite "insert into consent_events
                (subscriber_id, address, event, digest, at, source, actor, network, agent, wording, evidence)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7, value ->> 8, value ->> 9, value ->> 10
            from jsonb_each($1)"
        postgres "insert into consent_events
                (subscriber_id, address, event, digest, at, source, actor, network, agent, wording, evidence)
            select (value ->> 0)::bigint, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint, value ->> 5,
                value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10
            from jsonb_array_elements($1::jsonb) as e (value)"
    };
    // A few at a time, so that nobody who writes has to wait for it.
    FORGET_NETWORKS = {
        "update consent_events set network = null, agent = null where id in (
             select c.id from consent_events c where c.at < $1 and (c.network is not null or c.agent is not null)
             order by c.at limit $2)"
    };
    // A list of keys is bound in its own way on each.
    OWN_PROFILES_AMONG = {
        sqlite "select distinct subscriber_id from consent_events
            where event = 'profile' and actor = 'subscriber' and subscriber_id in (select value from json_each($1))"
        postgres "select distinct subscriber_id from consent_events
            where event = 'profile' and actor = 'subscriber'
              and subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
    // A list of keys is bound in its own way on each. What confirms a request says when it was asked.
    OWN_SIGN_UPS_AMONG = {
        sqlite "select distinct a.subscriber_id from consent_events a
            join consent_events c on c.subscriber_id = a.subscriber_id and c.event = 'confirmed' and c.actor = 'subscriber'
              and c.evidence like 'request ' || a.at || ' %'
            where a.event = 'asked' and a.actor = 'subscriber'
              and a.subscriber_id in (select value from json_each($1))"
        postgres "select distinct a.subscriber_id from consent_events a
            join consent_events c on c.subscriber_id = a.subscriber_id and c.event = 'confirmed' and c.actor = 'subscriber'
              and c.evidence like 'request ' || a.at || ' %'
            where a.event = 'asked' and a.actor = 'subscriber'
              and a.subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
    // A list of keys is bound in its own way on each. What they confirmed at another address says nothing of the present one.
    OWN_CONFIRMATIONS_AMONG = {
        sqlite "select c.subscriber_id, max(c.at) from consent_events c
            join subscribers s on s.id = c.subscriber_id and s.email = c.address
            where c.event in ('confirmed', 'moved') and c.actor = 'subscriber'
              and c.subscriber_id in (select value from json_each($1)) group by c.subscriber_id"
        postgres "select c.subscriber_id, max(c.at) from consent_events c
            join subscribers s on s.id = c.subscriber_id and s.email = c.address
            where c.event in ('confirmed', 'moved') and c.actor = 'subscriber'
              and c.subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint) group by c.subscriber_id"
    };
    // A list of keys is bound in its own way on each. Undoing a leaving is a yes too.
    OWN_AGREEMENTS_AMONG = {
        sqlite "select c.subscriber_id, c.digest, max(c.at) from consent_events c
            join subscribers s on s.id = c.subscriber_id and s.email = c.address
            where c.event in ('confirmed', 'returned') and c.actor = 'subscriber' and c.digest is not null
              and c.subscriber_id in (select value from json_each($1)) group by c.subscriber_id, c.digest"
        postgres "select c.subscriber_id, c.digest, max(c.at) from consent_events c
            join subscribers s on s.id = c.subscriber_id and s.email = c.address
            where c.event in ('confirmed', 'returned') and c.actor = 'subscriber' and c.digest is not null
              and c.subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)
            group by c.subscriber_id, c.digest"
    };
    CONSENT_SINCE = {
        "select subscriber_id, address, event, digest, at, source, actor, network, agent, wording, evidence
         from consent_events where subscriber_id = $1 and at > $2 order by at, id"
    };
    CONSENT_BETWEEN = {
        "select subscriber_id, address, event, digest, at, source, actor, network, agent, wording, evidence
         from consent_events where subscriber_id between $1 and $2 order by subscriber_id, id"
    };
}

impl Session {
    /// Adds an event.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_consent(&mut self, row: &ConsentRow) -> Result<(), StoreError> {
        execute!(
            self,
            ADD_CONSENT,
            row.subscriber_id,
            &row.address,
            &row.event,
            &row.digest,
            row.at,
            &row.source,
            &row.actor,
            &row.network,
            &row.agent,
            &row.wording,
            &row.evidence
        )
        .map(|_| ())
    }

    /// Adds many events at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_consents(&mut self, rows: &[ConsentRow]) -> Result<(), StoreError> {
        let rows = super::query::json(rows.iter().map(|row| {
            let (what, by) = ((&row.event, &row.digest, row.at.0), (&row.source, &row.actor));
            let (network, agent) = (&row.network, &row.agent);
            (
                row.subscriber_id,
                &row.address,
                what.0,
                what.1,
                what.2,
                by.0,
                by.1,
                network,
                agent,
                &row.wording,
                &row.evidence,
            )
        }));
        execute!(self, ADD_CONSENTS, &rows).map(|_| ())
    }

    /// Forgets where up to `limit` events from before that moment came from; the one change to what was written. Says how
    /// many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_networks(&mut self, before: UtcMillis, limit: i64) -> Result<u64, StoreError> {
        execute!(self, FORGET_NETWORKS, before, limit)
    }

    /// Those of the subscribers with these row ids who have set their name or language themselves.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn own_profiles_among(&mut self, subscribers: &[i64]) -> Result<Vec<i64>, StoreError> {
        let rows = fetch_all!(self, OWN_PROFILES_AMONG as (i64,), &super::query::json(subscribers))?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// Those of the subscribers with these row ids who have asked for mails themselves, and confirmed that request.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn own_sign_ups_among(&mut self, subscribers: &[i64]) -> Result<Vec<i64>, StoreError> {
        let rows = fetch_all!(self, OWN_SIGN_UPS_AMONG as (i64,), &super::query::json(subscribers))?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// When those of the subscribers with these row ids who have confirmed their present address themselves did so last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn own_confirmations_among(&mut self, subscribers: &[i64]) -> Result<Vec<(i64, UtcMillis)>, StoreError> {
        fetch_all!(self, OWN_CONFIRMATIONS_AMONG as (i64, UtcMillis), &super::query::json(subscribers))
    }

    /// When those of the subscribers with these row ids who have agreed to digests at their present address themselves did so
    /// last, for each digest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn own_agreements_among(
        &mut self,
        subscribers: &[i64],
    ) -> Result<Vec<(i64, String, UtcMillis)>, StoreError> {
        fetch_all!(self, OWN_AGREEMENTS_AMONG as (i64, String, UtcMillis), &super::query::json(subscribers))
    }

    /// The events of a subscriber after that moment, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consent_since(&mut self, subscriber: i64, since: UtcMillis) -> Result<Vec<ConsentRow>, StoreError> {
        fetch_all!(self, CONSENT_SINCE as ConsentRow, subscriber, since)
    }

    /// The events of the subscribers with those row ids, both ends included, oldest first for each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consent_between(&mut self, first: i64, last: i64) -> Result<Vec<ConsentRow>, StoreError> {
        fetch_all!(self, CONSENT_BETWEEN as ConsentRow, first, last)
    }
}
