//! What a pause stops, and what comes again when it is ended, or a leaving is undone.

use super::query::{execute, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    // Nobody pauses what they asked for, nor a correction, which is about a mail that they have.
    CANCEL_PAUSED = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $3"
        where "subscriber_id = $1 and digest = $2 and kind in ('digest', 'welcome')
           and state in ('queued', 'claimed', 'held', 'deferred', 'uncertain')"
    };
    // What pauses cancelled before it was ever started: each has the moment of a choice, or of a file that had one. What waited
    // meanwhile was not tried. The row of the issue is locked, so that nobody finishes it before this is seen.
    RESTORE_PAUSED = {
        deliveries set "state = 'queued', due_at = $3, first_due_at = $3, finished_at = null"
        where sqlite "subscriber_id = $1 and digest = $2 and kind = 'digest' and state = 'cancelled' and started_at is null
           and finished_at in (
               select c.at from consent_events c
               where c.subscriber_id = $1 and c.digest = $2 and c.event in ('chose', 'imported'))
           and exists (select 1 from issues i where i.id = deliveries.issue_id and i.state in ('sending', 'held'))"
        postgres "subscriber_id = $1 and digest = $2 and kind = 'digest' and state = 'cancelled' and started_at is null
           and finished_at in (
               select c.at from consent_events c
               where c.subscriber_id = $1 and c.digest = $2 and c.event in ('chose', 'imported'))
           and exists (select 1 from issues i where i.id = deliveries.issue_id and i.state in ('sending', 'held') for share)"
    };
    // Whom a layout that is under way has passed over it comes back to; who is behind them has theirs already.
    LAY_OUT_AGAIN = {
        "update issues set layout_after = cast($1 as bigint) - 1
         where digest = $2 and state in ('sending', 'held') and laid_out_at is null and layout_after >= $1
           and not exists (select 1 from deliveries d where d.issue_id = issues.id and d.subscriber_id = $1)"
    };
    // What a leaving cancelled before it was ever started, or the start afterwards, where a layout had not seen it yet: in an
    // issue that is still being sent, unless they are paused, and corrections of what they have, as long as it is kept who got
    // them.
    RESTORE_LEFT = {
        deliveries set "state = 'queued', due_at = $4, first_due_at = $4, finished_at = null"
        where sqlite "subscriber_id = $1 and digest = $2 and state = 'cancelled' and finished_at >= $3 and started_at is null
           and (kind = 'digest' and $5 = 0 and exists (
                   select 1 from issues i where i.id = deliveries.issue_id and i.state in ('sending', 'held'))
                or kind = 'correction' and exists (
                   select 1 from corrections c join issues i on i.id = c.issue_id
                   where c.id = deliveries.correction_id and i.folded_at is null))"
        postgres "subscriber_id = $1 and digest = $2 and state = 'cancelled' and finished_at >= $3 and started_at is null
           and (kind = 'digest' and $5 = 0 and exists (
                   select 1 from issues i where i.id = deliveries.issue_id and i.state in ('sending', 'held') for share)
                or kind = 'correction' and exists (
                   select 1 from corrections c join issues i on i.id = c.issue_id
                   where c.id = deliveries.correction_id and i.folded_at is null for share of i))"
    };
}

impl Session {
    /// Cancels what a subscriber would get of a digest during a pause that begins now: its issues and the welcome. Belongs
    /// into the transaction that records the choice, at the same moment. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_paused(&mut self, subscriber: i64, digest: &str, now: UtcMillis) -> Result<u64, StoreError> {
        execute!(self, CANCEL_PAUSED, subscriber, digest, now)
    }

    /// Queues again what a pause has cancelled that is ended now, as far as it was never started and its issue is still
    /// being sent, and has layouts come back to them. The digest has to be locked. Says how many were queued.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restore_paused(&mut self, subscriber: i64, digest: &str, now: UtcMillis) -> Result<u64, StoreError> {
        self.queues();
        execute!(self, LAY_OUT_AGAIN, subscriber, digest)?;
        execute!(self, RESTORE_PAUSED, subscriber, digest, now)
    }

    /// Queues again what leaving a digest at that moment cancelled, as far as it was never started: corrections, and unless
    /// they are `paused` what is of an issue that is still being sent; layouts come back to them. The digest has to be locked.
    /// Says how many were queued.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restore_left(
        &mut self,
        subscriber: i64,
        digest: &str,
        left_at: UtcMillis,
        paused: bool,
        now: UtcMillis,
    ) -> Result<u64, StoreError> {
        self.queues();
        if !paused {
            execute!(self, LAY_OUT_AGAIN, subscriber, digest)?;
        }
        execute!(self, RESTORE_LEFT, subscriber, digest, left_at, now, i64::from(paused))
    }
}
