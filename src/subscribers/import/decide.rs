//! Decides what a row does to the person whom the store knows; of two states the more restrictive one wins.

use std::collections::{HashMap, HashSet};

use super::movers::end_request;
use super::own::Own;
use super::report::Skip;
use super::row::Row;
use super::{ImportBasis, strictness};
use crate::domain::{PublicId, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{Session, StoreError, SubscriberRow, SubscriptionRow, SuppressionRow};
use crate::subscribers::SuppressionReason;
use crate::subscribers::add::{is_wanted, subscription};

/// What is to be done with a row.
pub(super) enum Decision {
    Add(SubscriberState),
    /// Of more than one only where a no reaches whoever asked for the address, and whoever had it before.
    Update(Vec<Update>),
    Unchanged,
    Skip(Skip),
}

/// What changes of a known person.
pub(super) struct Update {
    pub(super) row: SubscriberRow,
    /// Subscriptions to be written.
    pub(super) put: Vec<SubscriptionRow>,
    /// Digests whose open deliveries are stopped.
    pub(super) cancel: Vec<String>,
    /// Digests that they had been asked about, before the file's take their place.
    pub(super) drop: Vec<String>,
    /// Whether they were pending until now: what waits for their answer is of no use any more.
    pub(super) confirms: bool,
    /// Whether they are pending and want more, so that what they were asked before does not cover it.
    pub(super) ask: bool,
    /// The digests that come to them from now on, or once they confirm.
    pub(super) gets: Vec<String>,
}

impl Update {
    /// Whether more comes to somebody by it.
    fn is_for_more(&self) -> bool {
        self.confirms || self.ask || !self.gets.is_empty()
    }
}

/// A row of a chunk.
pub(super) struct Numbered {
    pub(super) row: Row,
    /// Whether the file has more than one for this person.
    pub(super) repeated: bool,
    /// Whether it had one before.
    pub(super) again: bool,
    /// Whether another one says that they have gone, and this one does not.
    pub(super) overruled: bool,
    /// Whether a bad one may say so.
    pub(super) doubtful: bool,
    /// Whether it is a bad one itself, of which only the no counts.
    pub(super) refused: bool,
}

/// What the store knows of the people of a chunk.
pub(super) struct Known {
    pub(super) rows: HashMap<String, SubscriberRow>,
    pub(super) subscriptions: HashMap<i64, Vec<SubscriptionRow>>,
    pub(super) suppressed: HashMap<String, SuppressionReason>,
    /// Who had an address before they moved, by its hash.
    pub(super) moved: HashMap<String, SubscriberRow>,
    /// Public ids of the chunk that somebody has.
    pub(super) taken: HashSet<PublicId>,
    /// Who is pending and was never asked, where an import asks; by their row ids.
    pub(super) unasked: HashSet<i64>,
    pub(super) own: Own,
}

impl Known {
    pub(super) async fn look_up(
        session: &mut Session,
        chunk: &[&Numbered],
        basis: ImportBasis<'_>,
    ) -> Result<Self, StoreError> {
        let mut hashes: Vec<&str> = chunk.iter().map(|numbered| numbered.row.address_hash.as_str()).collect();
        let rows = session.subscribers_among(&hashes).await?;
        let moved = session.moved_among(&hashes).await?;
        let people = rows.iter().chain(moved.iter().map(|moved| &moved.person));
        let ids: Vec<i64> = people.map(|row| row.id).collect();
        let mut subscriptions: HashMap<i64, Vec<SubscriptionRow>> = HashMap::new();
        if !ids.is_empty() {
            for have in session.subscriptions_among(&ids).await? {
                subscriptions.entry(have.subscriber_id).or_default().push(have);
            }
        }
        hashes.extend(moved.iter().map(|moved| moved.person.address_hash.as_str()));
        let suppressed = session.suppressions_among(&hashes).await?;
        let suppressed =
            suppressed.into_iter().map(|row| (row.address_hash, SuppressionReason::parse(&row.reason))).collect();
        let pasts = chunk.iter().filter_map(|numbered| numbered.row.past.as_ref());
        let public: Vec<&str> = pasts.flat_map(|past| &past.ids).map(PublicId::as_str).collect();
        let taken = if public.is_empty() { Vec::new() } else { session.public_ids_among(&public).await? };
        let rows: HashMap<String, SubscriberRow> =
            rows.into_iter().map(|row| (row.address_hash.clone(), row)).collect();
        let moved = moved.into_iter().map(|moved| (moved.former_hash, moved.person)).collect();
        let own = Own::look_up(session, &rows, &moved, chunk).await?;
        let pending = rows.values().filter(|row| basis == ImportBasis::Ask && row.state == SubscriberState::Pending);
        let pending: Vec<i64> = pending.map(|row| row.id).collect();
        let unasked = if pending.is_empty() { Vec::new() } else { session.unasked_among(&pending).await? };
        let unasked = unasked.into_iter().collect();
        Ok(Self { rows, subscriptions, suppressed, moved, taken: taken.into_iter().collect(), unasked, own })
    }

    /// The row ids of those whom a row is about: who has its address, and who had it before.
    pub(super) fn about(&self, row: &Row) -> impl Iterator<Item = i64> {
        self.rows.get(&row.address_hash).into_iter().chain(self.mover(row)).map(|person| person.id)
    }

    pub(super) fn decide(&self, numbered: &Numbered, basis: ImportBasis<'_>, now: UtcMillis) -> Decision {
        match self.decide_proven(numbered, basis, now) {
            Decision::Add(_) | Decision::Update(_) if numbered.row.lacks_evidence(basis) => {
                Decision::Skip(Skip::Unproven)
            }
            Decision::Add(state) if numbered.doubtful && !gone(state) => Decision::Skip(Skip::Doubtful),
            Decision::Update(updates) if numbered.doubtful && updates.iter().any(Update::is_for_more) => {
                Decision::Skip(Skip::Doubtful)
            }
            decision => decision,
        }
    }

    /// What is to be done where something proves that whoever would be mailed agreed.
    fn decide_proven(&self, numbered: &Numbered, basis: ImportBasis<'_>, now: UtcMillis) -> Decision {
        let row = &numbered.row;
        if row.claim.stranger {
            return Decision::Skip(Skip::Stranger);
        }
        let wanted = row.wanted(basis);
        let suppressed = self.suppressed.get(&row.address_hash).copied();
        let nothing = row.wishes.choice.is_empty() && row.wishes.exact.is_empty();
        let known = self.rows.get(&row.address_hash);
        // What the other row says of somebody who is known is for that one to do: it may be over.
        if numbered.overruled && (known.is_some() || self.mover(row).is_some()) {
            return Decision::Unchanged;
        }
        // Whoever had it and a request for it go side by side, as long as nobody is asked once more for it.
        let asks = wanted != SubscriberState::Pending || basis == ImportBasis::Ask;
        if let Some(person) = self.mover(row).filter(|_| asks) {
            let theirs = self.decide_moved(row, person, wanted, suppressed, now);
            return match known.filter(|_| gone(wanted)) {
                Some(asker) => end_request(self.go(row, asker, now), theirs),
                None => theirs,
            };
        }
        let Some(known) = known else {
            return match suppressed {
                // A suppressed person may have been erased: nothing of theirs is written down again.
                Some(reason) => Decision::Skip(because(reason)),
                // Whom our own export has without a subscription had none there.
                None if nothing && !gone(wanted) && row.past.is_none() => Decision::Skip(Skip::NothingHere),
                None => Decision::Add(wanted),
            };
        };
        let have = self.subscriptions.get(&known.id).map_or(&[][..], Vec::as_slice);
        if gone(wanted) {
            return self.go(row, known, now);
        }
        match (suppressed, known.state) {
            (Some(reason), _) => Decision::Skip(because(reason)),
            (None, SubscriberState::Unsubscribed) => Decision::Skip(Skip::Left),
            (None, SubscriberState::Bounced) => Decision::Skip(Skip::Bounced),
            (None, SubscriberState::Complained) => Decision::Skip(Skip::Complained),
            (None, SubscriberState::Pending | SubscriberState::Confirmed) if nothing => {
                Decision::Skip(Skip::NothingHere)
            }
            (None, SubscriberState::Pending | SubscriberState::Confirmed) => {
                self.merge(numbered, known, have, wanted, now)
            }
        }
    }

    /// The suppression that a row brings, where none here weighs as much and no later confirmation has lifted it. That
    /// somebody complained is one even where nothing else is known of them: they may have been erased.
    pub(super) fn new_suppression(&self, row: &Row, now: UtcMillis) -> Option<SuppressionRow> {
        let known = self.suppressed.get(&row.address_hash).copied();
        let heavier = |reason: SuppressionReason| known.is_none_or(|known| known.weight() < reason.weight());
        let suppression = |reason: SuppressionReason, note: &str, created_at: UtcMillis| SuppressionRow {
            address_hash: row.address_hash.clone(),
            reason: reason.as_str().to_owned(),
            note: note.to_owned(),
            // One that began in the future would outlast every confirmation until then.
            created_at: now.min(created_at),
        };
        let mark = row.past.as_ref().and_then(|past| past.suppressed.as_ref());
        let lifted = self.rows.get(&row.address_hash).is_some_and(|person| self.own.has_lifted(person, row));
        if let Some(mark) = mark.filter(|mark| heavier(mark.reason) && !lifted) {
            return Some(suppression(mark.reason, &mark.note, mark.since));
        }
        let complained = row.claim.state == Some(SubscriberState::Complained);
        let nobody = known.is_some() && !self.rows.contains_key(&row.address_hash);
        let complaint = SuppressionReason::Complaint;
        (complained && nobody && heavier(complaint))
            .then(|| suppression(complaint, "", row.claim.left_at.unwrap_or(now)))
    }

    /// What a row that says no does to whoever has its address.
    fn go(&self, row: &Row, known: &SubscriberRow, now: UtcMillis) -> Decision {
        match self.leave(known, &self.own.lasting(known, row), now) {
            Some(update) => Decision::Update(vec![update]),
            None => self.suppression(row, known),
        }
    }

    /// Somebody goes for the strictest of these reasons, where that is stricter than what is known of them.
    pub(super) fn leave(&self, known: &SubscriberRow, reasons: &[SubscriberState], now: UtcMillis) -> Option<Update> {
        let state = *reasons.first().filter(|state| strictness(**state) > strictness(known.state))?;
        let have = self.subscriptions.get(&known.id).map_or(&[][..], Vec::as_slice);
        let leaves = reasons.contains(&SubscriberState::Unsubscribed);
        let open = have.iter().filter(|have| leaves && have.state != SubscriptionState::Left);
        let left_all_at = leaves.then_some(now).or(known.left_all_at);
        Some(Update {
            row: SubscriberRow { state, updated_at: now, left_all_at, ..known.clone() },
            put: open.map(|have| left(have.clone(), now)).collect(),
            cancel: have.iter().map(|have| have.digest.clone()).collect(),
            drop: Vec::new(),
            confirms: false,
            ask: false,
            gets: Vec::new(),
        })
    }

    /// Of somebody who has gone here as well only a suppression can be new.
    fn suppression(&self, row: &Row, known: &SubscriberRow) -> Decision {
        if !self.suppresses(row) {
            return Decision::Unchanged;
        }
        let update = Update {
            row: known.clone(),
            put: Vec::new(),
            cancel: Vec::new(),
            drop: Vec::new(),
            confirms: false,
            ask: false,
            gets: Vec::new(),
        };
        Decision::Update(vec![update])
    }

    fn suppresses(&self, row: &Row) -> bool {
        self.new_suppression(row, UtcMillis(0)).is_some()
    }

    /// Brings together a row and somebody who is pending or confirmed.
    fn merge(
        &self,
        numbered: &Numbered,
        known: &SubscriberRow,
        have: &[SubscriptionRow],
        wanted: SubscriberState,
        now: UtcMillis,
    ) -> Decision {
        let row = &numbered.row;
        let mut next = known.clone();
        let confirms = wanted == SubscriberState::Confirmed && known.state == SubscriberState::Pending;
        if confirms {
            next.state = SubscriberState::Confirmed;
            next.confirmed_at = Some(row.claim.confirmed_at.unwrap_or(now));
        }
        self.own.introduce(&mut next, numbered, wanted);
        // Their own choices of topics, and what they have left, are newer than any file. What somebody who has not
        // confirmed seems to want may be another's wish: the file's takes its place.
        let wishes = &row.wishes;
        let agreed = confirms
            || wishes.chosen && (wanted == SubscriberState::Confirmed || known.state == SubscriberState::Pending);
        let stands = |digest: &str| have.iter().any(|have| have.digest == digest && !(confirms && is_wanted(have)));
        let mut put = Vec::new();
        if agreed {
            put.extend(fresh(row, known.id, now).into_iter().filter(|new| !stands(&new.digest)));
        }
        let overdue = have.iter().filter(|have| self.unasked.contains(&known.id) && is_wanted(have));
        let gets: Vec<String> =
            put.iter().chain(overdue).filter(|have| is_wanted(have)).map(|have| have.digest.clone()).collect();
        let asked = !put.is_empty() || self.unasked.contains(&known.id) && !gets.is_empty();
        let ask = asked && next.state == SubscriberState::Pending;
        let replaced = have.iter().filter(|have| confirms && is_wanted(have));
        let drop: Vec<String> = replaced.map(|have| have.digest.clone()).collect();
        let exact = wishes.exact.iter().filter(|theirs| !confirms && !self.own.has_taken_up(known, theirs));
        let stricter = stricter(exact, have, now);
        let mut cancel: Vec<String> = stricter.iter().map(|have| have.digest.clone()).collect();
        let remain = have.iter().filter(|have| !drop.contains(&have.digest) && !cancel.contains(&have.digest));
        let stays = remain.chain(&put).chain(&stricter).any(|have| have.state != SubscriptionState::Left);
        put.extend(stricter);
        if !stays {
            next.state = SubscriberState::Unsubscribed;
            next.left_all_at = Some(now);
        }
        let suppress = self.suppresses(row);
        if next == *known && put.is_empty() && !ask && !suppress {
            return Decision::Unchanged;
        }
        if suppress {
            cancel = have.iter().map(|have| have.digest.clone()).collect();
        }
        next.updated_at = now;
        Decision::Update(vec![Update { row: next, put, cancel, drop, confirms, ask, gets }])
    }
}

/// What the file has left or paused and they have not here, or not for as long.
fn stricter<'r>(
    exact: impl Iterator<Item = &'r SubscriptionRow>,
    have: &[SubscriptionRow],
    now: UtcMillis,
) -> Vec<SubscriptionRow> {
    let pair = exact.filter_map(|theirs| Some((theirs, have.iter().find(|have| have.digest == theirs.digest)?)));
    pair.filter_map(|(theirs, have)| match (theirs.state, have.state) {
        (SubscriptionState::Left, SubscriptionState::Active | SubscriptionState::Paused) => Some(SubscriptionRow {
            state: SubscriptionState::Left,
            paused_until: None,
            left_at: Some(theirs.left_at.unwrap_or(now).min(now)),
            ..have.clone()
        }),
        (SubscriptionState::Paused, SubscriptionState::Active | SubscriptionState::Paused)
            if theirs.paused_until > Some(now).max(have.paused_until) =>
        {
            Some(SubscriptionRow {
                state: SubscriptionState::Paused,
                paused_until: theirs.paused_until,
                ..have.clone()
            })
        }
        _ => None,
    })
    .collect()
}

/// The subscriptions of a row, for a person who has none of them.
pub(super) fn fresh(row: &Row, subscriber: i64, now: UtcMillis) -> Vec<SubscriptionRow> {
    if row.wishes.exact.is_empty() {
        return row.wishes.choice.iter().map(|chosen| subscription(subscriber, chosen, now)).collect();
    }
    let since = |at: UtcMillis| if at == UtcMillis(0) || at > now { now } else { at };
    let exact = row.wishes.exact.iter();
    exact
        .map(|have| SubscriptionRow {
            subscriber_id: subscriber,
            created_at: since(have.created_at),
            left_at: have.left_at.or((have.state == SubscriptionState::Left).then_some(now)).map(|at| at.min(now)),
            ..have.clone()
        })
        .collect()
}

pub(super) fn left(have: SubscriptionRow, at: UtcMillis) -> SubscriptionRow {
    SubscriptionRow { state: SubscriptionState::Left, paused_until: None, left_at: Some(at), ..have }
}

pub(super) fn because(reason: SuppressionReason) -> Skip {
    match reason {
        SuppressionReason::Erased => Skip::Erased,
        SuppressionReason::Bounced => Skip::Bounced,
        SuppressionReason::Complaint => Skip::Complained,
        SuppressionReason::Manual => Skip::Suppressed,
    }
}

/// Whether nobody in that state is mailed a digest, nor asked.
pub(super) fn gone(state: SubscriberState) -> bool {
    strictness(state) >= strictness(SubscriberState::Unsubscribed)
}
