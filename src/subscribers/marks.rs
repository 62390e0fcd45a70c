//! Suppresses addresses within a transaction, and notes it on those whose addresses they are, or were.

use std::collections::{HashMap, HashSet};

use super::import::suppressions::Entry;
use super::meant::is_theirs_alone;
use super::{Origin, Subscribers, SubscribersError, SuppressionReason, event};
use crate::domain::{SubscriberState, UtcMillis};
use crate::store::{Durability, Session, StoreError, SubscriberRow, SuppressionRow};

/// Suppresses the address of somebody as dead, and stops all that is on its way to it, in a transaction: a relay has said
/// so in these words.
///
/// # Errors
/// When the database fails.
pub async fn suppress_dead(
    session: &mut Session,
    person: &SubscriberRow,
    words: &str,
    now: UtcMillis,
) -> Result<(), StoreError> {
    let entry = Entry {
        hash: person.address_hash.clone(),
        address: Some(person.email.to_lowercase()),
        reason: None,
        note: super::import::cut(words),
        since: None,
    };
    suppress(session, &[entry], SuppressionReason::Bounced, Origin::RELAY, now).await.map(|_| ())
}

/// What suppressing some addresses did.
pub(super) struct Done {
    /// How many of them are new, or weigh more now.
    pub(super) changed: u64,
    /// How many mails were stopped.
    pub(super) stopped: u64,
    /// The addresses that whoever had one of them before has now, and that are suppressed with it.
    pub(super) moved_to: Vec<String>,
    /// The hashes of all of these addresses.
    pub(super) hashes: Vec<String>,
}

/// Suppresses addresses in a transaction.
pub(super) async fn suppress(
    session: &mut Session,
    entries: &[Entry],
    otherwise: SuppressionReason,
    origin: Origin<'_>,
    now: UtcMillis,
) -> Result<Done, StoreError> {
    let hashes: Vec<&str> = entries.iter().map(|entry| entry.hash.as_str()).collect();
    session.lock_subscribers_among(&hashes).await?;
    session.lock_moved_among(&hashes).await?;
    let owners = Owners::look_up(session, &hashes).await?;
    let marks: Vec<Mark<'_>> =
        entries.iter().flat_map(|entry| owners.marks(entry, entry.reason.unwrap_or(otherwise))).collect();
    let hashes: Vec<&str> = marks.iter().map(|mark| mark.hash).collect();
    let have = session.suppressions_among(&hashes).await?;
    let rows = heavier(&marks, &have, now);
    session.suppress_many(&rows).await?;
    let typed = entries.iter().filter_map(|entry| entry.address.clone());
    let addresses: Vec<String> = typed.chain(marks.iter().filter_map(Mark::moved_to).map(str::to_lowercase)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    // Also where it was suppressed before: nothing must be on its way.
    let stopped = session.cancel_everything(&hashes, &addresses, now).await?;
    let new: HashSet<&str> = rows.iter().map(|row| row.address_hash.as_str()).collect();
    note(session, &marks, &new, origin, now).await?;
    let changed: HashSet<&str> =
        marks.iter().filter(|mark| new.contains(mark.hash)).map(|mark| mark.entry.hash.as_str()).collect();
    let moved_to = marks.iter().filter_map(Mark::moved_to).map(str::to_owned).collect();
    let hashes = hashes.into_iter().map(str::to_owned).collect();
    Ok(Done { changed: changed.len() as u64, stopped, moved_to, hashes })
}

impl Subscribers {
    /// Where there are writers beside each other, a start may have looked at somebody just before they were to get nothing
    /// more, and commit after: this waits for it, or takes its claim away. `at` is the moment from which they are to get
    /// nothing, by which what a pause has stopped is found again.
    pub(super) async fn recall_unwanted(&self, hashes: &[String], at: UtcMillis) -> Result<(), SubscribersError> {
        if hashes.is_empty() || !self.store.is_shared() {
            return Ok(());
        }
        let hashes: Vec<&str> = hashes.iter().map(String::as_str).collect();
        let mut session = self.store.write(Durability::Full).await?;
        session.recall_unwanted(&hashes, at).await?;
        Ok(session.commit().await?)
    }
}

/// Notes what was suppressed on the subscribers whose addresses those are.
async fn note(
    session: &mut Session,
    marks: &[Mark<'_>],
    new: &HashSet<&str>,
    origin: Origin<'_>,
    now: UtcMillis,
) -> Result<(), StoreError> {
    let (mut updates, mut events) = (HashMap::<i64, SubscriberRow>::new(), Vec::new());
    for mark in marks {
        let Some(person) = mark.person else { continue };
        // By two addresses, the present one and another, two things may be said of one person.
        let before = updates.get(&person.id).map_or(person.state, |row| row.state);
        // A suppression that weighs more may be lifted one day: that they complained, or bounced, is known by then.
        let state = state_after(before, mark.reason);
        if state.is_none() && !new.contains(mark.hash) {
            continue;
        }
        if let Some(state) = state {
            updates.insert(person.id, SubscriberRow { state, updated_at: now, ..person.clone() });
        }
        let mut event = event(person, "suppressed", now, origin);
        let by = if mark.former { " by a former address" } else { "" };
        let evidence = format!("{}{by}: {}", mark.reason.as_str(), mark.entry.note);
        event.evidence = Some(evidence.trim_end_matches(": ").to_owned());
        events.push(event);
    }
    if !updates.is_empty() {
        session.update_subscribers(&updates.into_values().collect::<Vec<_>>()).await?;
    }
    if !events.is_empty() {
        session.add_consents(&events).await?;
    }
    Ok(())
}

/// An address that is to be suppressed, for an entry that may be about another one of the same person.
struct Mark<'a> {
    hash: &'a str,
    reason: SuppressionReason,
    /// Whose address it is.
    person: Option<&'a SubscriberRow>,
    entry: &'a Entry,
    /// Whether the entry is about an address that they had before.
    former: bool,
}

impl<'a> Mark<'a> {
    /// The address, where the entry is about a former one.
    fn moved_to(&self) -> Option<&'a str> {
        self.person.filter(|_| self.former).map(|person| person.email.as_str())
    }
}

/// Whose addresses those are that are suppressed.
struct Owners {
    here: HashMap<String, SubscriberRow>,
    /// Who had an address before they moved, by its hash.
    moved: HashMap<String, SubscriberRow>,
}

impl Owners {
    async fn look_up(session: &mut Session, hashes: &[&str]) -> Result<Self, StoreError> {
        let here = session.subscribers_among(hashes).await?.into_iter();
        let moved = session.moved_among(hashes).await?.into_iter();
        Ok(Self {
            here: here.map(|person| (person.address_hash.clone(), person)).collect(),
            moved: moved.map(|moved| (moved.former_hash, moved.person)).collect(),
        })
    }

    /// What is suppressed for an entry. Whoever complains at an address that they had before, or tells an operator from there,
    /// means our mails wherever they go now. That it is dead says nothing of the new one.
    fn marks<'a>(&'a self, entry: &'a Entry, reason: SuppressionReason) -> impl Iterator<Item = Mark<'a>> {
        let here = self.here.get(&entry.hash);
        let meant = !reason.is_lifted_by_confirmation() && !is_theirs_alone(here);
        let moved = self.moved.get(&entry.hash).filter(|_| meant);
        let mark = move |hash, person, former| Mark { hash, reason, person, entry, former };
        let elsewhere = moved.map(|person| mark(person.address_hash.as_str(), Some(person), true));
        std::iter::once(mark(entry.hash.as_str(), here, false)).chain(elsewhere)
    }
}

/// The suppressions that are new, or weigh more than those that there are: one for each address, in their order.
fn heavier(marks: &[Mark<'_>], have: &[SuppressionRow], now: UtcMillis) -> Vec<SuppressionRow> {
    let weights = have.iter().map(|row| (row.address_hash.as_str(), SuppressionReason::parse(&row.reason).weight()));
    let known: HashMap<&str, u8> = weights.collect();
    let mut heaviest: HashMap<&str, u8> = known.clone();
    for mark in marks {
        let weight = heaviest.entry(mark.hash).or_default();
        *weight = mark.reason.weight().max(*weight);
    }
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for mark in marks {
        let weight = mark.reason.weight();
        let weak = heaviest.get(mark.hash) != Some(&weight) || known.get(mark.hash) == Some(&weight);
        if weak || !seen.insert(mark.hash) {
            continue;
        }
        rows.push(SuppressionRow {
            address_hash: mark.hash.to_owned(),
            reason: mark.reason.as_str().to_owned(),
            note: mark.entry.note.clone(),
            created_at: mark.entry.since.filter(|since| *since <= now).unwrap_or(now),
        });
    }
    rows
}

/// Where somebody stands whose address is suppressed for that reason; `None`: where they stood.
fn state_after(state: SubscriberState, reason: SuppressionReason) -> Option<SubscriberState> {
    match (reason, state) {
        (SuppressionReason::Complaint, state) if state != SubscriberState::Complained => {
            Some(SubscriberState::Complained)
        }
        (SuppressionReason::Bounced, SubscriberState::Pending | SubscriberState::Confirmed) => {
            Some(SubscriberState::Bounced)
        }
        _ => None,
    }
}
