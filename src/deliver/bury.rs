//! What a delivery's fate does beyond the delivery: to a dead address, and to an issue that fails.

use crate::domain::{PublicId, SubscriberState, UtcMillis};
use crate::store::{Durability, Mark, Store, StoreError, SuppressionRow};

/// Records the failure of a delivery of `node`, suppresses the address of its subscriber as a bounce does, and cancels what
/// they would still get.
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
    session.mark_deliveries(node, std::slice::from_ref(failure)).await?;
    let row = session.subscriber_by_public_id(subscriber).await?;
    // They may have another address by now, or have left.
    if let Some(mut row) = row.filter(|row| row.state == SubscriberState::Confirmed && row.email == address) {
        if session.suppression(&row.address_hash).await?.is_none() {
            let suppression = SuppressionRow {
                address_hash: row.address_hash.clone(),
                reason: "bounced".to_owned(),
                note: failure.answer.clone().unwrap_or_default(),
                created_at: now,
            };
            session.suppress(&suppression).await?;
        }
        (row.state, row.updated_at) = (SubscriberState::Bounced, now);
        session.update_subscriber(&row).await?;
        session.cancel_deliveries(row.id, None, now).await?;
    }
    session.commit().await
}

/// Holds an issue that is being sent; says whether it was.
///
/// # Errors
/// When the database fails.
pub async fn hold(store: &Store, issue: i64, reason: &str) -> Result<bool, StoreError> {
    let mut session = store.write(Durability::Full).await?;
    let held = session.hold_issue(issue, reason).await?;
    session.commit().await?;
    Ok(held)
}
