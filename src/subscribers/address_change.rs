//! Changes the address of a subscriber: asked for through a link that was mailed to the old one, confirmed at the new one,
//! then told to the old one.
//!
//! Who has the new address already is told by mail that they are subscribed, and keeps theirs. Whoever left, bounced out or
//! never confirmed there becomes one with the person who confirms, since both addresses are theirs; the links that were
//! mailed to either work on. A suppressed address gets no mail, nor does one whose former owner said no for good, and nothing is
//! said about it.

use super::manage::locked;
use super::meant::{mover_said_no, mover_who_said_no};
use super::{
    CHANGE_LIFETIME, ChangeClaim, Notice, NoticeKind, Notify, Origin, PersonalClaim, SecretLink, Subscribers,
    SubscribersError, event, keep_layouts_out, refusal, unless_first,
};
use crate::domain::{EmailAddress, SubscriberState, UtcMillis};
use crate::store::{Durability, Session, SubscriberRow};

/// The event of a change.
const MOVED: &str = "moved";

/// What asking for a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeAsked {
    /// Whatever is to be said is mailed to the new address, unless it has had mails enough.
    Asked,
    /// It is the address that they have.
    Same,
    /// They have asked for several within a day; the next one has to wait.
    TooOften,
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
    /// They have moved since it was asked for, by this link or another one, or the new address cannot be used.
    Stale,
}

/// Why nobody is asked at a new address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Immovable {
    /// The person has complained.
    #[error(
        "the person reported a mail as spam, and is mailed nowhere before `suppression remove` lifts that on your word"
    )]
    Complained,
    /// Nothing is mailed to the present address.
    #[error(
        "nothing is mailed there ({0}); `suppression remove` lifts that, or `subscriber add` asks them at the new address"
    )]
    Suppressed(String),
    /// Nothing may be mailed to the new one.
    #[error("nothing may be mailed to {0}; `suppression remove {0}` lifts that on your word")]
    NewSuppressed(EmailAddress),
    /// Whoever had the new one before has said no for good.
    #[error(
        "{new} is a former address of {now}, where the person said no for good; `suppression remove {now}` lifts that on your word"
    )]
    FormerSuppressed {
        /// The new address.
        new: EmailAddress,
        /// Where whoever had it before is now.
        now: String,
    },
    /// Somebody gets mails there already.
    #[error("{0} is subscribed itself; `subscriber unsubscribe` ends whichever is not wanted any more")]
    Taken(EmailAddress),
}

/// A wish for another address. Whoever utters it for `row` has proved to be them.
#[derive(Clone, Copy)]
pub(super) struct Asks<'a> {
    pub(super) row: &'a SubscriberRow,
    /// The digest in whose looks the mail comes.
    pub(super) digest: &'a str,
    pub(super) new: &'a EmailAddress,
    /// Whether the new address may be mailed once more.
    pub(super) granted: bool,
}

impl Subscribers {
    /// Asks the owner of `new` whether the mails of the claim's subscriber shall go there. Whether that address is known,
    /// suppressed, or has had mails enough, is not told: what is noted is the same, and takes the making of one mail.
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
        unless_first(|| self.try_ask_address_change(claim, new, origin, notify)).await
    }

    async fn try_ask_address_change(
        &self,
        claim: &PersonalClaim,
        new: &EmailAddress,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<ChangeAsked, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let hash = self.keys.address_hash(new);
        let granted = self.take_notice_slot(&mut session, new).await?;
        let Some(row) = locked(&mut session, claim).await? else { return Ok(ChangeAsked::Stale) };
        if row.address_hash == hash {
            // Dropped without a commit, so that it counts for nothing.
            return Ok(ChangeAsked::Same);
        }
        if refusal::of_asking(Some(&row), session.suppression(&row.address_hash).await?.as_ref()).is_some() {
            return Ok(ChangeAsked::Stale);
        }
        if self.has_asked_for_addresses_enough(&mut session, &row).await? {
            return Ok(ChangeAsked::TooOften);
        }
        let asks = Asks { row: &row, digest: &claim.digest, new, granted };
        self.ask_new_address(&mut session, asks, origin, notify).await?;
        session.commit().await?;
        Ok(ChangeAsked::Asked)
    }

    /// Mails the new address what there is to say.
    pub(super) async fn ask_new_address(
        &self,
        session: &mut Session,
        asks: Asks<'_>,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<(), SubscribersError> {
        let Asks { row, digest, new, granted } = asks;
        let now = self.now();
        // Before anything is looked up, and not for which address: it may be somebody else's, and whoever asks can read this.
        let mut event = event(row, "asked", now, origin);
        event.evidence = Some("a change of the address".to_owned());
        session.add_consent(&event).await?;
        let Some(digest) = self.looks(digest) else { return Ok(()) };
        let hash = self.keys.address_hash(new);
        let suppressed = session.suppression(&hash).await?.is_some();
        let owner = session.subscriber_by_hash(&hash).await?;
        let shut = mover_said_no(session, owner.as_ref(), &hash).await?;
        let have = session.subscriptions_among(&[owner.as_ref().map_or(0, |owner| owner.id)]).await?;
        let link = self.tokens.change_url(&row.public_id, &row.address_hash, &digest.id, new, now);
        let kind = NoticeKind::ChangeAddress { link: SecretLink(link), expires_at: now.plus(CHANGE_LIFETIME) };
        let question = Notice::to_address(row, new.clone(), &digest.id, kind);
        let notice = match owner.as_ref().map(|owner| (owner, owner.state)) {
            _ if suppressed || shut || !granted => None,
            Some((_, SubscriberState::Complained)) => None,
            Some((owner, SubscriberState::Confirmed)) => {
                // With the way to leave what they get there, which need not be what the other one gets.
                let theirs = self.wished(&have).into_iter().next().map(|chosen| chosen.digest);
                Notice::to(owner, theirs.as_deref().unwrap_or(&digest.id), NoticeKind::AddressTaken)
            }
            _ => Some(question.clone()),
        };
        match notice {
            Some(notice) => notice.queue(session, notify).await,
            None => notify.rehearse(session, &question).await.map_err(SubscribersError::Notify),
        }
    }

    /// Refuses what asking for a change of address to `new` would come to nothing for, and be silent about.
    pub(super) async fn refuse_move(
        &self,
        session: &mut Session,
        address: &EmailAddress,
        new: &EmailAddress,
    ) -> Result<(), SubscribersError> {
        let (hash, new_hash) = (self.keys.address_hash(address), self.keys.address_hash(new));
        let Some(row) = session.subscriber_by_hash(&hash).await? else { return Ok(()) };
        let owner = session.subscriber_by_hash(&new_hash).await?;
        let before = mover_who_said_no(session, owner.as_ref(), &new_hash).await?;
        let suppression = session.suppression(&hash).await?;
        let new_suppressed = session.suppression(&new_hash).await?.is_some();
        let reason = match (row.state, suppression, owner.map(|owner| owner.state)) {
            (SubscriberState::Complained, ..) => Immovable::Complained,
            (_, Some(suppression), _) => Immovable::Suppressed(suppression.reason),
            (SubscriberState::Bounced, ..) => Immovable::Suppressed("bounced".to_owned()),
            (.., Some(SubscriberState::Complained)) => Immovable::NewSuppressed(new.clone()),
            _ if new_suppressed => Immovable::NewSuppressed(new.clone()),
            (.., Some(SubscriberState::Confirmed)) => Immovable::Taken(new.clone()),
            _ => match before {
                Some(before) => Immovable::FormerSuppressed { new: new.clone(), now: before.email },
                None => return Ok(()),
            },
        };
        Err(SubscribersError::Immovable { address: address.clone(), reason })
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
        keep_layouts_out(&mut session, row.id).await?;
        session.lock_subscribers_among(&[&hash, &row.address_hash]).await?;
        let (changed, known) = self.changeable(&mut session, claim).await?;
        let (Changed::Now, Some(row)) = (changed, known) else { return Ok(changed) };
        let (now, mut left_all_at) = (self.now(), row.left_all_at);
        if let Some(other) = session.subscriber_by_hash(&hash).await? {
            session.cancel_deliveries(other.id, None, now).await?;
            session.unite_subscribers(other.id, &other.public_id, row.id).await?;
            left_all_at = left_all_at.max(other.left_all_at);
        }
        let moved = SubscriberRow {
            email: claim.address.as_str().to_owned(),
            address_hash: hash,
            updated_at: now,
            left_all_at,
            ..row.clone()
        };
        session.move_subscriber(&row, &moved).await?;
        let mut event = event(&moved, MOVED, now, origin);
        event.wording = Some(wording.to_owned());
        event.evidence = Some(evidence(claim));
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
        // Whoever moves back leaves the link behind in a mailbox that somebody else may read: it must not take their mails there.
        if has_moved_since(session, &row, claim).await? {
            return Ok((Changed::Stale, None));
        }
        // What only an owner lifts is not got round by another address.
        let barred = refusal::of_asking(Some(&row), session.suppression(&row.address_hash).await?.as_ref()).is_some();
        if barred || !claim.person.is_bound_to(&row.address_hash) || session.suppression(&hash).await?.is_some() {
            return Ok((Changed::Stale, None));
        }
        let owner = session.subscriber_by_hash(&hash).await?;
        if mover_said_no(session, owner.as_ref(), &hash).await? {
            return Ok((Changed::Stale, None));
        }
        let taken =
            matches!(owner.map(|owner| owner.state), Some(SubscriberState::Confirmed | SubscriberState::Complained));
        Ok(if taken { (Changed::Stale, None) } else { (Changed::Now, Some(row)) })
    }
}

/// Whether they have moved since they asked for this. By this very link also where the clock has been set back since then.
async fn has_moved_since(
    session: &mut Session,
    row: &SubscriberRow,
    claim: &ChangeClaim,
) -> Result<bool, SubscribersError> {
    let (events, link) = (session.consent_between(row.id, row.id).await?, evidence(claim));
    let since = |at: UtcMillis, by: Option<&String>| at >= claim.person.at || by == Some(&link);
    Ok(events.iter().any(|event| event.event == MOVED && since(event.at, event.evidence.as_ref())))
}

/// What the event of a change says of its link.
fn evidence(claim: &ChangeClaim) -> String {
    format!("link of {}", claim.person.at)
}
