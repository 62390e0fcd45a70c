//! Addresses that must not be mailed, whatever is imported: suppressed and lifted by hand, listed, read from a file.
//!
//! The store keeps a keyed hash of each, so that a suppression outlives the data of the person.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::import::suppressions::Entry;
use super::{Import, ImportReport, Origin, Subscribers, SubscribersError, SuppressionReason, event, unless_first};
use crate::domain::{EmailAddress, SubscriberState, UtcMillis};
use crate::store::{Durability, Session, StoreError, SubscriberRow, SuppressionRow};

/// How many suppressions a list reads at once.
const PAGE: i64 = 1000;

/// What suppressing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Suppressed {
    /// Whether it is new, or was there for a weaker reason.
    pub changed: bool,
    /// How many mails were stopped that were on their way.
    pub stopped: u64,
}

/// What lifting a suppression did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lifted {
    /// Why it was suppressed.
    pub reason: String,
    /// What was noted.
    pub note: String,
    /// Since when.
    pub since: UtcMillis,
    /// Where the subscriber of that address stands now, where there is one.
    pub state: Option<SubscriberState>,
}

/// A suppression in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SuppressionList {
    /// The keyed hash of the address.
    pub address_hash: String,
    /// The address, where it is that of a subscriber.
    pub email: Option<String>,
    /// `erased`, `bounced`, `complaint` or `manual`.
    pub reason: String,
    /// What was noted.
    pub note: String,
    /// Since when.
    pub since: UtcMillis,
}

impl Subscribers {
    /// Suppresses an address, and stops all that is on its way to it, in one transaction. A reason that weighs more
    /// stays.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn suppress(
        &self,
        address: &EmailAddress,
        reason: SuppressionReason,
        note: &str,
        origin: Origin<'_>,
    ) -> Result<Suppressed, SubscribersError> {
        let entry = Entry {
            hash: self.keys.address_hash(address),
            address: Some(address.as_str().to_lowercase()),
            reason: Some(reason),
            note: super::import::cut(note),
            since: None,
        };
        let (changed, stopped) = self.suppress_all(&[entry], reason, origin).await?;
        Ok(Suppressed { changed: changed > 0, stopped })
    }

    /// Suppresses a chunk in one transaction: how many of them are new or weigh more now, and how many mails were stopped.
    async fn suppress_all(
        &self,
        entries: &[Entry],
        otherwise: SuppressionReason,
        origin: Origin<'_>,
    ) -> Result<(u64, u64), SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let done = suppress(&mut session, entries, otherwise, origin, self.now()).await?;
        session.commit().await?;
        Ok(done)
    }

    /// Lifts the suppression of an address, or of a hash as the list shows it; `None`: there was none. Whoever
    /// complained counts as having left everything from then on, so that only a confirmation of their own brings back what
    /// it names.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn unsuppress(&self, which: &str, origin: Origin<'_>) -> Result<Option<Lifted>, SubscribersError> {
        let hash = match EmailAddress::parse(which) {
            Ok(address) => self.keys.address_hash(&address),
            Err(_) => which.trim().to_ascii_lowercase(),
        };
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_subscribers_among(&[&hash]).await?;
        let suppression = session.suppression(&hash).await?;
        let person = session.subscriber_by_hash(&hash).await?;
        let complained = person.as_ref().is_some_and(|person| person.state == SubscriberState::Complained);
        if suppression.is_none() && !complained {
            return Ok(None);
        }
        session.unsuppress(&hash).await?;
        let now = self.now();
        let since = person.as_ref().map_or(now, |person| person.updated_at);
        let lifted = suppression.unwrap_or_else(|| SuppressionRow {
            address_hash: hash,
            reason: SuppressionReason::Complaint.as_str().to_owned(),
            note: String::new(),
            created_at: since,
        });
        let state = match person {
            Some(person) => Some(self.lift(&mut session, person, &lifted, origin).await?),
            None => None,
        };
        session.commit().await?;
        Ok(Some(Lifted { reason: lifted.reason, note: lifted.note, since: lifted.created_at, state }))
    }

    async fn lift(
        &self,
        session: &mut Session,
        mut person: SubscriberRow,
        lifted: &SuppressionRow,
        origin: Origin<'_>,
    ) -> Result<SubscriberState, SubscribersError> {
        let now = self.now();
        let reported = SuppressionReason::parse(&lifted.reason) == SuppressionReason::Complaint;
        if reported || person.state == SubscriberState::Complained {
            let have = session.subscriptions_among(&[person.id]).await?;
            // Also what they left before: that way back ends here.
            self.write_left(session, &person, &have.iter().collect::<Vec<_>>(), origin, now).await?;
            person.state = SubscriberState::Unsubscribed;
            person.updated_at = now;
            session.update_subscriber(&person).await?;
        }
        let mut event = event(&person, "unsuppressed", now, origin);
        event.evidence = Some(format!("{} since {}", lifted.reason, lifted.created_at));
        session.add_consent(&event).await?;
        Ok(person.state)
    }

    /// Gives every suppression to `each`, in the order in which they came. An error of `each` ends it.
    ///
    /// # Errors
    /// When the store fails, or `each` does.
    pub async fn suppressions<E: From<SubscribersError>>(
        &self,
        mut each: impl FnMut(SuppressionList) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = 0;
        loop {
            let page = self.suppressions_after(after).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (_, row) in page {
                each(row)?;
            }
        }
    }

    async fn suppressions_after(&self, after: i64) -> Result<Vec<(i64, SuppressionList)>, SubscribersError> {
        let rows = self.store.read().await?.suppressions_after(after, PAGE).await?;
        let entry = |row: crate::store::SuppressedRow| {
            let (address_hash, email, reason, note) = (row.address_hash, row.email, row.reason, row.note);
            (row.id, SuppressionList { address_hash, email, reason, note, since: row.created_at })
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// Suppresses all addresses, or hashes, of a file. A row without a reason of its own gets `reason`.
    ///
    /// # Errors
    /// When the file cannot be read, or the store fails; what was committed before stays. Bad rows are no error but part
    /// of the report.
    pub async fn import_suppressions(
        &self,
        import: &Import<'_>,
        reason: SuppressionReason,
        note: &str,
        origin: Origin<'_>,
    ) -> Result<ImportReport, SubscribersError> {
        let note = super::import::cut(note);
        self.read_suppressions(import, &note, async |chunk: Vec<Entry>| {
            let (changed, _) = unless_first(|| self.suppress_all(&chunk, reason, origin)).await?;
            Ok(changed)
        })
        .await
    }
}

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

/// Suppresses addresses in a transaction: how many of them are new or weigh more now, and how many mails were stopped.
async fn suppress(
    session: &mut Session,
    entries: &[Entry],
    otherwise: SuppressionReason,
    origin: Origin<'_>,
    now: UtcMillis,
) -> Result<(u64, u64), StoreError> {
    let mut hashes: Vec<&str> = entries.iter().map(|entry| entry.hash.as_str()).collect();
    let addresses: Vec<&str> = entries.iter().filter_map(|entry| entry.address.as_deref()).collect();
    session.lock_subscribers_among(&hashes).await?;
    session.lock_moved_among(&hashes).await?;
    let have = session.suppressions_among(&hashes).await?;
    let owners = Owners::look_up(session, &hashes).await?;
    let rows = heavier(entries, &have, otherwise, now);
    session.suppress_many(&rows).await?;
    let people: Vec<Option<&SubscriberRow>> =
        entries.iter().map(|entry| owners.of(&entry.hash, entry.reason.unwrap_or(otherwise))).collect();
    hashes.extend(people.iter().flatten().map(|person| person.address_hash.as_str()));
    // Also where it was suppressed before: nothing must be on its way.
    let stopped = session.cancel_everything(&hashes, &addresses, now).await?;
    let new: HashSet<&str> = rows.iter().map(|row| row.address_hash.as_str()).collect();
    let (mut updates, mut events) = (Vec::new(), Vec::new());
    for (entry, person) in entries.iter().zip(people) {
        let Some(person) = person else { continue };
        let reason = entry.reason.unwrap_or(otherwise);
        // A suppression that weighs more may be lifted one day: that they complained, or bounced, is known by then.
        let state = state_after(person.state, reason);
        if state.is_none() && !new.contains(entry.hash.as_str()) {
            continue;
        }
        updates.extend(state.map(|state| SubscriberRow { state, updated_at: now, ..person.clone() }));
        let mut event = event(person, "suppressed", now, origin);
        event.evidence = Some(format!("{}: {}", reason.as_str(), entry.note).trim_end_matches(": ").to_owned());
        events.push(event);
    }
    if !updates.is_empty() {
        session.update_subscribers(&updates).await?;
    }
    if !events.is_empty() {
        session.add_consents(&events).await?;
    }
    Ok((rows.len() as u64, stopped))
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

    /// Whoever complains at an address that they had before means our mails, wherever they go now.
    fn of(&self, hash: &str, reason: SuppressionReason) -> Option<&SubscriberRow> {
        let moved = || self.moved.get(hash).filter(|_| reason == SuppressionReason::Complaint);
        self.here.get(hash).or_else(moved)
    }
}

/// The suppressions that are new, or weigh more than those that there are.
fn heavier(
    entries: &[Entry],
    have: &[SuppressionRow],
    otherwise: SuppressionReason,
    now: UtcMillis,
) -> Vec<SuppressionRow> {
    let weights = have.iter().map(|row| (row.address_hash.as_str(), SuppressionReason::parse(&row.reason).weight()));
    let weights: HashMap<&str, _> = weights.collect();
    let mut rows = Vec::new();
    for entry in entries {
        let reason = entry.reason.unwrap_or(otherwise);
        if weights.get(entry.hash.as_str()).is_some_and(|weight| *weight >= reason.weight()) {
            continue;
        }
        rows.push(SuppressionRow {
            address_hash: entry.hash.clone(),
            reason: reason.as_str().to_owned(),
            note: entry.note.clone(),
            created_at: entry.since.filter(|since| *since <= now).unwrap_or(now),
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
