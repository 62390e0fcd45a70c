//! What a change of address moves: the person, what waits for them, and what was somebody else before they became one.

use super::query::{execute, queries};
use super::{FormerAddressRow, Session, StoreError, SubscriberRow};
use crate::domain::PublicId;

queries! {
    SET_ADDRESS = { "update subscribers set email = $2, address_hash = $3, updated_at = $4, left_all_at = $5 where id = $1" };
    // What was claimed for the old address is claimed anew. What is being sent this moment goes there, and is touched only so
    // that its result waits for the end of this: should it come back, its next claim sees where the person is now.
    READDRESS = {
        deliveries set "address = case when state = 'sending' then address else $2 end,
             address_hash = case when state = 'sending' or address_hash is null then address_hash else $3 end,
             owner = case when state = 'sending' then owner end,
             state = case when state = 'claimed' then 'queued' else state end"
        where "subscriber_id = $1 and kind in ('digest', 'welcome', 'correction')
           and state in ('queued', 'claimed', 'held', 'deferred', 'uncertain', 'sending')"
    };
    ADD_FORMER_ID = { "insert into former_ids (public_id, subscriber_id) values ($1, $2)" };
    MOVE_FORMER_IDS = { "update former_ids set subscriber_id = $2 where subscriber_id = $1" };
    MOVE_CONSENT = { "update consent_events set subscriber_id = $2 where subscriber_id = $1" };
    MOVE_REASONS = {
        "update leave_reasons set subscriber_id = $2 where subscriber_id = $1 and not exists (
             select 1 from leave_reasons r where r.subscriber_id = $2 and r.digest = leave_reasons.digest
               and r.left_at = leave_reasons.left_at)"
    };
    // One delivery for each issue, and for each correction, and subscriber: where both got one, that of who is given up is
    // nobody's.
    MOVE_DELIVERIES = {
        deliveries set "subscriber_id = $2"
        where "subscriber_id = $1 and not exists (
             select 1 from deliveries d where d.subscriber_id = $2
               and (d.issue_id = deliveries.issue_id or d.correction_id = deliveries.correction_id))"
    };
    LEAVE_DELIVERIES = {
        deliveries set "subscriber_id = null, address = '', name = '', link = null, answer = null"
        where "subscriber_id = $1"
    };
    // What they have left at either address they have left: a link from before that does not bring it back.
    MOVE_LEFT = {
        "update subscriptions set subscriber_id = $2 where subscriber_id = $1 and state = 'left' and not exists (
             select 1 from subscriptions s where s.subscriber_id = $2 and s.digest = subscriptions.digest)"
    };
    KEEP_LATER_LEFT = {
        "update subscriptions set left_at = (
             select g.left_at from subscriptions g where g.subscriber_id = $1 and g.digest = subscriptions.digest)
         where subscriber_id = $2 and state = 'left' and exists (
             select 1 from subscriptions g where g.subscriber_id = $1 and g.digest = subscriptions.digest
               and g.state = 'left' and g.left_at > subscriptions.left_at)"
    };
    DROP_SUBSCRIPTIONS = { "delete from subscriptions where subscriber_id = $1" };
    DROP_SUBSCRIBER = { "delete from subscribers where id = $1" };
}

impl Session {
    /// Gives a subscriber the address that `row` has now, and sends there what waits for them. The one of `before` is known
    /// to have been theirs from then on.
    ///
    /// # Errors
    /// When another subscriber has the address (a conflict), or the database fails.
    pub async fn move_subscriber(&mut self, before: &SubscriberRow, row: &SubscriberRow) -> Result<(), StoreError> {
        execute!(self, SET_ADDRESS, row.id, &row.email, &row.address_hash, row.updated_at, row.left_all_at)?;
        self.drop_former_address(&row.address_hash).await?;
        let (address_hash, moved_at) = (before.address_hash.clone(), row.updated_at);
        self.put_former_address(&FormerAddressRow { address_hash, subscriber_id: row.id, moved_at }).await?;
        execute!(self, READDRESS, row.id, &row.email, &row.address_hash).map(|_| ())
    }

    /// Makes two subscribers one: `gone` ends, and its id, former addresses, evidence and deliveries are `kept`'s from then
    /// on. Of its subscriptions those stay that have been left; what it waits for must have been cancelled.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unite_subscribers(&mut self, gone: i64, gone_id: &PublicId, kept: i64) -> Result<(), StoreError> {
        execute!(self, MOVE_FORMER_IDS, gone, kept)?;
        execute!(self, ADD_FORMER_ID, gone_id, kept)?;
        self.hand_over_former_addresses(gone, kept).await?;
        execute!(self, MOVE_CONSENT, gone, kept)?;
        execute!(self, MOVE_REASONS, gone, kept)?;
        execute!(self, MOVE_DELIVERIES, gone, kept)?;
        execute!(self, LEAVE_DELIVERIES, gone)?;
        execute!(self, KEEP_LATER_LEFT, gone, kept)?;
        execute!(self, MOVE_LEFT, gone, kept)?;
        execute!(self, DROP_SUBSCRIPTIONS, gone)?;
        execute!(self, DROP_SUBSCRIBER, gone).map(|_| ())
    }
}
