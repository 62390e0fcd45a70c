//! What people have done themselves, which is newer than a file: names and languages that they chose, and confirmations.

use std::collections::{HashMap, HashSet};

use super::decide::Numbered;
use super::history::Event;
use super::noes::Gone;
use super::row::Row;
use crate::domain::{SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{Session, StoreError, SubscriberRow, SubscriptionRow};

/// What those have done themselves whom a row of a chunk would change; by their row ids.
#[derive(Default)]
pub(super) struct Own {
    /// On their page, where they may have emptied them too.
    profiles: HashSet<i64>,
    /// When they signed up, as far as they gave any.
    sign_ups: HashSet<i64>,
    /// When they confirmed their address last, where a row says what a confirmation lifts.
    confirmations: HashMap<i64, UtcMillis>,
    /// When they agreed last to each digest, where a row says that they had left some or all.
    agreements: HashMap<i64, HashMap<String, UtcMillis>>,
}

/// What one of them has done themselves, as the events say that come along with them.
#[derive(Default)]
pub(super) struct Done {
    profile: bool,
    confirmed: Option<UtcMillis>,
    agreed: Vec<(String, UtcMillis)>,
}

impl Done {
    pub(super) fn of(row: &Row) -> Self {
        let events = row.past.as_ref().map_or(&[][..], |past| &past.events);
        let address = row.address.as_str();
        Self {
            profile: events.iter().any(Event::is_own_profile),
            confirmed: events.iter().filter_map(|event| event.confirms(address)).max(),
            agreed: events.iter().filter_map(|event| event.agrees(address)).collect(),
        }
    }
}

impl Own {
    /// Asked only of those for whom a row has another name or language, or an old suppression, since each takes a look at
    /// their events.
    pub(super) async fn look_up(
        session: &mut Session,
        known: &HashMap<String, SubscriberRow>,
        moved: &HashMap<String, SubscriberRow>,
        chunk: &[&Numbered],
    ) -> Result<Self, StoreError> {
        let changed = chunk.iter().filter_map(|numbered| {
            let (row, person) = (&numbered.row, known.get(&numbered.row.address_hash)?);
            let name = !row.name.is_empty() && row.name != person.name;
            let locale = row.locale.as_ref().is_some_and(|locale| person.locale.as_deref() != Some(locale.as_str()));
            (name || locale).then_some(person.id)
        });
        let changed: Vec<i64> = changed.collect();
        let mut own = Self::default();
        if !changed.is_empty() {
            own.profiles = session.own_profiles_among(&changed).await?.into_iter().collect();
            own.sign_ups = session.own_sign_ups_among(&changed).await?.into_iter().collect();
        }
        let people = |all: &[&HashMap<String, SubscriberRow>], which: &dyn Fn(&Row) -> bool| -> Vec<i64> {
            let rows = chunk.iter().map(|numbered| &numbered.row).filter(|row| which(row));
            rows.flat_map(|row| all.iter().filter_map(|people| people.get(&row.address_hash)))
                .map(|person| person.id)
                .collect()
        };
        let dated = |row: &Row| row.claim.gone.iter().any(|gone| row.gone_at(gone).is_some());
        let barred = people(&[known, moved], &|row| lifted_since(row).is_some() || dated(row));
        if !barred.is_empty() {
            own.confirmations = session.own_confirmations_among(&barred).await?.into_iter().collect();
        }
        let mut left = people(&[known, moved], &dated);
        // To whoever has moved a row only says that they have gone.
        left.extend(people(&[known], &left_in_part));
        if !left.is_empty() {
            for (id, digest, at) in session.own_agreements_among(&left).await? {
                own.agreements.entry(id).or_default().insert(digest, at);
            }
        }
        Ok(own)
    }

    /// Takes up what somebody has done themselves who is not stored yet.
    pub(super) fn add(&mut self, id: i64, done: &Done) {
        if done.profile {
            self.profiles.insert(id);
        }
        if let Some(at) = done.confirmed {
            self.confirmations.insert(id, at);
        }
        for (digest, at) in &done.agreed {
            let last = self.agreements.entry(id).or_default().entry(digest.clone()).or_insert(*at);
            *last = (*at).max(*last);
        }
    }

    /// Whether somebody has confirmed their address themselves since it was suppressed where a row comes from, for a reason
    /// that this lifts.
    pub(super) fn has_lifted(&self, person: &SubscriberRow, row: &Row) -> bool {
        let confirmed = self.confirmations.get(&person.id);
        lifted_since(row).is_some_and(|since| confirmed.is_some_and(|at| since < *at))
    }

    /// The reasons for which a row says of somebody that they have gone, without those from before they confirmed their
    /// address themselves, or undid a leaving: such as that they had left or were dead. A complaint is never over.
    pub(super) fn lasting(&self, person: &SubscriberRow, row: &Row) -> Vec<SubscriberState> {
        let before = |at: UtcMillis| self.confirmations.get(&person.id).is_some_and(|confirmed| at < *confirmed);
        let agreed = |at: UtcMillis| {
            self.agreements.get(&person.id).is_some_and(|digests| digests.values().any(|agreed| at < *agreed))
        };
        let lasts = |gone: &&Gone| match gone.state {
            SubscriberState::Unsubscribed => !row.gone_at(gone).is_some_and(|at| before(at) || agreed(at)),
            SubscriberState::Bounced => !row.gone_at(gone).is_some_and(before) && !self.has_lifted(person, row),
            SubscriberState::Pending | SubscriberState::Confirmed | SubscriberState::Complained => true,
        };
        row.claim.gone.iter().filter(lasts).map(|gone| gone.state).collect()
    }

    /// Whether they have agreed to a digest themselves since they had left it where a row comes from.
    pub(super) fn has_taken_up(&self, person: &SubscriberRow, theirs: &SubscriptionRow) -> bool {
        let agreed = self.agreements.get(&person.id).and_then(|digests| digests.get(&theirs.digest));
        theirs.state == SubscriptionState::Left
            && theirs.left_at.is_some_and(|left| agreed.is_some_and(|at| left < *at))
    }

    /// Takes the name and the language of a row, but for those that the person has chosen. A mere request may be somebody
    /// else's. Of two rows for one person the first counts: else they would take turns with each import.
    pub(super) fn introduce(&self, next: &mut SubscriberRow, numbered: &Numbered, wanted: SubscriberState) {
        if self.profiles.contains(&next.id) {
            return;
        }
        let request = wanted == SubscriberState::Pending && next.state == SubscriberState::Confirmed;
        let stands = request || numbered.again || self.sign_ups.contains(&next.id);
        let row = &numbered.row;
        if !row.name.is_empty() && (!stands || next.name.is_empty()) {
            next.name.clone_from(&row.name);
        }
        if let Some(locale) = row.locale.as_ref().filter(|_| !stands || next.locale.is_none()) {
            next.locale = Some(locale.as_str().to_owned());
        }
    }
}

/// Since when a row has somebody suppressed, where a confirmation lifts that.
fn lifted_since(row: &Row) -> Option<UtcMillis> {
    let mark = row.past.as_ref()?.suppressed.as_ref()?;
    mark.reason.is_lifted_by_confirmation().then_some(mark.since)
}

/// Whether a row says of a digest that somebody had left it, and when.
fn left_in_part(row: &Row) -> bool {
    row.wishes.exact.iter().any(|have| have.state == SubscriptionState::Left && have.left_at.is_some())
}
