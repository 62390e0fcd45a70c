//! Writes a chunk of checked rows, or says what it would do; of two states of a person the more restrictive one wins.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::row::Row;
use super::{Import, ImportBasis};
use crate::domain::{PublicId, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{ConsentRow, Durability, Session, StoreError, SubscriberRow, SubscriptionRow};
use crate::subscribers::add::{drop_others, subscription};
use crate::subscribers::choice::Chosen;
use crate::subscribers::{Notify, Origin, Subscribers, SubscribersError, event};

/// How often a chunk is tried again when somebody joins at the same moment.
const TRIES: usize = 3;

/// What became of some rows.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) added: u64,
    pub(super) updated: u64,
    pub(super) unchanged: u64,
    pub(super) skipped: u64,
}

/// People that a report without effect has counted as added, by a short hash, so that their next row is not.
pub(super) type Planned = HashMap<u64, SubscriberState>;

/// What is to be done with a row.
enum Decision {
    Add(SubscriberState),
    Update(Box<Update>),
    Unchanged,
    Skip,
}

/// What changes of a known person.
struct Update {
    row: SubscriberRow,
    /// Digests that they get in addition.
    more: Vec<Chosen>,
    have: Vec<SubscriptionRow>,
    /// Whether they were pending, and are confirmed now.
    confirms: bool,
}

/// What the store knows of the people of a chunk.
struct Known {
    rows: HashMap<String, SubscriberRow>,
    subscriptions: HashMap<i64, Vec<SubscriptionRow>>,
    suppressed: Vec<String>,
}

impl Known {
    async fn look_up(session: &mut Session, chunk: &[Row]) -> Result<Self, StoreError> {
        let hashes: Vec<&str> = chunk.iter().map(|row| row.address_hash.as_str()).collect();
        let rows = session.subscribers_among(&hashes).await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let mut subscriptions: HashMap<i64, Vec<SubscriptionRow>> = HashMap::new();
        for have in session.subscriptions_among(&ids).await? {
            subscriptions.entry(have.subscriber_id).or_default().push(have);
        }
        let suppressed = session.suppressions_among(&hashes).await?.into_iter().map(|row| row.address_hash).collect();
        let rows = rows.into_iter().map(|row| (row.address_hash.clone(), row)).collect();
        Ok(Self { rows, subscriptions, suppressed })
    }

    fn decide(&self, row: &Row, basis: ImportBasis<'_>, now: UtcMillis) -> Decision {
        let wanted = row.wanted(basis);
        let suppressed = self.suppressed.contains(&row.address_hash);
        let Some(known) = self.rows.get(&row.address_hash) else {
            // A suppressed person may have been erased: nothing of theirs is written down again.
            return if suppressed { Decision::Skip } else { Decision::Add(wanted) };
        };
        if gone(wanted) {
            if strictness(wanted) <= strictness(known.state) {
                return Decision::Unchanged;
            }
            let row = SubscriberRow { state: wanted, updated_at: now, ..known.clone() };
            let have = self.subscriptions.get(&known.id).cloned().unwrap_or_default();
            return Decision::Update(Box::new(Update { row, more: Vec::new(), have, confirms: false }));
        }
        if suppressed || gone(known.state) {
            return Decision::Skip;
        }
        self.merge(row, known, wanted, now)
    }

    /// Brings together a row and somebody who is pending or confirmed.
    fn merge(&self, row: &Row, known: &SubscriberRow, wanted: SubscriberState, now: UtcMillis) -> Decision {
        let have = self.subscriptions.get(&known.id).cloned().unwrap_or_default();
        let mut next = known.clone();
        if wanted == SubscriberState::Confirmed && known.state == SubscriberState::Pending {
            next.state = SubscriberState::Confirmed;
            next.confirmed_at = Some(row.confirmed_at.unwrap_or(now));
        }
        if !row.name.is_empty() {
            next.name.clone_from(&row.name);
        }
        if let Some(locale) = &row.locale {
            next.locale = Some(locale.as_str().to_owned());
        }
        // Their own choices of topics, and what they have left, are newer than any file.
        let missing = |chosen: &&Chosen| !have.iter().any(|have| have.digest == chosen.digest);
        let agreed = row.chosen && (wanted == SubscriberState::Confirmed || known.state == SubscriberState::Pending);
        let more: Vec<Chosen> = row.choice.iter().filter(|_| agreed).filter(missing).cloned().collect();
        if next == *known && more.is_empty() {
            return Decision::Unchanged;
        }
        next.updated_at = now;
        let confirms = next.state != known.state;
        Decision::Update(Box::new(Update { row: next, more, have, confirms }))
    }
}

impl Subscribers {
    /// Says what a chunk would do.
    pub(super) async fn plan_chunk(
        &self,
        chunk: &[Row],
        import: &Import<'_>,
        planned: &mut Planned,
    ) -> Result<Counts, SubscribersError> {
        let known = Known::look_up(&mut self.store.read().await?, chunk).await?;
        let mut counts = Counts::default();
        for row in chunk {
            match known.decide(row, import.basis, self.now()) {
                Decision::Add(state) => {
                    let mut hasher = DefaultHasher::new();
                    row.address_hash.hash(&mut hasher);
                    match planned.insert(hasher.finish(), state) {
                        None => counts.added += 1,
                        Some(before) if strictness(state) > strictness(before) && gone(state) => counts.updated += 1,
                        Some(_) => counts.unchanged += 1,
                    }
                }
                Decision::Update(_) => counts.updated += 1,
                Decision::Unchanged => counts.unchanged += 1,
                Decision::Skip => counts.skipped += 1,
            }
        }
        Ok(counts)
    }

    /// Writes a chunk in one transaction.
    pub(super) async fn apply_chunk(
        &self,
        chunk: &[Row],
        import: &Import<'_>,
        notify: &impl Notify,
    ) -> Result<Counts, SubscribersError> {
        let mut tries = 1;
        loop {
            match self.try_apply_chunk(chunk, import, notify).await {
                Err(SubscribersError::Store(error)) if error.is_conflict() && tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }

    async fn try_apply_chunk(
        &self,
        chunk: &[Row],
        import: &Import<'_>,
        notify: &impl Notify,
    ) -> Result<Counts, SubscribersError> {
        let now = self.now();
        let source = format!("import of {}", import.path.file_name().unwrap_or_default().to_string_lossy());
        let origin = Origin { source: &source, ..Origin::COMMAND_LINE };
        let mut session = self.store.write(Durability::Full).await?;
        let hashes: Vec<&str> = chunk.iter().map(|row| row.address_hash.as_str()).collect();
        session.lock_subscribers_among(&hashes).await?;
        let known = Known::look_up(&mut session, chunk).await?;
        let (mut counts, mut new, mut events) = (Counts::default(), Vec::new(), Vec::new());
        let mut waiting = Vec::new();
        for row in chunk {
            match known.decide(row, import.basis, now) {
                Decision::Add(state) => {
                    counts.added += 1;
                    new.push((self.fresh(row, state, now), row));
                }
                Decision::Update(update) => {
                    counts.updated += 1;
                    self.update(&mut session, &update, row, now).await?;
                    events.push(imported(&update.row, row, import, origin, now));
                    if update.row.state == SubscriberState::Pending && !update.more.is_empty() {
                        // What they were asked before does not cover it.
                        waiting.push((update.row.clone(), row));
                    }
                }
                Decision::Unchanged => counts.unchanged += 1,
                Decision::Skip => counts.skipped += 1,
            }
        }
        insert(&mut session, &mut new, now).await?;
        events.extend(new.iter().map(|(person, row)| imported(person, row, import, origin, now)));
        session.add_consents(&events).await?;
        if import.basis == ImportBasis::Ask {
            let fresh = new.iter().filter(|(person, _)| person.state == SubscriberState::Pending);
            for (person, row) in fresh.chain(&waiting) {
                self.ask(&mut session, person, &row.address, &row.choice, origin, notify).await?;
            }
        }
        session.commit().await?;
        Ok(counts)
    }

    fn fresh(&self, row: &Row, state: SubscriberState, now: UtcMillis) -> SubscriberRow {
        let confirmed = state == SubscriberState::Confirmed;
        SubscriberRow {
            id: 0,
            public_id: PublicId::new(self.random.as_ref()),
            email: row.address.as_str().to_owned(),
            address_hash: row.address_hash.clone(),
            name: row.name.clone(),
            state,
            locale: row.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            created_at: now,
            updated_at: now,
            confirmed_at: row.confirmed_at.or(confirmed.then_some(now)),
        }
    }

    async fn update(
        &self,
        session: &mut Session,
        update: &Update,
        row: &Row,
        now: UtcMillis,
    ) -> Result<(), SubscribersError> {
        session.update_subscriber(&update.row).await?;
        if update.confirms && row.chosen {
            drop_others(session, update.row.id, &update.have, &row.choice).await?;
        }
        for chosen in &update.more {
            session.put_subscription(&subscription(update.row.id, chosen, now)).await?;
        }
        if gone(update.row.state) {
            for have in &update.have {
                session.cancel_deliveries(update.row.id, Some(&have.digest), now).await?;
                if update.row.state == SubscriberState::Unsubscribed && have.state != SubscriptionState::Left {
                    session.put_subscription(&left(have.clone(), now)).await?;
                }
            }
        }
        Ok(())
    }
}

/// Inserts new people with their subscriptions, and fills in their row ids.
async fn insert(
    session: &mut Session,
    new: &mut [(SubscriberRow, &Row)],
    now: UtcMillis,
) -> Result<(), SubscribersError> {
    let rows: Vec<SubscriberRow> = new.iter().map(|(person, _)| person.clone()).collect();
    let ids: HashMap<PublicId, i64> =
        session.add_subscribers(&rows).await?.into_iter().map(|(id, public)| (public, id)).collect();
    let mut subscriptions = Vec::with_capacity(new.len());
    for (person, row) in new {
        person.id = ids.get(&person.public_id).copied().unwrap_or_default();
        for chosen in &row.choice {
            let have = subscription(person.id, chosen, now);
            let unsubscribed = person.state == SubscriberState::Unsubscribed;
            subscriptions.push(if unsubscribed { left(have, now) } else { have });
        }
    }
    session.add_subscriptions(&subscriptions).await?;
    Ok(())
}

fn left(have: SubscriptionRow, now: UtcMillis) -> SubscriptionRow {
    SubscriptionRow { state: SubscriptionState::Left, paused_until: None, left_at: Some(now), ..have }
}

/// The evidence of what was imported.
fn imported(person: &SubscriberRow, row: &Row, import: &Import<'_>, origin: Origin<'_>, now: UtcMillis) -> ConsentRow {
    let mut event = event(person, "imported", now, origin);
    let given = match import.basis {
        ImportBasis::Confirmed(evidence) => Some(evidence.to_owned()),
        ImportBasis::Rows | ImportBasis::Ask => None,
    };
    let evidence = row.evidence.clone().or(given);
    let state = format!("state {}", person.state);
    event.evidence = Some(match (evidence, row.confirmed_at) {
        (Some(evidence), Some(at)) => format!("{state}; {evidence} (confirmed {at})"),
        (Some(evidence), None) => format!("{state}; {evidence}"),
        (None, _) => state,
    });
    event
}

/// Whether nobody in that state is mailed a digest, nor asked.
fn gone(state: SubscriberState) -> bool {
    strictness(state) >= strictness(SubscriberState::Unsubscribed)
}

fn strictness(state: SubscriberState) -> u8 {
    match state {
        SubscriberState::Confirmed => 0,
        SubscriberState::Pending => 1,
        SubscriberState::Unsubscribed => 2,
        SubscriberState::Bounced => 3,
        SubscriberState::Complained => 4,
    }
}
