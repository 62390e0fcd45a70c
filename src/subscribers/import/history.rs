//! What our own export keeps beside a person's present state: suppression, former addresses, events of consent, requests
//! that wait for an answer, and reasons for leaving.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::networks;
use super::values::{at_latest, moment, shown};
use crate::config::Retention;
use crate::domain::{EmailAddress, UtcMillis};
use crate::store::{Ask, ConsentRow, FormerAddressRow, GivenReasonRow, JoinRequestRow, ReasonRow, SuppressionRow};
use crate::subscribers::{Origin, SuppressionReason};

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
        let since = words.next().ok_or_else(wrong).and_then(at_latest)?;
        Ok(Self { reason: known, since, note: super::values::cut(words.next().unwrap_or_default()) })
    }
}

/// Writes what [`Mark::read`] reads.
pub(in crate::subscribers) fn write_mark(row: &SuppressionRow) -> String {
    format!("{} {} {}", row.reason, row.created_at.exact(), super::values::cut(&row.note)).trim_end().to_owned()
}

/// An address that somebody had before, and when they moved away from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Former {
    pub(super) address: EmailAddress,
    /// Filled in by whoever has the keys.
    pub(super) address_hash: String,
    moved_at: UtcMillis,
}

impl Former {
    /// As the store has it, of that person.
    pub(super) fn row(&self, subscriber_id: i64) -> FormerAddressRow {
        FormerAddressRow { address_hash: self.address_hash.clone(), subscriber_id, moved_at: self.moved_at }
    }
}

/// Reads former addresses: `ann@example.org 2026-11-23T08:00:00Z; ann@example.com 2026-12-24T08:00:00Z`.
pub(super) fn read_former(text: &str) -> Result<Vec<Former>, String> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let wrong = || {
                let part = shown(part);
                format!("`{part}` is no former address; one looks like `ann@example.org 2026-11-23T08:00:00Z`")
            };
            let (address, at) = part.split_once(' ').ok_or_else(wrong)?;
            let address = EmailAddress::parse(address).map_err(|_| wrong())?;
            Ok(Former { address, address_hash: String::new(), moved_at: moment(at.trim())? })
        })
        .collect()
}

/// Writes what [`read_former`] reads.
pub(in crate::subscribers) fn write_former(former: &[(String, UtcMillis)]) -> String {
    let one = |(address, at): &(String, UtcMillis)| format!("{address} {}", at.exact());
    former.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// That somebody is still to be asked to confirm: `2026-11-23T08:00:00Z import of people.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    due_at: UtcMillis,
    source: String,
}

impl Turn {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (due_at, source) = text.split_once(' ').unwrap_or((text, ""));
        Ok(Self { due_at: moment(due_at)?, source: super::values::cut(source) })
    }

    /// As the store has it, of that person: not before it was due, nor before `pace` lets it be.
    pub(super) fn row(&self, subscriber_id: i64, pace: UtcMillis) -> Ask {
        Ask { subscriber_id, due_at: self.due_at.max(pace), source: self.source.clone() }
    }
}

/// Writes what [`Turn::read`] reads.
pub(in crate::subscribers) fn write_turn(ask: &Ask) -> String {
    format!("{} {}", ask.due_at.exact(), super::values::cut(&ask.source)).trim_end().to_owned()
}

/// A moment in JSON, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment(UtcMillis);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.exact())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        moment(&String::deserialize(from)?).map(Self).map_err(D::Error::custom)
    }
}

/// An event of consent, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::subscribers) struct Event {
    event: String,
    at: Moment,
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

impl From<&ConsentRow> for Event {
    fn from(row: &ConsentRow) -> Self {
        Self {
            event: row.event.clone(),
            at: Moment(row.at),
            address: row.address.clone(),
            digest: row.digest.clone(),
            source: row.source.clone(),
            actor: row.actor.clone(),
            network: row.network.clone(),
            agent: row.agent.clone(),
            wording: row.wording.clone(),
            evidence: row.evidence.clone(),
        }
    }
}

impl Event {
    /// Forgets of network and program what is not to be kept from now on.
    pub(super) fn forget_network(&mut self, retention: &Retention, now: UtcMillis) {
        let network = self.network.take();
        self.network = network.as_ref().and_then(|network| networks::kept(network, self.at.0, retention, now));
        if networks::is_over(self.at.0, retention, now) || network.is_some() && self.network.is_none() {
            self.agent = None;
        }
    }

    /// When somebody confirmed that address with it themselves, if they did.
    pub(super) fn confirms(&self, address: &str) -> Option<UtcMillis> {
        let theirs = self.actor == Origin::PAGE.actor && self.address == address;
        (theirs && matches!(self.event.as_str(), "confirmed" | "moved")).then_some(self.at.0)
    }

    /// The digest that somebody has agreed to with it at that address themselves, if they did, and when.
    pub(super) fn agrees(&self, address: &str) -> Option<(String, UtcMillis)> {
        let theirs = self.actor == Origin::PAGE.actor && self.address == address;
        let digest = self.digest.clone().filter(|_| theirs && matches!(self.event.as_str(), "confirmed" | "returned"));
        Some((digest?, self.at.0))
    }

    /// Whether somebody has set their name or language with it themselves.
    pub(super) fn is_own_profile(&self) -> bool {
        self.actor == Origin::PAGE.actor && self.event == "profile"
    }

    /// When it happened.
    pub(super) fn at(&self) -> UtcMillis {
        self.at.0
    }

    /// The event as the store has it, of that person.
    pub(super) fn row(&self, subscriber_id: i64) -> ConsentRow {
        ConsentRow {
            subscriber_id,
            address: self.address.clone(),
            event: self.event.clone(),
            digest: self.digest.clone(),
            at: self.at.0,
            source: self.source.clone(),
            actor: self.actor.clone(),
            network: self.network.clone(),
            agent: self.agent.clone(),
            wording: self.wording.clone(),
            evidence: self.evidence.clone(),
        }
    }
}

/// A request that waits for its answer, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::subscribers) struct Request {
    asked_at: Moment,
    choice: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reminded_at: Option<Moment>,
}

impl From<&JoinRequestRow> for Request {
    fn from(row: &JoinRequestRow) -> Self {
        Self {
            asked_at: Moment(row.asked_at),
            choice: row.choice.clone(),
            name: row.name.clone(),
            locale: row.locale.clone(),
            reminded_at: row.reminded_at.map(Moment),
        }
    }
}

impl Request {
    /// The request as the store has it, of that person.
    pub(super) fn row(&self, subscriber_id: i64) -> JoinRequestRow {
        JoinRequestRow {
            subscriber_id,
            asked_at: self.asked_at.0,
            choice: self.choice.clone(),
            name: self.name.clone(),
            locale: self.locale.clone(),
            reminded_at: self.reminded_at.map(|at| at.0),
        }
    }
}

/// Why somebody left a digest, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::subscribers) struct Reason {
    digest: String,
    left_at: Moment,
    reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
}

impl From<&GivenReasonRow> for Reason {
    fn from(GivenReasonRow { reason: row, .. }: &GivenReasonRow) -> Self {
        Self {
            digest: row.digest.clone(),
            left_at: Moment(row.left_at),
            reason: row.reason.clone(),
            note: row.note.clone(),
        }
    }
}

impl Reason {
    /// The reason as the store has it, of that person.
    pub(super) fn row(&self, subscriber_id: i64) -> GivenReasonRow {
        let reason = ReasonRow {
            digest: self.digest.clone(),
            left_at: self.left_at.0,
            reason: self.reason.clone(),
            note: self.note.clone(),
        };
        GivenReasonRow { subscriber_id, reason }
    }
}

/// Reads what `column` holds of a person; nothing of an empty one.
pub(super) fn read<T: DeserializeOwned>(column: &str, text: &str) -> Result<Vec<T>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Option<Vec<T>> = serde_json::from_str(text).ok().filter(|_| !has_nul(text));
    rows.ok_or_else(|| {
        format!(
            "the column `{column}` is not what our own export writes; call it otherwise, and put what proves that the \
             person agreed into `evidence`"
        )
    })
}

/// Whether a text within some JSON has a NUL, which PostgreSQL has in no text.
fn has_nul(json: &str) -> bool {
    let mut rest = json;
    while let Some((_, after)) = rest.split_once('\\') {
        if after.starts_with("u0000") {
            return true;
        }
        // What follows a backslash may be one itself.
        rest = after.get(1..).unwrap_or_default();
    }
    false
}

/// Writes what [`read`] reads.
pub(in crate::subscribers) fn write<'r, R: 'r, T: Serialize + From<&'r R>>(rows: &'r [R]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<T> = rows.iter().map(T::from).collect();
    serde_json::to_string(&rows).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_seen_and_words_that_look_like_one_are_not() {
        let agent = |agent: &str| {
            let event = Event {
                event: "left".to_owned(),
                at: Moment(UtcMillis(1)),
                address: "a@example.org".to_owned(),
                digest: None,
                source: "page".to_owned(),
                actor: "subscriber".to_owned(),
                network: None,
                agent: Some(agent.to_owned()),
                wording: None,
                evidence: None,
            };
            read::<Event>("consent", &serde_json::to_string(&[event]).unwrap())
        };
        assert!(agent("\\u0000").is_ok() && agent("\\\\u0000\"").is_ok());
        assert!(agent("a\0b").unwrap_err().contains("column `consent`"));
    }
}
