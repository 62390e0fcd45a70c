//! How many mails a stranger can set off to one address, however often, from wherever and in whoever's name they ask.

use std::time::Duration;

use crate::domain::UtcMillis;
use crate::store::{Session, StoreError};

/// The least time between two such mails.
pub const NOTICE_SPACING: Duration = Duration::from_secs(10 * 60);

/// The time in which there are three of them at most.
pub const NOTICE_WINDOW: Duration = Duration::from_secs(7 * 86_400);

/// How far the clocks of two nodes may be apart.
const SKEW: Duration = Duration::from_secs(86_400);

/// Takes the right to mail the address of that hash (`Keys::address_hash`) once more. Every notice that somebody can
/// set off who has typed an address and proved nothing goes through here, in the transaction that queues it: a
/// confirmation, "you are subscribed already", a reminder, the link to manage one's subscription. `false`: not now, and
/// the page says what it always says.
///
/// It holds for addresses that are not known, or erased, as well. Take it first in the transaction, before a subscriber
/// is locked: all who ask for one address then wait for each other here, and not crosswise. Whoever ends without a
/// commit gives it back.
///
/// # Errors
/// When the store fails.
pub async fn take_notice_slot(session: &mut Session, address_hash: &str, now: UtcMillis) -> Result<bool, StoreError> {
    session.take_slot(address_hash, now, NOTICE_SPACING, NOTICE_WINDOW).await
}

/// Forgets the addresses for which no limit is counting any more.
pub(super) async fn prune(session: &mut Session, now: UtcMillis) -> Result<u64, StoreError> {
    session.prune_slots(now.minus(NOTICE_WINDOW), now.plus(SKEW)).await
}
