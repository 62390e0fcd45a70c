//! How many mails a stranger can set off to one address, however often, from wherever and in whoever's name they ask; and
//! how often whoever has somebody's link can change what they chose.

use std::time::Duration;

use super::{Origin, Subscribers, SubscribersError};
use crate::domain::{EmailAddress, UtcMillis};
use crate::store::{ConsentRow, Session, StoreError, SubscriberRow};

/// The least time between two such mails.
pub const NOTICE_SPACING: Duration = Duration::from_secs(10 * 60);

/// The time in which there are three of them at most.
pub const NOTICE_WINDOW: Duration = Duration::from_secs(7 * 86_400);

/// How many changes of somebody's choices are taken within [`CHANGES_WINDOW`].
pub const CHANGES: usize = 30;

/// The time in which changes are counted.
pub const CHANGES_WINDOW: Duration = Duration::from_secs(60 * 60);

/// How many new addresses somebody can ask for within [`ADDRESSES_WINDOW`].
pub const ADDRESSES: usize = 3;

/// The time in which new addresses are counted: as long as the link works that is mailed to them.
pub const ADDRESSES_WINDOW: Duration = super::CHANGE_LIFETIME;

/// How far the clocks of two nodes may be apart.
const SKEW: Duration = Duration::from_secs(86_400);

impl Subscribers {
    /// Takes the right to mail that address once more. Every notice that somebody can set off who has typed an address and
    /// proved nothing goes through here, in the transaction that queues it: a confirmation, "you are subscribed already", a
    /// reminder, the link to manage one's subscription; and the goodbye, since links get forwarded. `false`: not now, and the page says what it always says.
    ///
    /// It holds for addresses that are not known, or erased, as well, and for all that differ by a tag alone. Take it first in
    /// the transaction, before a subscriber is locked: all who ask for one address then wait for each other here, and not
    /// crosswise. Whoever ends without a commit gives it back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_notice_slot(&self, session: &mut Session, address: &EmailAddress) -> Result<bool, StoreError> {
        session.take_slot(&self.keys.mailbox_hash(address), self.now(), NOTICE_SPACING, NOTICE_WINDOW).await
    }

    /// Lets one more change of somebody's choices through: each is kept as evidence, and links get forwarded. Operators
    /// change as much as they like. `row` must be locked. What means less mail is not asked for here: it is never put off.
    ///
    /// # Errors
    /// [`SubscribersError::TooOften`] after too many, or when the store fails.
    pub(super) async fn admit_change(
        &self,
        session: &mut Session,
        row: &SubscriberRow,
        origin: Origin<'_>,
    ) -> Result<(), SubscribersError> {
        if origin.actor != Origin::PAGE.actor {
            return Ok(());
        }
        let now = self.now();
        let events = session.consent_since(row.id, now.minus(CHANGES_WINDOW)).await?;
        let mut made: Vec<UtcMillis> = events.iter().filter(|event| is_change(event)).map(|event| event.at).collect();
        // One press may change several digests.
        made.dedup();
        let Some(first) = made.len().checked_sub(CHANGES).and_then(|over| made.get(over)) else { return Ok(()) };
        let wait = u64::try_from(first.plus(CHANGES_WINDOW).0 - now.0).unwrap_or_default();
        Err(SubscribersError::TooOften(Duration::from_millis(wait)))
    }

    /// Whether somebody has asked for so many new addresses that another one has to wait.
    pub(super) async fn has_asked_for_addresses_enough(
        &self,
        session: &mut Session,
        row: &SubscriberRow,
    ) -> Result<bool, StoreError> {
        let events = session.consent_since(row.id, self.now().minus(ADDRESSES_WINDOW)).await?;
        Ok(events.iter().filter(|event| event.event == "asked" && event.digest.is_none()).count() >= ADDRESSES)
    }
}

/// Whether an event is a change that somebody made who had their link. Leaving is none: it is open at any time, and only as
/// often as they come back.
fn is_change(event: &ConsentRow) -> bool {
    event.actor == Origin::PAGE.actor && matches!(event.event.as_str(), "chose" | "profile" | "confirmed" | "returned")
}

/// Forgets the addresses for which no limit is counting any more.
pub(super) async fn prune(session: &mut Session, now: UtcMillis) -> Result<u64, StoreError> {
    session.prune_slots(now.minus(NOTICE_WINDOW), now.plus(SKEW)).await
}
