//! Writes a chunk of checked rows in one short transaction, or says what it would do.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::decide::{Decision, Known, Numbered, Update, fresh, gone, left};
use super::report::{Counts, Skip};
use super::row::Row;
use super::{Import, ImportBasis};
use crate::domain::{PublicId, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{
    Ask, ConsentRow, Durability, FormerAddressRow, GivenReasonRow, JoinRequestRow, Session, SubscriberRow,
    SubscriptionRow, SuppressionRow,
};
use crate::subscribers::{Origin, Subscribers, SubscribersError, TRIES, event};

/// What a chunk writes.
#[derive(Default)]
struct Changes<'c> {
    counts: Counts,
    new: Vec<(SubscriberRow, &'c Row)>,
    /// Ids from before two became one, and the present id of each.
    former: Vec<(PublicId, PublicId)>,
    /// What came along of those who are new.
    former_addresses: Vec<FormerAddressRow>,
    requests: Vec<JoinRequestRow>,
    reasons: Vec<GivenReasonRow>,
    updates: Vec<SubscriberRow>,
    put: Vec<SubscriptionRow>,
    cancel: Vec<(i64, String)>,
    drop: Vec<(i64, String)>,
    /// The row ids of those who were pending until now.
    confirmed: Vec<i64>,
    events: Vec<ConsentRow>,
    suppressions: Vec<SuppressionRow>,
    /// The row ids of those who are asked.
    ask: Vec<i64>,
}

impl Subscribers {
    /// Says what a chunk would do; without `grounds`, what it would do if there were any.
    pub(super) async fn plan_chunk(
        &self,
        chunk: &[Numbered],
        import: &Import<'_>,
        grounds: bool,
    ) -> Result<Counts, SubscribersError> {
        let all: Vec<&Numbered> = chunk.iter().collect();
        let known = Known::look_up(&mut self.store.read().await?, &all).await?;
        let mut counts = Counts::default();
        let asks = import.basis == ImportBasis::Ask;
        for numbered in chunk {
            let row = &numbered.row;
            match known.decide(numbered, import.basis, self.now()) {
                // They would be known by then.
                Decision::Add(_) if numbered.again => counts.unchanged += 1,
                Decision::Add(_) | Decision::Update(_) if grounds && row.lacks_evidence(import.basis) => {
                    counts.skip(row, Skip::Unproven);
                }
                Decision::Add(state) => {
                    counts.asked += u64::from(asks && state == SubscriberState::Pending);
                    counts.add(row);
                }
                Decision::Update(update) => {
                    counts.asked += u64::from(asks && update.ask);
                    counts.update(row);
                }
                Decision::Unchanged => counts.unchanged += 1,
                Decision::Skip(why) => counts.skip(row, why),
            }
        }
        Ok(counts)
    }

    /// Writes a chunk in one transaction. `pace` says when the next one is asked.
    pub(super) async fn apply_chunk(
        &self,
        chunk: &[Numbered],
        import: &Import<'_>,
        pace: &mut impl FnMut() -> UtcMillis,
    ) -> Result<Counts, SubscribersError> {
        for _ in 1..TRIES {
            match self.try_apply_chunk(chunk, import, pace).await {
                Err(error) if error.is_contention() => {}
                result => return result,
            }
        }
        self.try_apply_chunk(chunk, import, pace).await
    }

    async fn try_apply_chunk(
        &self,
        chunk: &[Numbered],
        import: &Import<'_>,
        pace: &mut impl FnMut() -> UtcMillis,
    ) -> Result<Counts, SubscribersError> {
        let source = format!("import of {}", name_of(import.path));
        let mut session = self.store.write(Durability::Full).await?;
        let hashes: Vec<&str> = chunk.iter().map(|numbered| numbered.row.address_hash.as_str()).collect();
        session.lock_subscribers_among(&hashes).await?;
        session.lock_moved_among(&hashes).await?;
        let mut counts = Counts::default();
        let mut rest: Vec<&Numbered> = chunk.iter().collect();
        while !rest.is_empty() {
            (counts, rest) = self.apply_some(&mut session, counts, rest, import, &source, pace).await?;
        }
        session.commit().await?;
        Ok(counts)
    }

    /// Writes some of the rows, and gives those that are about somebody whom one of these has changed: by an address that
    /// they had before.
    async fn apply_some<'c>(
        &self,
        session: &mut Session,
        counts: Counts,
        rows: Vec<&'c Numbered>,
        import: &Import<'_>,
        source: &str,
        pace: &mut impl FnMut() -> UtcMillis,
    ) -> Result<(Counts, Vec<&'c Numbered>), SubscribersError> {
        let now = self.now();
        let origin = Origin { source, ..Origin::COMMAND_LINE };
        let known = Known::look_up(session, &rows).await?;
        let mut changes = Changes { counts, ..Changes::default() };
        let mut taken = known.taken.clone();
        let mut fresh_id = PublicId::together(self.random.as_ref());
        let (mut changed, mut later) = (HashSet::new(), Vec::new());
        for numbered in rows {
            let row = &numbered.row;
            let decision = match known.decide(numbered, import.basis, now) {
                Decision::Add(_) | Decision::Update(_) if row.lacks_evidence(import.basis) => {
                    Decision::Skip(Skip::Unproven)
                }
                decision => decision,
            };
            if let Decision::Update(update) = &decision
                && !changed.insert(update.row.id)
            {
                later.push(numbered);
                continue;
            }
            // Also of somebody who is left alone otherwise.
            changes.suppressions.extend(known.new_suppression(row, now));
            match decision {
                Decision::Add(state) => {
                    changes.counts.add(row);
                    // An id that somebody has stays theirs.
                    let own = row.past.as_ref().into_iter().flat_map(|past| &past.ids);
                    let mut own = own.filter(|id| taken.insert((*id).clone())).cloned();
                    let id = own.next().unwrap_or_else(&mut fresh_id);
                    changes.former.extend(own.map(|former| (former, id.clone())));
                    changes.new.push((newcomer(row, state, id, now), row));
                }
                Decision::Update(update) => {
                    changes.counts.update(row);
                    changes.update(*update, row, import, origin, now);
                }
                Decision::Unchanged => changes.counts.unchanged += 1,
                Decision::Skip(why) => changes.counts.skip(row, why),
            }
        }
        changes.insert(session, import, origin, now).await?;
        let asks = if import.basis == ImportBasis::Ask { std::mem::take(&mut changes.ask) } else { Vec::new() };
        changes.counts.asked += asks.len() as u64;
        let asks: Vec<Ask> = asks
            .into_iter()
            .map(|subscriber_id| Ask { subscriber_id, due_at: pace(), source: source.to_owned() })
            .collect();
        changes.write(session, &asks, now).await?;
        Ok((changes.counts, later))
    }
}

/// The name of a file as a text; octets that are none stand there as `\xe9`.
fn name_of(path: &Path) -> String {
    let mut name = String::new();
    for chunk in path.file_name().unwrap_or_default().as_encoded_bytes().utf8_chunks() {
        name.push_str(chunk.valid());
        name.extend(chunk.invalid().iter().map(|octet| format!("\\x{octet:02x}")));
    }
    name
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
    }
}

impl Changes<'_> {
    fn update(&mut self, update: Update, row: &Row, import: &Import<'_>, origin: Origin<'_>, now: UtcMillis) {
        let id = update.row.id;
        self.events.push(imported(&update.row, row, import, origin, now));
        self.put.extend(update.put);
        self.cancel.extend(update.cancel.into_iter().map(|digest| (id, digest)));
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
    async fn insert(
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
            let gone_at = (person.state == SubscriberState::Unsubscribed).then(|| row.claim.left_at.unwrap_or(now));
            subscriptions.extend(fresh(row, person.id, now).into_iter().map(|have| match gone_at {
                Some(at) if have.state != SubscriptionState::Left => left(have, at),
                _ => have,
            }));
            if let Some(past) = &row.past {
                self.events.extend(past.events.iter().map(|event| event.row(person.id)));
                self.former_addresses.extend(past.former.iter().map(|former| former.row(person.id)));
                self.requests.extend(past.requests.iter().map(|request| request.row(person.id)));
                self.reasons.extend(past.reasons.iter().map(|reason| reason.row(person.id)));
            }
            self.events.push(imported(person, row, import, origin, now));
            if person.state == SubscriberState::Pending {
                self.ask.push(person.id);
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

    async fn write(&self, session: &mut Session, asks: &[Ask], now: UtcMillis) -> Result<(), SubscribersError> {
        if !self.updates.is_empty() {
            session.update_subscribers(&self.updates).await?;
            session.drop_subscriptions(&self.drop).await?;
            session.put_subscriptions(&self.put).await?;
            session.drop_join_requests_of(&self.confirmed).await?;
            session.cancel_deliveries_of(&self.cancel, now).await?;
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
    let own = row.claim.evidence.as_deref().filter(|_| row.past.as_ref().is_none_or(|past| past.events.is_empty()));
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
    event.network.clone_from(&row.claim.network);
    event
}
