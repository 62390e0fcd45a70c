//! Changes the address of a subscriber: asked for through a link that was mailed to the old one, confirmed at the new one,
//! then told to the old one.
//!
//! Who has the new address already is told by mail that they are subscribed, and keeps theirs. Whoever left, bounced out or
//! never confirmed there becomes one with the person who confirms, since both addresses are theirs; the links that were
//! mailed to either work on. A suppressed address gets no mail, and nothing is said about it.

use super::limit::take_notice_slot;
use super::manage::locked;
use super::{
    CHANGE_LIFETIME, ChangeClaim, Notice, NoticeKind, Notify, Origin, PersonalClaim, SecretLink, Subscribers,
    SubscribersError, event, unless_first,
};
use crate::domain::{EmailAddress, SubscriberState};
use crate::store::{Durability, Session, SubscriberRow};

/// What asking for a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeAsked {
    /// Whatever is to be said is mailed to the new address, unless it has had mails enough.
    Asked,
    /// It is the address that they have.
    Same,
    /// The link is not for this address any more.
    Stale,
}

/// What a confirmed change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The mails go there from now on.
    Now,
    /// They went there before.
    Already,
    /// The address has changed since it was asked for, or the new one cannot be used.
    Stale,
}

impl Subscribers {
    /// Asks the owner of `new` whether the mails of the claim's subscriber shall go there. Whether that address is known,
    /// or suppressed, is not told.
    ///
    /// # Errors
    /// When the store fails or the mail cannot be queued; then nothing happened.
    pub async fn ask_address_change(
        &self,
        claim: &PersonalClaim,
        new: &EmailAddress,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<ChangeAsked, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let hash = self.keys.address_hash(new);
        let granted = take_notice_slot(&mut session, &hash, self.now()).await?;
        let Some(row) = locked(&mut session, claim).await? else { return Ok(ChangeAsked::Stale) };
        if row.address_hash == hash {
            // Dropped without a commit, so that it counts for nothing.
            return Ok(ChangeAsked::Same);
        }
        if granted {
            self.ask_new_address(&mut session, &row, &claim.digest, new, origin, notify).await?;
        }
        session.commit().await?;
        Ok(ChangeAsked::Asked)
    }

    /// Mails the new address what there is to say. Whoever asks for `row` has proved to be them.
    pub(super) async fn ask_new_address(
        &self,
        session: &mut Session,
        row: &SubscriberRow,
        digest: &str,
        new: &EmailAddress,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<(), SubscribersError> {
        let now = self.now();
        let hash = self.keys.address_hash(new);
        if session.suppression(&hash).await?.is_some() {
            return Ok(());
        }
        let Some(digest) = self.looks(digest) else { return Ok(()) };
        let owner = session.subscriber_by_hash(&hash).await?;
        let (subscriber, kind) = match &owner {
            Some(owner) if owner.state == SubscriberState::Complained => return Ok(()),
            Some(owner) if owner.state == SubscriberState::Confirmed => (owner, NoticeKind::AlreadySubscribed),
            _ => {
                let link = self.tokens.change_url(&row.public_id, &row.address_hash, &digest.id, new, now);
                let expires_at = now.plus(CHANGE_LIFETIME);
                (row, NoticeKind::ChangeAddress { link: SecretLink(link), expires_at })
            }
        };
        Notice::to_address(subscriber, new.clone(), &digest.id, kind).queue(session, notify).await?;
        // Not to which: it may be somebody else's.
        let mut event = event(row, "asked", now, origin);
        event.evidence = Some("a change of the address".to_owned());
        Ok(session.add_consent(&event).await?)
    }

    /// What [`Subscribers::change_address`] would do now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn would_change(&self, claim: &ChangeClaim) -> Result<Changed, SubscribersError> {
        let mut session = self.store.read().await?;
        Ok(self.changeable(&mut session, claim).await?.0)
    }

    /// Sends everything to the new address from now on, also what waits of an issue that is being sent, and tells the old
    /// one. `wording` is what the person was shown.
    ///
    /// # Errors
    /// When the store fails, or the notice cannot be queued; then nothing has changed.
    pub async fn change_address(
        &self,
        claim: &ChangeClaim,
        wording: &str,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Changed, SubscribersError> {
        // Somebody may join with the address at the same moment.
        unless_first(|| self.try_change_address(claim, wording, origin, notify)).await
    }

    async fn try_change_address(
        &self,
        claim: &ChangeClaim,
        wording: &str,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Changed, SubscribersError> {
        let hash = self.keys.address_hash(&claim.address);
        let mut session = self.store.write(Durability::Full).await?;
        let Some(row) = session.subscriber_by_public_id(&claim.person.subscriber).await? else {
            return Ok(Changed::Stale);
        };
        // A layout beside this one would put the old address into the queue after it was changed there.
        for have in session.subscriptions_among(&[row.id]).await? {
            session.lock_digest(&have.digest).await?;
        }
        session.lock_subscribers_among(&[&hash, &row.address_hash]).await?;
        let (changed, known) = self.changeable(&mut session, claim).await?;
        let (Changed::Now, Some(row)) = (changed, known) else { return Ok(changed) };
        let now = self.now();
        if let Some(other) = session.subscriber_by_hash(&hash).await? {
            session.cancel_deliveries(other.id, None, now).await?;
            session.unite_subscribers(other.id, &other.public_id, row.id).await?;
        }
        let moved = SubscriberRow {
            email: claim.address.as_str().to_owned(),
            address_hash: hash,
            updated_at: now,
            ..row.clone()
        };
        session.move_subscriber(&moved).await?;
        let mut event = event(&moved, "moved", now, origin);
        event.wording = Some(wording.to_owned());
        event.evidence = Some(format!("link of {}", claim.person.at));
        session.add_consent(&event).await?;
        let looks = self.looks(&claim.person.digest);
        if let Some(notice) = looks.and_then(|digest| Notice::to(&row, &digest.id, NoticeKind::AddressChanged)) {
            notice.queue(&mut session, notify).await?;
        }
        session.commit().await?;
        Ok(Changed::Now)
    }

    /// What the token does now, and to whom.
    async fn changeable(
        &self,
        session: &mut Session,
        claim: &ChangeClaim,
    ) -> Result<(Changed, Option<SubscriberRow>), SubscribersError> {
        let hash = self.keys.address_hash(&claim.address);
        let Some(row) = session.subscriber_by_public_id(&claim.person.subscriber).await? else {
            return Ok((Changed::Stale, None));
        };
        if row.address_hash == hash {
            return Ok((Changed::Already, Some(row)));
        }
        let complained = row.state == SubscriberState::Complained;
        if complained || !claim.person.is_bound_to(&row.address_hash) || session.suppression(&hash).await?.is_some() {
            return Ok((Changed::Stale, None));
        }
        let owner = session.subscriber_by_hash(&hash).await?;
        let taken =
            matches!(owner.map(|owner| owner.state), Some(SubscriberState::Confirmed | SubscriberState::Complained));
        Ok(if taken { (Changed::Stale, None) } else { (Changed::Now, Some(row)) })
    }
}
