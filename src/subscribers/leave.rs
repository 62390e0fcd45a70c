//! Leaves one digest or all, at once and for good: what is queued is cancelled in the same transaction.

use super::{Origin, Subscribers, SubscribersError, event};
use crate::domain::{PublicId, SubscriberState, SubscriptionState};
use crate::store::{Durability, SubscriptionRow};

/// What somebody leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave<'a> {
    /// That digest.
    Digest(&'a str),
    /// Every digest.
    All,
}

/// What leaving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// They are out now.
    Now,
    /// They were out before.
    Already,
    /// There is nobody of that id (any more).
    Unknown,
}

impl Subscribers {
    /// Leaves. When this returns, it is on disk, and no delivery of what was left will be started.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn leave(
        &self,
        subscriber: &PublicId,
        what: Leave<'_>,
        origin: Origin<'_>,
    ) -> Result<Left, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let Some(row) = session.subscriber_by_public_id(subscriber).await? else { return Ok(Left::Unknown) };
        // Whoever confirms, chooses or leaves at the same time waits here, and then sees what this one wrote.
        if !session.lock_subscriber(row.id).await? {
            return Ok(Left::Unknown);
        }
        let Some(mut row) = session.subscriber_by_public_id(subscriber).await? else { return Ok(Left::Unknown) };
        let now = self.now();
        let have = session.subscriptions_among(&[row.id]).await?;
        let leaving: Vec<&SubscriptionRow> = have
            .iter()
            .filter(|have| match what {
                Leave::Digest(digest) => have.digest == digest,
                Leave::All => true,
            })
            .filter(|have| have.state != SubscriptionState::Left)
            .collect();
        for have in &leaving {
            let left = SubscriptionRow {
                state: SubscriptionState::Left,
                paused_until: None,
                left_at: Some(now),
                ..(*have).clone()
            };
            session.put_subscription(&left).await?;
            session.cancel_deliveries(row.id, Some(&have.digest), now).await?;
            let mut event = event(&row, "left", now, origin);
            event.digest = Some(have.digest.clone());
            session.add_consent(&event).await?;
        }
        let remain = have.iter().filter(|have| have.state != SubscriptionState::Left).count() > leaving.len();
        let listed = matches!(row.state, SubscriberState::Pending | SubscriberState::Confirmed);
        if listed && !remain {
            row.state = SubscriberState::Unsubscribed;
            row.updated_at = now;
            session.update_subscriber(&row).await?;
        }
        session.commit().await?;
        Ok(if leaving.is_empty() { Left::Already } else { Left::Now })
    }
}
