//! When mails that a stranger can set off went to an address, and whether one more may.

use std::time::Duration;

use super::query::{execute, fetch_one, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    // Always writes, so that a refusal takes the time of a grant; `refused` is 0 after a grant alone. Of two at once,
    // the second waits for the first and looks at what that wrote.
    TAKE_SLOT = {
        "insert into notice_slots (address_hash, first_at, second_at, last_at, refused) values ($1, 0, 0, $2, 0)
         on conflict (address_hash) do update set
            first_at = case when notice_slots.last_at <= $3 and notice_slots.first_at <= $4
                then notice_slots.second_at else notice_slots.first_at end,
            second_at = case when notice_slots.last_at <= $3 and notice_slots.first_at <= $4
                then notice_slots.last_at else notice_slots.second_at end,
            last_at = case when notice_slots.last_at <= $3 and notice_slots.first_at <= $4
                then $2 else notice_slots.last_at end,
            refused = case when notice_slots.last_at <= $3 and notice_slots.first_at <= $4
                then 0 else notice_slots.refused + 1 end
         returning refused"
    };
    // A moment far ahead comes from a clock that was wrong, and must not lock an address out.
    PRUNE_SLOTS = { "delete from notice_slots where last_at <= $1 or last_at > $2" };
}

impl Session {
    /// Takes the right to one more mail to the address of that hash: not within `spacing` of the last one, and at most
    /// three within `window`. Says whether it was granted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_slot(
        &mut self,
        address_hash: &str,
        now: UtcMillis,
        spacing: Duration,
        window: Duration,
    ) -> Result<bool, StoreError> {
        let (rested, aged) = (now.minus(spacing), now.minus(window));
        let (refused,) = fetch_one!(self, TAKE_SLOT as (i64,), address_hash, now, rested, aged)?;
        Ok(refused == 0)
    }

    /// Forgets the addresses whose last mail is older than `before`, or later than `after`, which no true clock said.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune_slots(&mut self, before: UtcMillis, after: UtcMillis) -> Result<u64, StoreError> {
        execute!(self, PRUNE_SLOTS, before, after)
    }
}
