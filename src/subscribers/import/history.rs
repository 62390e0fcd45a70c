//! What our own export keeps beside a person's present state: suppression and all events of consent.

use serde::{Deserialize, Serialize};

use super::values::{moment, shown};
use crate::domain::UtcMillis;
use crate::store::{ConsentRow, SuppressionRow};
use crate::subscribers::SuppressionReason;

/// Most events of one person that are read.
const MOST_EVENTS: usize = 10_000;

/// A suppression as one field: `manual 2026-11-23T08:00:00Z asked by phone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) reason: SuppressionReason,
    pub(super) since: UtcMillis,
    pub(super) note: String,
}

impl Mark {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is no suppression; one looks like `manual 2026-11-23T08:00:00Z by phone`", shown(text));
        let mut words = text.splitn(3, ' ');
        let reason = words.next().unwrap_or_default();
        let known = SuppressionReason::parse(reason);
        if known.as_str() != reason {
            return Err(wrong());
        }
        let since = words.next().ok_or_else(wrong).and_then(moment)?;
        Ok(Self { reason: known, since, note: super::values::cut(words.next().unwrap_or_default()) })
    }
}

/// Writes what [`Mark::read`] reads.
pub(in crate::subscribers) fn write_mark(row: &SuppressionRow) -> String {
    format!("{} {} {}", row.reason, exact(row.created_at), super::values::cut(&row.note)).trim_end().to_owned()
}

/// An event of consent, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    event: String,
    at: String,
    address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    source: String,
    actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wording: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
}

impl Event {
    /// The event as the store has it, of that person.
    pub(super) fn row(&self, subscriber_id: i64) -> ConsentRow {
        ConsentRow {
            subscriber_id,
            address: self.address.clone(),
            event: self.event.clone(),
            digest: self.digest.clone(),
            at: moment(&self.at).unwrap_or(UtcMillis(0)),
            source: self.source.clone(),
            actor: self.actor.clone(),
            network: self.network.clone(),
            agent: self.agent.clone(),
            wording: self.wording.clone(),
            evidence: self.evidence.clone(),
        }
    }
}

/// Reads the events of a person.
pub(super) fn read(text: &str) -> Result<Vec<Event>, String> {
    let wrong = || {
        "the column `consent` is not what our own export writes; call it otherwise, or put the proof into `evidence`"
            .to_owned()
    };
    let events: Vec<Event> = serde_json::from_str(text).map_err(|_| wrong())?;
    if events.len() > MOST_EVENTS || events.iter().any(|event| moment(&event.at).is_err()) {
        return Err(wrong());
    }
    // PostgreSQL has no NUL in its texts.
    if text.contains("\\u0000") { Err(wrong()) } else { Ok(events) }
}

/// Writes what [`read`] reads.
pub(in crate::subscribers) fn write_events(events: &[ConsentRow]) -> String {
    let event = |row: &ConsentRow| Event {
        event: row.event.clone(),
        at: exact(row.at),
        address: row.address.clone(),
        digest: row.digest.clone(),
        source: row.source.clone(),
        actor: row.actor.clone(),
        network: row.network.clone(),
        agent: row.agent.clone(),
        wording: row.wording.clone(),
        evidence: row.evidence.clone(),
    };
    let events: Vec<Event> = events.iter().map(event).collect();
    serde_json::to_string(&events).unwrap_or_default()
}

/// A moment to the millisecond.
pub(in crate::subscribers) fn exact(at: UtcMillis) -> String {
    at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
