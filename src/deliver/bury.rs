//! What a delivery's fate does beyond the delivery: to a dead address, and to an issue that fails.

use crate::domain::{PublicId, SubscriberState, UtcMillis};
use crate::store::{Durability, Store, StoreError, SuppressionRow};

/// Suppresses the address of a confirmed subscriber, as a bounce does, and cancels what they would still get.
///
/// # Errors
/// When the database fails.
pub async fn bury(
    store: &Store,
    subscriber: &PublicId,
    address: &str,
    words: &str,
    now: UtcMillis,
) -> Result<(), StoreError> {
    let mut session = store.write(Durability::Full).await?;
    let Some(mut row) = session.subscriber_by_public_id(subscriber).await? else { return Ok(()) };
    // They may have another address by now, or have left.
    if row.state != SubscriberState::Confirmed || row.email != address {
        return Ok(());
    }
    let suppression = SuppressionRow {
        address_hash: row.address_hash.clone(),
        reason: "bounced".to_owned(),
        note: words.to_owned(),
        created_at: now,
    };
    if session.suppression(&row.address_hash).await?.is_none() {
        session.suppress(&suppression).await?;
    }
    (row.state, row.updated_at) = (SubscriberState::Bounced, now);
    session.update_subscriber(&row).await?;
    session.cancel_deliveries(row.id, None, now).await?;
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
