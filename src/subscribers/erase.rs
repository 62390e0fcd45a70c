//! Erases all that is held of a person. What stays is a keyed hash of the address with the reason and the day, so that no
//! import brings it back: the name of nobody, unless they bring the address again themselves.

use super::manage::locked;
use super::meant::is_theirs_alone;
use super::{PersonalClaim, Subscribers, SubscribersError, SuppressionReason, unless_first};
use crate::domain::{EmailAddress, SubscriberState};
use crate::store::{Durability, Session, SubscriberRow, SuppressionRow};

/// What erasing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// Nothing is held any more.
    Now,
    /// Nothing is held but the hash.
    Already,
    /// Nothing was held.
    Unknown,
    /// Nobody has it, and somebody had it before, who has this one now. What is held of them goes with that one.
    Moved(String),
}

impl Subscribers {
    /// Erases the person of the link.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn erase(&self, claim: &PersonalClaim) -> Result<Erased, SubscribersError> {
        let erased = unless_first(|| self.try_erase(claim)).await?;
        self.after_erasing(&erased).await;
        Ok(erased)
    }

    async fn try_erase(&self, claim: &PersonalClaim) -> Result<Erased, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let Some(row) = locked(&mut session, claim).await? else { return Ok(Erased::Unknown) };
        self.erase_within(&mut session, &row).await?;
        session.commit().await?;
        Ok(Erased::Now)
    }

    /// Erases whoever has that address, on their request to an operator, and nobody else: whoever had it before they moved has
    /// not asked. Where nobody has it, what is held of it goes all the same: the note of a suppression, a mail that somebody
    /// else had sent there.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn erase_address(&self, address: &EmailAddress) -> Result<Erased, SubscribersError> {
        let erased = unless_first(|| self.try_erase_address(address)).await?;
        self.after_erasing(&erased).await;
        Ok(erased)
    }

    async fn try_erase_address(&self, address: &EmailAddress) -> Result<Erased, SubscribersError> {
        let hash = self.keys.address_hash(address);
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_subscribers_among(&[&hash]).await?;
        match session.subscriber_by_hash(&hash).await? {
            Some(row) => self.erase_within(&mut session, &row).await?,
            None => {
                if let Some(person) = session.moved_from(&hash).await? {
                    return Ok(Erased::Moved(person.email));
                }
                let suppression = session.suppression(&hash).await?;
                let scrubbed = session.scrub_deliveries_to(&hash, &address.as_str().to_lowercase(), self.now()).await?;
                match suppression {
                    Some(row) if row.note.is_empty() && scrubbed == 0 => return Ok(Erased::Already),
                    Some(_) => session.blank_suppression(&hash).await?,
                    None if scrubbed == 0 => return Ok(Erased::Unknown),
                    None => session.suppress(&self.kept(&hash, SuppressionReason::Erased)).await?,
                }
                session.note_forgotten().await?;
            }
        }
        session.commit().await?;
        Ok(Erased::Now)
    }

    async fn after_erasing(&self, erased: &Erased) {
        if *erased != Erased::Now {
            return;
        }
        // Where it cannot be now, housekeeping does it.
        match self.leave_no_traces().await {
            Ok(true) => {}
            Ok(false) => tracing::info!("traces of who was erased are still in the log of the store, which is busy"),
            Err(error) => tracing::warn!(%error, "traces of who was erased are still in the log of the store"),
        }
    }

    /// Sees to it that whoever has been forgotten is not in the store's log either, which outlives a deleted row.
    /// `false`: the store is busy, and it is to be tried again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leave_no_traces(&self) -> Result<bool, SubscribersError> {
        let Some(noted) = self.store.read().await?.forgotten().await? else { return Ok(true) };
        if !self.store.empty_log().await? {
            return Ok(false);
        }
        let mut session = self.store.write(Durability::Normal).await?;
        session.drop_forgotten(&noted).await?;
        session.commit().await?;
        Ok(true)
    }

    /// Erases somebody, and with them what was asked for at an address that they had before: whoever reads it can ask anew.
    async fn erase_within(&self, session: &mut Session, row: &SubscriberRow) -> Result<(), SubscribersError> {
        let former = session.former_addresses_between(row.id, row.id).await?;
        let former: Vec<&str> = former.iter().map(|former| former.address_hash.as_str()).collect();
        session.lock_subscribers_among(&former).await?;
        for asker in session.subscribers_among(&former).await? {
            if asker.id != row.id && !is_theirs_alone(Some(&asker)) {
                self.erase_one(session, &asker).await?;
            }
        }
        self.erase_one(session, row).await
    }

    async fn erase_one(&self, session: &mut Session, row: &SubscriberRow) -> Result<(), SubscribersError> {
        let now = self.now();
        let complained = row.state == SubscriberState::Complained;
        let reason = if complained { SuppressionReason::Complaint } else { SuppressionReason::Erased };
        // A complaint and an operator's word are stricter, and stay; what was noted with them may name somebody.
        session.suppress(&self.kept(&row.address_hash, reason)).await?;
        // No list that has an address which they had before brings them back either.
        for former in session.former_addresses_between(row.id, row.id).await? {
            session.suppress(&self.kept(&former.address_hash, reason)).await?;
            session.blank_suppression(&former.address_hash).await?;
        }
        session.blank_reasons(row.id).await?;
        session.scrub_deliveries_to(&row.address_hash, &row.email.to_lowercase(), now).await?;
        session.forget_subscribers(&[row.id], now).await?;
        Ok(())
    }

    /// What stays of an address.
    fn kept(&self, address_hash: &str, reason: SuppressionReason) -> SuppressionRow {
        SuppressionRow {
            address_hash: address_hash.to_owned(),
            reason: reason.as_str().to_owned(),
            note: String::new(),
            created_at: self.now(),
        }
    }
}
