//! What a chunk of checked rows changes: decided here, written by an import, and only counted by a dry run.

use std::collections::{HashMap, HashSet};

use super::decide::{Decision, Known, Numbered, Update, fresh, gone, left};
use super::history::Turn;
use super::report::Counts;
use super::row::Row;
use super::{Import, ImportBasis};
use crate::domain::{PublicId, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{
    Ask, ConsentRow, FormerAddressRow, GivenReasonRow, JoinRequestRow, Session, SubscriberRow, SubscriptionRow,
    SuppressionRow,
};
use crate::subscribers::{Origin, Subscribers, SubscribersError, event};

/// What a chunk writes.
#[derive(Default)]
pub(super) struct Changes<'c> {
    pub(super) counts: Counts,
    pub(super) new: Vec<(SubscriberRow, &'c Row)>,
    /// Ids from before two became one, and the present id of each.
    former: Vec<(PublicId, PublicId)>,
    /// What came along of those who are new.
    former_addresses: Vec<FormerAddressRow>,
    requests: Vec<JoinRequestRow>,
    reasons: Vec<GivenReasonRow>,
    pub(super) updates: Vec<SubscriberRow>,
    pub(super) put: Vec<SubscriptionRow>,
    /// What is stopped, since it was left, or since it is paused.
    cancel: Vec<(i64, String)>,
    pause: Vec<(i64, String)>,
    /// The hashes of the addresses of those who get less than before.
    refused: Vec<String>,
    pub(super) drop: Vec<(i64, String)>,
    /// The row ids of those who were pending until now.
    confirmed: Vec<i64>,
    events: Vec<ConsentRow>,
    pub(super) suppressions: Vec<SuppressionRow>,
    /// The row ids of those who are asked.
    pub(super) ask: Vec<i64>,
    /// The row ids of those who were still to be asked where they come from.
    pub(super) turns: Vec<(i64, Turn)>,
}

impl Subscribers {
    /// Decides on some of the rows, and gives those that are about somebody whom one of these changes: by an address that
    /// they had before.
    pub(super) fn decide<'c>(
        &self,
        known: &Known,
        counts: Counts,
        rows: Vec<&'c Numbered>,
        import: &Import<'_>,
        (origin, now): (Origin<'_>, UtcMillis),
    ) -> (Changes<'c>, Vec<&'c Numbered>) {
        let mut changes = Changes { counts, ..Changes::default() };
        let mut taken = known.taken.clone();
        let mut fresh_id = PublicId::together(self.random.as_ref());
        let (mut changed, mut moved, mut later) = (HashSet::new(), HashSet::new(), Vec::new());
        for numbered in rows {
            let row = &numbered.row;
            if moved.contains(&row.address_hash) || known.about(row).any(|id| changed.contains(&id)) {
                later.push(numbered);
                continue;
            }
            // Also of somebody who is left alone otherwise.
            let elsewhere = known.new_suppression_elsewhere(row, now);
            if let Some(suppression) = elsewhere {
                changed.extend(known.about(row));
                changes.suppressions.push(suppression);
            }
            let suppression = known.new_suppression(row, now);
            let mailed = suppression.is_none();
            if let Some(suppression) = suppression {
                changed.extend(known.about(row));
                changes.suppressions.push(suppression);
            }
            // A bad row has been counted as one.
            let counted = numbered.refused.then(|| std::mem::take(&mut changes.counts));
            match known.decide(numbered, import.basis, now) {
                Decision::Add(state) => {
                    changes.counts.add(row);
                    let asks = import.asks() || row.turn().is_some();
                    changes.counts.asked += u64::from(asks && state == SubscriberState::Pending);
                    if mailed && !gone(state) {
                        self.count_digests(&mut changes.counts, row, row.wishes.digests());
                    }
                    // An id that somebody has stays theirs.
                    let own = row.past.as_ref().into_iter().flat_map(|past| &past.ids);
                    let mut own = own.filter(|id| taken.insert((*id).clone())).cloned();
                    let id = own.next().unwrap_or_else(&mut fresh_id);
                    changes.former.extend(own.map(|former| (former, id.clone())));
                    changes.new.push((newcomer(row, state, id, now), row));
                    moved.extend(row.former().map(|former| former.address_hash.clone()));
                }
                Decision::Update(updates) => {
                    changes.counts.update(row);
                    let asked = import.asks() && updates.iter().any(|update| update.ask);
                    changes.counts.asked += u64::from(asked);
                    for update in updates {
                        if mailed {
                            self.count_digests(&mut changes.counts, row, update.gets.iter().map(String::as_str));
                        }
                        changed.insert(update.row.id);
                        changes.update(update, row, import, origin, now);
                    }
                }
                Decision::Unchanged => changes.counts.unchanged += 1,
                Decision::Skip(why) => changes.counts.skip(row, why),
            }
            if let Some(counted) = counted {
                changes.counts = counted;
            }
        }
        (changes, later)
    }

    /// Notes which digests come to somebody by a row.
    fn count_digests<'d>(&self, counts: &mut Counts, row: &Row, gets: impl Iterator<Item = &'d str>) {
        let mut some = false;
        for digest in gets.filter(|digest| self.config.digest(digest).is_some()) {
            some = true;
            match counts.digests.get_mut(digest) {
                Some(people) => *people += 1,
                None => {
                    counts.digests.insert(digest.to_owned(), 1);
                }
            }
        }
        counts.without_choice += u64::from(some && !row.wishes.chosen);
    }
}

/// The row of somebody who is not known.
fn newcomer(row: &Row, state: SubscriberState, public_id: PublicId, now: UtcMillis) -> SubscriberRow {
    let confirmed = state == SubscriberState::Confirmed;
    SubscriberRow {
        id: 0,
        public_id,
        email: row.address.as_str().to_owned(),
        address_hash: row.address_hash.clone(),
        name: row.name.clone(),
        state,
        locale: row.locale.as_ref().map(|locale| locale.as_str().to_owned()),
        created_at: row.created_at.unwrap_or(now),
        updated_at: now,
        confirmed_at: row.claim.confirmed_at.or(confirmed.then_some(now)),
        left_all_at: (state == SubscriberState::Unsubscribed || row.claim.left()).then_some(now),
    }
}

/// What somebody who was not known is subscribed to.
pub(super) fn subscriptions_of(
    person: &SubscriberRow,
    row: &Row,
    now: UtcMillis,
) -> impl Iterator<Item = SubscriptionRow> {
    let left_there = person.state == SubscriberState::Unsubscribed || row.claim.left();
    let gone_at = left_there.then(|| row.claim.left_at.unwrap_or(now).min(now));
    fresh(row, person.id, now).into_iter().map(move |have| match gone_at {
        Some(at) if have.state != SubscriptionState::Left => left(have, at),
        _ => have,
    })
}

impl Changes<'_> {
    fn update(&mut self, update: Update, row: &Row, import: &Import<'_>, origin: Origin<'_>, now: UtcMillis) {
        let id = update.row.id;
        self.events.push(imported(&update.row, row, import, origin, now));
        if !update.cancel.is_empty() {
            self.refused.push(update.row.address_hash.clone());
        }
        for digest in update.cancel {
            let put = update.put.iter().find(|have| have.digest == digest);
            match put.filter(|have| have.state == SubscriptionState::Paused) {
                Some(paused) => {
                    // What it stops is found again by this moment.
                    let mut event = event(&update.row, "imported", now, origin);
                    event.digest = Some(digest.clone());
                    event.evidence = paused.paused_until.map(|until| format!("paused until {until}"));
                    self.events.push(event);
                    self.pause.push((id, digest));
                }
                None => self.cancel.push((id, digest)),
            }
        }
        self.put.extend(update.put);
        self.drop.extend(update.drop.into_iter().map(|digest| (id, digest)));
        if update.confirms {
            self.confirmed.push(id);
        }
        if update.ask {
            self.ask.push(id);
        }
        self.updates.push(update.row);
    }

    /// Inserts new people, and notes what belongs to them.
    pub(super) async fn insert(
        &mut self,
        session: &mut Session,
        import: &Import<'_>,
        origin: Origin<'_>,
        now: UtcMillis,
    ) -> Result<(), SubscribersError> {
        if self.new.is_empty() {
            return Ok(());
        }
        let mut subscriptions = Vec::with_capacity(self.new.len());
        let ids = session.add_subscribers(self.new.iter().map(|(person, _)| person)).await?;
        let ids: HashMap<PublicId, i64> = ids.into_iter().map(|(id, public)| (public, id)).collect();
        for (person, row) in &mut self.new {
            person.id = ids.get(&person.public_id).copied().unwrap_or_default();
            subscriptions.extend(subscriptions_of(person, row, now));
            if let Some(past) = &row.past {
                self.events.extend(past.events.iter().map(|event| event.row(person.id)));
                self.former_addresses.extend(past.former.iter().map(|former| former.row(person.id)));
                self.requests.extend(past.requests.iter().map(|request| request.row(person.id)));
                self.reasons.extend(past.reasons.iter().map(|reason| reason.row(person.id)));
            }
            self.events.push(imported(person, row, import, origin, now));
            if person.state == SubscriberState::Pending {
                self.ask.push(person.id);
                self.turns.extend(row.turn().map(|turn| (person.id, turn.clone())));
            }
        }
        session.add_subscriptions(&subscriptions).await?;
        if !self.former.is_empty() {
            let row = |id: &PublicId| ids.get(id).copied().unwrap_or_default();
            let former: Vec<(PublicId, i64)> = self.former.drain(..).map(|(former, id)| (former, row(&id))).collect();
            session.add_former_ids(&former).await?;
        }
        Ok(())
    }

    /// The hashes of the addresses where something is not wanted any more.
    pub(super) fn refused(&self) -> impl Iterator<Item = String> {
        let suppressed = self.suppressions.iter().map(|row| &row.address_hash);
        self.refused.iter().chain(suppressed).cloned()
    }

    pub(super) async fn write(
        &self,
        session: &mut Session,
        asks: &[Ask],
        now: UtcMillis,
    ) -> Result<(), SubscribersError> {
        if !self.updates.is_empty() {
            session.update_subscribers(&self.updates).await?;
            session.drop_subscriptions(&self.drop).await?;
            session.put_subscriptions(&self.put).await?;
            session.drop_join_requests_of(&self.confirmed).await?;
            session.cancel_deliveries_of(&self.cancel, false, now).await?;
            session.cancel_deliveries_of(&self.pause, true, now).await?;
            let gone: Vec<i64> = self.updates.iter().filter(|row| gone(row.state)).map(|row| row.id).collect();
            session.cancel_questions_to(&gone, now).await?;
        }
        for row in &self.suppressions {
            session.suppress(row).await?;
        }
        if !self.former_addresses.is_empty() {
            session.add_former_addresses(&self.former_addresses).await?;
        }
        if !self.requests.is_empty() {
            session.add_join_requests(&self.requests).await?;
        }
        if !self.reasons.is_empty() {
            session.add_reasons(&self.reasons).await?;
        }
        if !self.events.is_empty() {
            session.add_consents(&self.events).await?;
        }
        if !asks.is_empty() {
            session.add_asks(asks).await?;
        }
        Ok(())
    }
}

/// What stands between the state of an imported person and what proves that they agreed to it.
const PROVEN_BY: &str = "; ";

/// Whether an import has noted with this what proves that somebody agreed.
pub(in crate::subscribers) fn proves(evidence: &str) -> bool {
    evidence.contains(PROVEN_BY)
}

/// The evidence of what was imported. Where its events came along they are the evidence, and nothing is said twice.
fn imported(person: &SubscriberRow, row: &Row, import: &Import<'_>, origin: Origin<'_>, now: UtcMillis) -> ConsentRow {
    let mut event = event(person, "imported", now, origin);
    let given = match import.basis {
        ImportBasis::Confirmed(evidence) if !gone(person.state) => Some(evidence),
        _ => None,
    };
    let alone = row.past.as_ref().is_none_or(|past| past.events.is_empty());
    let own = row.claim.evidence.as_deref().filter(|_| alone);
    let mut text = format!("state {}", person.state);
    if let Some(evidence) = own.or(given) {
        text.push_str(PROVEN_BY);
        text.push_str(evidence);
        if let Some(at) = row.claim.confirmed_at {
            text.push_str(&format!(" (confirmed {at})"));
        }
    }
    if let Some(at) = row.claim.left_at {
        text.push_str(&format!("; left there {at}"));
    }
    event.evidence = Some(text);
    event.network = row.claim.network.clone().filter(|_| alone);
    event
}
