//! Says what an import would do: decides on each chunk as the import does, and writes nothing down.

use std::collections::{HashMap, HashSet};

use super::changes::{Changes, subscriptions_of};
use super::decide::{Known, Numbered};
use super::own::Done;
use super::report::Counts;
use super::{Import, ImportBasis};
use crate::domain::{SubscriberState, UtcMillis};
use crate::store::{Session, StoreError, SubscriberRow, SubscriptionRow};
use crate::subscribers::{Origin, Subscribers, SubscribersError, SuppressionReason};

/// An import that is only thought through, with what it would have done so far.
pub(super) struct Plan<'a> {
    import: Import<'a>,
    foreseen: Foreseen,
}

impl<'a> Plan<'a> {
    /// Of that import; without `grounds`, as if there were any.
    pub(super) fn of(import: &Import<'a>, grounds: bool) -> Self {
        let basis = if grounds { import.basis } else { ImportBasis::Confirmed("") };
        Self { import: Import { basis, ..import.clone() }, foreseen: Foreseen::default() }
    }
}

/// What would be known by now. It holds those alone who may come again in the file, so that memory stays as it is for all the
/// others.
#[derive(Default)]
struct Foreseen {
    /// Those who were changed, and those who are new: these have ids below zero.
    people: HashMap<i64, (SubscriberRow, Vec<SubscriptionRow>)>,
    /// Who is new, by the hash of their address.
    new: HashMap<String, i64>,
    /// What they have done themselves.
    own: HashMap<i64, Done>,
    /// Who of them had an address before, by its hash.
    moved: HashMap<String, i64>,
    suppressed: HashMap<String, SuppressionReason>,
}

impl Subscribers {
    /// Says what a chunk would do.
    pub(super) async fn plan_chunk(&self, chunk: &[Numbered], plan: &mut Plan<'_>) -> Result<Counts, SubscribersError> {
        let (mut session, now) = (self.store.read().await?, self.now());
        let (mut counts, mut rest) = (Counts::default(), chunk.iter().collect::<Vec<_>>());
        while !rest.is_empty() {
            let mut known = Known::look_up(&mut session, &rest, plan.import.basis).await?;
            plan.foreseen.add_to(&mut known, &rest);
            let people: Vec<i64> = rest.iter().flat_map(|numbered| known.about(&numbered.row)).collect();
            let movers = match people.is_empty() {
                true => HashSet::new(),
                false => session.have_moved_among(&people).await?.into_iter().collect(),
            };
            let again = may_come_again(&rest, &known, &movers);
            let origin = Origin::COMMAND_LINE;
            let (changes, later) = self.decide(&known, counts, rest, &plan.import, (origin, now));
            let kept = plan.foreseen.kept(&mut session, &changes).await?;
            plan.foreseen.note(&changes, &known, (&again, &movers), &kept, now);
            (counts, rest) = (changes.counts, later);
        }
        Ok(counts)
    }
}

/// The hashes of the addresses of those who may come again: by this address, or by one that they had before.
fn may_come_again(rows: &[&Numbered], known: &Known, movers: &HashSet<i64>) -> HashSet<String> {
    let again = rows.iter().filter(|numbered| {
        let row = &numbered.row;
        let moved = known.rows.get(&row.address_hash).is_some_and(|person| movers.contains(&person.id));
        numbered.repeated || moved || row.former().next().is_some()
    });
    again.map(|numbered| numbered.row.address_hash.clone()).collect()
}

impl Foreseen {
    /// Brings what the store knows up to what it would know by now.
    fn add_to(&self, known: &mut Known, rows: &[&Numbered]) {
        if self.people.is_empty() && self.suppressed.is_empty() {
            return;
        }
        // Whoever was changed before has been asked with it.
        known.unasked.retain(|id| !self.people.contains_key(id));
        for Numbered { row, .. } in rows {
            let hash = &row.address_hash;
            let person = |ids: &HashMap<String, i64>| Some(self.people.get(ids.get(hash)?)?.0.clone());
            if let Some(new) = person(&self.new) {
                if let Some(done) = self.own.get(&new.id) {
                    known.own.add(new.id, done);
                }
                known.rows.insert(hash.clone(), new);
            }
            if let Some(moved) = person(&self.moved) {
                if let Some(done) = self.own.get(&moved.id) {
                    known.own.add(moved.id, done);
                }
                known.moved.entry(hash.clone()).or_insert(moved);
            }
            if let Some(reason) = self.suppressed.get(hash) {
                known.suppressed.insert(hash.clone(), *reason);
            }
        }
        let Known { rows: people, moved, subscriptions, suppressed, .. } = known;
        for person in people.values_mut().chain(moved.values_mut()) {
            if let Some((row, have)) = self.people.get(&person.id) {
                person.clone_from(row);
                subscriptions.insert(row.id, have.clone());
            }
            if let Some(reason) = self.suppressed.get(&person.address_hash) {
                suppressed.insert(person.address_hash.clone(), *reason);
            }
        }
    }

    /// The hashes of those addresses that somebody who is new had before, and that somebody else has confirmed here: they keep
    /// them, as the store sees to it.
    async fn kept(&self, session: &mut Session, changes: &Changes<'_>) -> Result<HashSet<String>, StoreError> {
        let claimed = changes.new.iter().flat_map(|(_, row)| row.former());
        let claimed: Vec<&str> = claimed.map(|former| former.address_hash.as_str()).collect();
        if claimed.is_empty() {
            return Ok(HashSet::new());
        }
        let stored = session.subscribers_among(&claimed).await?.into_iter();
        let mut owners: HashMap<String, SubscriberState> =
            stored.map(|person| (person.address_hash, person.state)).collect();
        let by_now = self.people.values().map(|(person, _)| person).chain(&changes.updates);
        let by_now = by_now.chain(changes.new.iter().map(|(person, _)| person));
        let claimed: HashSet<&str> = claimed.into_iter().collect();
        let by_now = by_now.filter(|person| claimed.contains(person.address_hash.as_str()));
        owners.extend(by_now.map(|person| (person.address_hash.clone(), person.state)));
        owners.retain(|_, state| *state == SubscriberState::Confirmed);
        Ok(owners.into_keys().collect())
    }

    /// Notes what would be changed of those who may come again: by that address, or since they had others before.
    fn note(
        &mut self,
        changes: &Changes<'_>,
        known: &Known,
        (again, movers): (&HashSet<String>, &HashSet<i64>),
        kept: &HashSet<String>,
        now: UtcMillis,
    ) {
        let may_come_again =
            |person: &SubscriberRow| again.contains(&person.address_hash) || movers.contains(&person.id);
        let elsewhere: HashSet<&str> = known.moved.values().map(|person| person.address_hash.as_str()).collect();
        let suppressed = changes.suppressions.iter();
        let suppressed =
            suppressed.filter(|row| again.contains(&row.address_hash) || elsewhere.contains(row.address_hash.as_str()));
        let suppressed = suppressed.map(|row| (row.address_hash.clone(), SuppressionReason::parse(&row.reason)));
        self.suppressed.extend(suppressed);
        for person in &changes.updates {
            if !self.people.contains_key(&person.id) && !may_come_again(person) {
                continue;
            }
            let had = || known.subscriptions.get(&person.id).cloned().unwrap_or_default();
            let (_, mut have) = self.people.remove(&person.id).unwrap_or_else(|| (person.clone(), had()));
            let theirs = |id: i64, digest: &str, have: &SubscriptionRow| id == person.id && have.digest == digest;
            have.retain(|have| {
                let put = changes.put.iter().any(|put| theirs(put.subscriber_id, &put.digest, have));
                !put && !changes.drop.iter().any(|(id, digest)| theirs(*id, digest, have))
            });
            have.extend(changes.put.iter().filter(|put| put.subscriber_id == person.id).cloned());
            self.people.insert(person.id, (person.clone(), have));
        }
        for (person, row) in changes.new.iter().filter(|(person, _)| may_come_again(person)) {
            let id = -1 - i64::try_from(self.people.len()).unwrap_or_default();
            let person = SubscriberRow { id, ..person.clone() };
            self.new.insert(person.address_hash.clone(), id);
            self.own.insert(id, Done::of(row));
            for former in row.former().filter(|former| !kept.contains(&former.address_hash)) {
                self.moved.entry(former.address_hash.clone()).or_insert(id);
            }
            let have = subscriptions_of(&person, row, now).collect();
            self.people.insert(id, (person, have));
        }
    }
}
