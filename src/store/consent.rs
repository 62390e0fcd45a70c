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
    /// `asked`, `reminded`, `confirmed`, `chose`, `left`, `imported`.
    pub event: String,
    /// The digest that it is about; none: all.
    pub digest: Option<String>,
    /// When.
    pub at: UtcMillis,
    /// Where it came from: a page, the command line, a file.
    pub source: String,
    /// `subscriber` or `operator`.
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
    // A list of rows is bound in its own way on each.
    ADD_CONSENTS = {
        sqlite "insert into consent_events (subscriber_id, address, event, digest, at, source, actor, network, agent, wording, evidence)
            select value ->> 'subscriber_id', value ->> 'address', value ->> 'event', value ->> 'digest',
                value ->> 'at', value ->> 'source', value ->> 'actor', value ->> 'network', value ->> 'agent', value ->> 'wording', value ->> 'evidence'
            from json_each($1)"
        postgres "insert into consent_events (subscriber_id, address, event, digest, at, source, actor, network, agent, wording, evidence)
            select (value ->> 'subscriber_id')::bigint, value ->> 'address', value ->> 'event', value ->> 'digest',
                (value ->> 'at')::bigint, value ->> 'source', value ->> 'actor', value ->> 'network', value ->> 'agent', value ->> 'wording', value ->> 'evidence'
            from jsonb_array_elements($1::jsonb) as e (value)"
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
        let rows = serde_json::Value::from_iter(rows.iter().map(as_json)).to_string();
        execute!(self, ADD_CONSENTS, &rows).map(|_| ())
    }

    /// The events of the subscribers with those row ids, both ends included, oldest first for each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consent_between(&mut self, first: i64, last: i64) -> Result<Vec<ConsentRow>, StoreError> {
        fetch_all!(self, CONSENT_BETWEEN as ConsentRow, first, last)
    }
}

/// The columns as they are, times as numbers.
fn as_json(row: &ConsentRow) -> serde_json::Value {
    serde_json::json!({
        "subscriber_id": row.subscriber_id, "address": row.address, "event": row.event, "digest": row.digest,
        "at": row.at.0, "source": row.source, "actor": row.actor, "network": row.network, "agent": row.agent, "wording": row.wording, "evidence": row.evidence,
    })
}
