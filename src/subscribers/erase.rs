//! Erases all that is held of a person. What stays is a keyed hash of the address with the reason and the day, so that no
//! import brings it back: the name of nobody, unless they bring the address again themselves.

use super::manage::locked;
use super::{PersonalClaim, Subscribers, SubscribersError, SuppressionReason};
use crate::domain::{EmailAddress, SubscriberState};
use crate::store::{Durability, Session, SubscriberRow, SuppressionRow};

/// What erasing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// Nothing is held any more.
    Now,
    /// It was erased before.
    Already,
    /// Nothing was held.
    Unknown,
}

impl Subscribers {
    /// Erases the person of the link.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn erase(&self, claim: &PersonalClaim) -> Result<Erased, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let Some(row) = locked(&mut session, claim).await? else { return Ok(Erased::Unknown) };
        self.erase_within(&mut session, &row).await?;
        session.commit().await?;
        Ok(Erased::Now)
    }

    /// Erases whoever has that address, on their request to an operator.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn erase_address(&self, address: &EmailAddress) -> Result<Erased, SubscribersError> {
        let hash = self.keys.address_hash(address);
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_subscribers_among(&[&hash]).await?;
        let Some(row) = session.subscriber_by_hash(&hash).await? else {
            let suppressed = session.suppression(&hash).await?;
            let erased = suppressed.is_some_and(|row| row.reason == SuppressionReason::Erased.as_str());
            return Ok(if erased { Erased::Already } else { Erased::Unknown });
        };
        self.erase_within(&mut session, &row).await?;
        session.commit().await?;
        Ok(Erased::Now)
    }

    async fn erase_within(&self, session: &mut Session, row: &SubscriberRow) -> Result<(), SubscribersError> {
        let now = self.now();
        let known = session.suppression(&row.address_hash).await?.map(|known| SuppressionReason::parse(&known.reason));
        // A complaint and an operator's word are stricter, and stay.
        let strict = matches!(known, Some(SuppressionReason::Complaint | SuppressionReason::Manual));
        if !strict {
            let complained = row.state == SubscriberState::Complained;
            let reason = if complained { SuppressionReason::Complaint } else { SuppressionReason::Erased };
            let row = SuppressionRow {
                address_hash: row.address_hash.clone(),
                reason: reason.as_str().to_owned(),
                note: String::new(),
                created_at: now,
            };
            session.suppress(&row).await?;
        }
        session.blank_reasons(row.id).await?;
        session.forget_subscribers(&[row.id], now).await?;
        Ok(())
    }
}
