//! Decides what a row does to whoever had its address before.

use super::decide::{Decision, Known, because, gone};
use super::report::Skip;
use super::row::Row;
use crate::domain::{SubscriberState, UtcMillis};
use crate::store::{SubscriberRow, SuppressionRow};
use crate::subscribers::SuppressionReason;

impl Known {
    /// Who had the address of a row before. Where somebody has it now it is theirs alone; a mere request for it is another
    /// matter, also one that has come to nothing where the row says no. Whom the file itself tells apart stay apart.
    pub(super) fn mover(&self, row: &Row) -> Option<&SubscriberRow> {
        let theirs = |now: &SubscriberRow| match now.state {
            SubscriberState::Pending => false,
            SubscriberState::Confirmed => true,
            _ => !row.claim.state.is_some_and(gone),
        };
        let mover = self.moved.get(&row.address_hash);
        let mover = mover.filter(|mover| row.apart_from.as_ref() != Some(&mover.address_hash));
        mover.filter(|_| !self.rows.get(&row.address_hash).is_some_and(theirs))
    }

    /// What a row does to somebody who has another address by now: they may have left, or complained, in a file that has the
    /// old one. That this one is dead says nothing of theirs, and nobody is mailed at both.
    pub(super) fn decide_moved(
        &self,
        row: &Row,
        person: &SubscriberRow,
        wanted: SubscriberState,
        suppressed: Option<SuppressionReason>,
        now: UtcMillis,
    ) -> Decision {
        match wanted {
            SubscriberState::Unsubscribed | SubscriberState::Bounced | SubscriberState::Complained => {
                if row.claim.gone.iter().all(|gone| gone.state == SubscriberState::Bounced) {
                    return Decision::Skip(Skip::Moved);
                }
                let mut reasons = self.own.lasting(person, row);
                reasons.retain(|state| *state != SubscriberState::Bounced);
                self.leave(person, &reasons, now).map_or(Decision::Unchanged, |update| Decision::Update(vec![update]))
            }
            SubscriberState::Pending | SubscriberState::Confirmed => {
                let theirs = || self.suppressed.get(&person.address_hash).copied();
                Decision::Skip(match (suppressed.or_else(theirs), person.state) {
                    (Some(reason), _) => because(reason),
                    (None, SubscriberState::Unsubscribed) => Skip::Left,
                    (None, SubscriberState::Bounced) => Skip::Bounced,
                    (None, SubscriberState::Complained) => Skip::Complained,
                    (None, SubscriberState::Pending | SubscriberState::Confirmed) => Skip::Moved,
                })
            }
        }
    }

    /// The suppression that a row brings of the address that whoever had its own before has now: a no for good is for both.
    pub(super) fn new_suppression_elsewhere(&self, row: &Row, now: UtcMillis) -> Option<SuppressionRow> {
        let mark = row.past.as_ref()?.suppressed.as_ref()?;
        let for_good = !mark.reason.is_lifted_by_confirmation();
        let person = self.mover(row).filter(|_| for_good)?;
        let known = self.suppressed.get(&person.address_hash);
        known.is_none_or(|known| known.weight() < mark.reason.weight()).then(|| SuppressionRow {
            address_hash: person.address_hash.clone(),
            reason: mark.reason.as_str().to_owned(),
            note: mark.note.clone(),
            created_at: now.min(mark.since),
        })
    }
}

/// What a no does where somebody has asked for the address since whoever had it moved: it is the request's own in any
/// case, whatever it is to the other.
pub(super) fn end_request(own: Decision, theirs: Decision) -> Decision {
    match (own, theirs) {
        (Decision::Update(own), Decision::Update(theirs)) => Decision::Update(own.into_iter().chain(theirs).collect()),
        (_, Decision::Update(theirs)) => Decision::Update(theirs),
        (own, _) => own,
    }
}
