//! Addresses that must not be mailed, whatever is imported: suppressed and lifted by hand, listed, read from a file.
//!
//! The store keeps a keyed hash of each, so that a suppression outlives the data of the person.

use std::collections::HashMap;

use serde::Serialize;

use super::import::suppressions::Entry;
use super::marks::{Done, suppress};
use super::{
    Import, ImportReport, Origin, Refusal, Subscribers, SubscribersError, SuppressionReason, event, meant, refusal,
    unless_first,
};
use crate::domain::{EmailAddress, SubscriberState, UtcMillis};
use crate::store::{Durability, Session, StoreError, SubscriberRow, SuppressionRow};

/// How many suppressions a list reads at once.
const PAGE: i64 = 1000;

/// What suppressing did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppressed {
    /// Whether it is new, or was there for a weaker reason.
    pub changed: bool,
    /// How many mails were stopped that were on their way.
    pub stopped: u64,
    /// The address that whoever had this one before has now, where it is suppressed with it.
    pub moved_to: Option<String>,
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
    /// Where whoever had it before they moved is now, if nobody has confirmed it since.
    pub moved: Option<Mover>,
    /// Addresses that the person had before and that stay suppressed for good: a list that has one stands for the present
    /// address again.
    pub former: Vec<StillShut>,
}

/// A suppressed address that somebody had before they moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StillShut {
    /// The address, where what is kept of the person names it; else its hash, as the list shows it.
    pub address: String,
    /// Why: `complaint` or `manual`.
    pub reason: String,
}

/// Whoever had an address before they moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mover {
    /// The address that they have now.
    pub email: String,
    /// Why nothing is mailed there until that is lifted too, where that is so: `complaint` or `manual`.
    pub barred: Option<&'static str>,
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
    /// stays. A complaint and an operator's word count for the address that whoever had this one before has now as well.
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
        let mut done = unless_first(|| self.try_suppress(&entry, reason, origin)).await?;
        self.recall_unwanted(&done.hashes, self.now()).await?;
        Ok(Suppressed { changed: done.changed > 0, stopped: done.stopped, moved_to: done.moved_to.pop() })
    }

    async fn try_suppress(
        &self,
        entry: &Entry,
        reason: SuppressionReason,
        origin: Origin<'_>,
    ) -> Result<Done, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let done = suppress(&mut session, std::slice::from_ref(entry), reason, origin, self.now()).await?;
        session.commit().await?;
        Ok(done)
    }

    /// Suppresses a chunk of a list. A list that came from here has the dead addresses of before: whoever has asked at one
    /// since is left to confirm that, and whoever has confirmed it since the day that the list gives stays.
    async fn suppress_listed(
        &self,
        entries: &[Entry],
        otherwise: SuppressionReason,
        origin: Origin<'_>,
    ) -> Result<Done, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let hashes: Vec<&str> = entries.iter().map(|entry| entry.hash.as_str()).collect();
        session.lock_subscribers_among(&hashes).await?;
        let confirmed = confirmations(&mut session, entries, otherwise).await?;
        let have = session.suppressions_among(&hashes).await?.into_iter();
        let have: HashMap<String, SuppressionReason> =
            have.map(|row| (row.address_hash, SuppressionReason::parse(&row.reason))).collect();
        let says_something = |entry: &&Entry| {
            let reason = entry.reason.unwrap_or(otherwise);
            let weighs_more = have.get(&entry.hash).is_none_or(|have| have.weight() < reason.weight());
            let lifted = entry.since.is_some_and(|since| confirmed.get(&entry.hash).is_some_and(|at| since < *at));
            !reason.is_lifted_by_confirmation() || weighs_more && !lifted
        };
        let entries: Vec<Entry> = entries.iter().filter(says_something).cloned().collect();
        let done = suppress(&mut session, &entries, otherwise, origin, self.now()).await?;
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
        let moved = mover(&mut session, person.as_ref(), &lifted.address_hash).await?;
        let former = self.still_shut(&mut session, person.as_ref()).await?;
        let state = match person {
            Some(person) => Some(self.lift(&mut session, person, &lifted, origin).await?),
            None => None,
        };
        session.commit().await?;
        Ok(Some(Lifted { reason: lifted.reason, note: lifted.note, since: lifted.created_at, state, moved, former }))
    }

    /// The addresses that somebody had before and that are suppressed for good.
    async fn still_shut(
        &self,
        session: &mut Session,
        person: Option<&SubscriberRow>,
    ) -> Result<Vec<StillShut>, StoreError> {
        let Some(person) = person else { return Ok(Vec::new()) };
        let former = session.former_addresses_between(person.id, person.id).await?;
        let hashes: Vec<&str> = former.iter().map(|former| former.address_hash.as_str()).collect();
        let mut rows = session.suppressions_among(&hashes).await?;
        rows.retain(|row| !SuppressionReason::parse(&row.reason).is_lifted_by_confirmation());
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let events = session.consent_between(person.id, person.id).await?;
        let named = events.iter().filter_map(|event| EmailAddress::parse(&event.address).ok());
        let named: HashMap<String, String> =
            named.map(|address| (self.keys.address_hash(&address), address.as_str().to_owned())).collect();
        let shut = rows.into_iter().map(|row| StillShut {
            address: named.get(&row.address_hash).cloned().unwrap_or(row.address_hash),
            reason: row.reason,
        });
        Ok(shut.collect())
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
            (person.updated_at, person.left_all_at) = (now, Some(now));
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
            let done = unless_first(|| self.suppress_listed(&chunk, reason, origin)).await?;
            self.recall_unwanted(&done.hashes, self.now()).await?;
            Ok((done.changed, done.moved_to.len() as u64))
        })
        .await
    }
}

/// When those last confirmed their addresses themselves of whom a list says, with a day, what a confirmation lifts; by hash.
async fn confirmations(
    session: &mut Session,
    entries: &[Entry],
    otherwise: SuppressionReason,
) -> Result<HashMap<String, UtcMillis>, StoreError> {
    let dated = |entry: &&Entry| entry.since.is_some() && entry.reason.unwrap_or(otherwise).is_lifted_by_confirmation();
    let hashes: Vec<&str> = entries.iter().filter(dated).map(|entry| entry.hash.as_str()).collect();
    let people = if hashes.is_empty() { Vec::new() } else { session.subscribers_among(&hashes).await? };
    let ids: Vec<i64> = people.iter().map(|person| person.id).collect();
    let at: HashMap<i64, UtcMillis> = match ids.is_empty() {
        true => HashMap::new(),
        false => session.own_confirmations_among(&ids).await?.into_iter().collect(),
    };
    let confirmed = people.into_iter().filter_map(|person| Some((person.address_hash, *at.get(&person.id)?)));
    Ok(confirmed.collect())
}

/// Whoever had an address before they moved, where they are meant by it; `person` has it now.
async fn mover(
    session: &mut Session,
    person: Option<&SubscriberRow>,
    address_hash: &str,
) -> Result<Option<Mover>, StoreError> {
    let Some(mover) = meant::mover(session, person, address_hash).await? else { return Ok(None) };
    let suppression = session.suppression(&mover.address_hash).await?;
    let barred = refusal::of_asking(Some(&mover), suppression.as_ref()).map(|refusal| match refusal {
        Refusal::Complained => SuppressionReason::Complaint.as_str(),
        _ => SuppressionReason::Manual.as_str(),
    });
    Ok(Some(Mover { email: mover.email, barred }))
}
