//! What a delivery's fate does beyond the delivery: to a dead address, and to an issue that fails.

use crate::domain::{PublicId, SubscriberState, UtcMillis};
use crate::store::{Durability, Mark, NewIssueEvent, Store, StoreError};
use crate::subscribers::suppress_dead;

/// Records the failure of a delivery of `node`, suppresses the address of its subscriber as a bounce does, and stops
/// whatever else is on its way there. A complaint or an operator's suppression weighs more, and stays as it is.
///
/// # Errors
/// When the database fails: then nothing of it has happened.
pub async fn bury(
    store: &Store,
    node: &str,
    failure: &Mark,
    subscriber: &PublicId,
    address: &str,
    now: UtcMillis,
) -> Result<(), StoreError> {
    let mut session = store.write(Durability::Full).await?;
    if let Some(found) = session.subscriber_by_public_id(subscriber).await? {
        // Whoever suppresses for another reason at this moment is waited for, and what they wrote is seen: before any delivery
        // is touched, since those who leave or move take the two in this order.
        session.lock_subscribers_among(&[&found.address_hash]).await?;
        session.lock_moved_among(&[&found.address_hash]).await?;
    }
    // What else goes there is cancelled; this one has failed.
    session.mark_deliveries(node, std::slice::from_ref(failure)).await?;
    // They may have another address by now, or have left.
    let row = session.subscriber_by_public_id(subscriber).await?.filter(|row| row.email == address);
    if let Some(row) = row.filter(|row| matches!(row.state, SubscriberState::Pending | SubscriberState::Confirmed)) {
        suppress_dead(&mut session, &row, failure.answer.as_deref().unwrap_or_default(), now).await?;
    }
    session.commit().await
}

/// Holds an issue that is being sent, and notes why; says whether it did. No start of it is granted from then on; its
/// deliveries are set aside by whoever tends.
///
/// # Errors
/// When the database fails.
pub async fn hold(store: &Store, issue: i64, reason: &str, now: UtcMillis) -> Result<bool, StoreError> {
    let mut session = store.write(Durability::Full).await?;
    let held = session.hold_issue(issue, Some(reason)).await?;
    if held {
        let event = NewIssueEvent { event: "held", actor: "postround", note: Some(reason), subject: None };
        session.add_issue_event(issue, &event, now).await?;
    }
    session.commit().await?;
    Ok(held)
}
