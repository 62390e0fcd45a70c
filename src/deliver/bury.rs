//! What a delivery's fate does beyond the delivery: to a dead address, and to an issue that fails.

use crate::domain::{PublicId, SubscriberState, UtcMillis};
use crate::store::{
    ConsentRow, Durability, Mark, NewIssueEvent, Session, Store, StoreError, SubscriberRow, SuppressionRow,
};

/// The reasons of suppressions that weigh no more than a dead address: it takes their place.
const ERASED: &str = "erased";
const BOUNCED: &str = "bounced";

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
    session.mark_deliveries(node, std::slice::from_ref(failure)).await?;
    if let Some(found) = session.subscriber_by_public_id(subscriber).await? {
        // Whoever suppresses for another reason at this moment is waited for, and what they wrote is seen.
        session.lock_subscribers_among(&[&found.address_hash]).await?;
        // They may have another address by now, or have left.
        let row = session.subscriber_by_public_id(subscriber).await?.filter(|row| row.email == address);
        if let Some(row) = row.filter(|row| matches!(row.state, SubscriberState::Pending | SubscriberState::Confirmed))
        {
            suppress(&mut session, row, failure.answer.as_deref().unwrap_or_default(), now).await?;
        }
    }
    session.commit().await
}

async fn suppress(
    session: &mut Session,
    mut row: SubscriberRow,
    words: &str,
    now: UtcMillis,
) -> Result<(), StoreError> {
    let before = session.suppression(&row.address_hash).await?;
    if before.is_none_or(|before| before.reason == ERASED) {
        let (address_hash, reason) = (row.address_hash.clone(), BOUNCED.to_owned());
        session.suppress(&SuppressionRow { address_hash, reason, note: words.to_owned(), created_at: now }).await?;
    }
    let event = ConsentRow {
        subscriber_id: row.id,
        address: row.email.clone(),
        event: "suppressed".to_owned(),
        digest: None,
        at: now,
        source: "relay".to_owned(),
        actor: "relay".to_owned(),
        network: None,
        agent: None,
        wording: None,
        evidence: Some(format!("{BOUNCED}: {words}")),
    };
    session.add_consent(&event).await?;
    (row.state, row.updated_at) = (SubscriberState::Bounced, now);
    session.update_subscriber(&row).await?;
    session.cancel_everything(&[&row.address_hash], &[&row.email.to_lowercase()], now).await.map(|_| ())
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
