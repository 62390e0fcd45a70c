//! Everything about one subscriber, for whoever reads the mails to their address: a link that works for an hour is mailed
//! there, and opens all digests, the name and the language, the data and the address.

use std::time::Instant;

use super::add::{drop_others, subscription};
use super::choice::{Chosen, Topics};
use super::meant::mover_said_no;
use super::{
    DigestClaim, MANAGE_LIFETIME, Notice, NoticeKind, Notify, Origin, PersonalClaim, SecretLink, Subscribers,
    SubscribersError, event,
};
use crate::domain::{EmailAddress, Locale, SubscriberState, SubscriptionState, without_turns};
use crate::store::{Durability, Session, SubscriberRow, SubscriptionRow};

/// The longest name, in letters.
pub const NAME_LIMIT: usize = 100;

/// What the link shows.
#[derive(Clone, Debug)]
pub struct Managed {
    /// The person.
    pub row: SubscriberRow,
    /// Their subscriptions, those that were left included.
    pub subscriptions: Vec<SubscriptionRow>,
}

/// What became of the wish for one more digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It comes from now on.
    Now,
    /// It comes already.
    Already,
    /// The link is not theirs any more, the address must not be mailed, or there is no such digest.
    Refused,
}

impl Subscribers {
    /// Mails the link to everything to the address of a digest's link, if it may be mailed and has not had mails enough.
    /// The result tells nothing.
    ///
    /// # Errors
    /// When the store fails or the mail cannot be queued; then nothing happened.
    pub async fn mail_manage_link(&self, claim: &DigestClaim, notify: &impl Notify) -> Result<(), SubscribersError> {
        let known = self.store.read().await?.subscriber_by_public_id(&claim.subscriber).await?;
        let Some(row) = known else { return Ok(()) };
        let Ok(address) = EmailAddress::parse(&row.email) else { return Ok(()) };
        let mut session = self.store.write(Durability::Full).await?;
        if self.take_notice_slot(&mut session, &address).await?
            && session.lock_subscriber(row.id).await?
            && let Some(row) = session.subscriber_by_public_id(&claim.subscriber).await?
            && self.may_have_link(&mut session, &row).await?
            && let Some(notice) = self.manage_notice(&row, &claim.digest)
        {
            notice.queue(&mut session, notify).await?;
        }
        Ok(session.commit().await?)
    }

    /// Mails the link to an address that a stranger typed, who says that it was lost. Whoever has not confirmed yet is
    /// asked once more; others who are not known, gone, or suppressed get nothing. The answer is the same for all, and
    /// takes about the same time; gives the moment until which it had done the same, as [`Subscribers::join`] does.
    ///
    /// # Errors
    /// As [`Subscribers::mail_manage_link`].
    pub async fn mail_lost_link(
        &self,
        address: &EmailAddress,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Instant, SubscribersError> {
        let hash = self.keys.address_hash(address);
        let mut session = self.store.write(Durability::Full).await?;
        let granted = self.take_notice_slot(&mut session, address).await?;
        session.lock_subscribers_among(&[&hash]).await?;
        let known = session.subscriber_by_hash(&hash).await?.filter(|_| granted);
        let have = session.subscriptions_among(&[known.as_ref().map_or(0, |row| row.id)]).await?;
        let digest = have.iter().find(|have| self.config.digest(&have.digest).is_some());
        let digest =
            digest.map(|have| have.digest.clone()).or(self.config.digests.first().map(|first| first.id.clone()));
        let digest = digest.unwrap_or_default();
        let shut = mover_said_no(&mut session, known.as_ref(), &hash).await?;
        let alike_until = Instant::now();
        match known {
            Some(row) if !shut && self.may_have_link(&mut session, &row).await? => {
                if let Some(notice) = self.manage_notice(&row, &digest) {
                    notice.queue(&mut session, notify).await?;
                }
            }
            Some(row) if !shut && self.may_be_asked(&mut session, &row).await? => {
                // Where it goes is what is stored, so that nobody's spelling of it takes a link elsewhere.
                let address = &EmailAddress::parse(&row.email).unwrap_or_else(|_| address.clone());
                match self.wished(&have) {
                    choice if choice.is_empty() => self.rehearse_link(&mut session, address, &digest, notify).await?,
                    choice => self.ask(&mut session, &row, address, &choice, origin, notify).await?,
                }
            }
            _ => self.rehearse_link(&mut session, address, &digest, notify).await?,
        }
        session.commit().await?;
        Ok(alike_until)
    }

    /// What the link shows; `None`: it is not for this address any more, or there is nobody.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn managed(&self, claim: &PersonalClaim) -> Result<Option<Managed>, SubscribersError> {
        let mut session = self.store.read().await?;
        let Some(row) = bound(&mut session, claim).await? else { return Ok(None) };
        let subscriptions = session.subscriptions_among(&[row.id]).await?;
        Ok(Some(Managed { row, subscriptions }))
    }

    /// Subscribes them to one more digest, all topics: the link was mailed to the address, so pressing the button is an
    /// agreement like that of a confirmation, and like that brings back nothing which it does not name. A digest that is
    /// not public is only for those who have had it. `wording` is what they were shown.
    ///
    /// # Errors
    /// [`SubscribersError::TooOften`] after too many changes, or when the store fails; then nothing has changed.
    pub async fn take_up(
        &self,
        claim: &PersonalClaim,
        digest: &str,
        wording: &str,
        origin: Origin<'_>,
    ) -> Result<Taken, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let Some(mut row) = locked(&mut session, claim).await? else { return Ok(Taken::Refused) };
        let Some(offered) = self.config.digest(digest) else { return Ok(Taken::Refused) };
        let now = self.now();
        let have = session.subscriptions_among(&[row.id]).await?;
        let known = have.iter().any(|have| have.digest == digest);
        let shut = mover_said_no(&mut session, Some(&row), &row.address_hash).await?;
        if !(offered.public || known) || shut || !self.may_have_link(&mut session, &row).await? {
            return Ok(Taken::Refused);
        }
        let got = have.iter().find(|have| have.digest == digest && have.state != SubscriptionState::Left);
        if got.is_some() && row.state == SubscriberState::Confirmed {
            return Ok(Taken::Already);
        }
        self.admit_change(&mut session, &row, origin).await?;
        let chosen = Chosen { digest: digest.to_owned(), topics: Topics::All };
        session.put_subscription(&subscription(row.id, &chosen, now)).await?;
        if row.state != SubscriberState::Confirmed {
            drop_others(&mut session, row.id, &have, std::slice::from_ref(&chosen)).await?;
        }
        // As after a confirmation, whoever had the address before they moved is not meant by it any more.
        session.drop_former_address(&row.address_hash).await?;
        row.state = SubscriberState::Confirmed;
        (row.confirmed_at, row.updated_at) = (Some(now), now);
        session.update_subscriber(&row).await?;
        let mut event = event(&row, "confirmed", now, origin);
        event.digest = Some(chosen.digest);
        event.wording = Some(wording.to_owned());
        event.evidence = Some(format!("link of {}, topics *", claim.at));
        session.add_consent(&event).await?;
        session.commit().await?;
        Ok(Taken::Now)
    }

    /// Sets the name and the language; no language is that of each digest. `false`: the link is not theirs any more.
    ///
    /// # Errors
    /// [`SubscribersError::TooOften`] after too many changes, or when the store fails; then nothing has changed.
    pub async fn set_profile(
        &self,
        claim: &PersonalClaim,
        name: &str,
        locale: Option<&Locale>,
        origin: Origin<'_>,
    ) -> Result<bool, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let Some(row) = locked(&mut session, claim).await? else { return Ok(false) };
        self.write_profile(&mut session, row, Some(name), Some(locale), origin).await?;
        session.commit().await?;
        Ok(true)
    }

    /// Writes name and language where they are given and differ, and notes that.
    pub(super) async fn write_profile(
        &self,
        session: &mut Session,
        mut row: SubscriberRow,
        name: Option<&str>,
        locale: Option<Option<&Locale>>,
        origin: Origin<'_>,
    ) -> Result<(), SubscribersError> {
        let before = (row.name.clone(), row.locale.clone());
        if let Some(name) = name {
            row.name = plain_name(name);
        }
        if let Some(locale) = locale {
            row.locale = locale.map(|locale| locale.as_str().to_owned());
        }
        if before == (row.name.clone(), row.locale.clone()) {
            return Ok(());
        }
        self.admit_change(session, &row, origin).await?;
        let now = self.now();
        // Of whoever has gone it says since when: a link that they have asked for after that works on.
        if matches!(row.state, SubscriberState::Pending | SubscriberState::Confirmed) {
            row.updated_at = now;
        }
        session.update_subscriber(&row).await?;
        let mut event = event(&row, "profile", now, origin);
        event.evidence =
            Some(format!("name {:?}, language {}", row.name, row.locale.as_deref().unwrap_or("of the digest")));
        Ok(session.add_consent(&event).await?)
    }

    /// Whoever confirmed once, and whose address is not suppressed: those who left too, since their data is still theirs.
    async fn may_have_link(&self, session: &mut Session, row: &SubscriberRow) -> Result<bool, SubscribersError> {
        let known = matches!(row.state, SubscriberState::Confirmed | SubscriberState::Unsubscribed);
        Ok(known && session.suppression(&row.address_hash).await?.is_none())
    }

    async fn may_be_asked(&self, session: &mut Session, row: &SubscriberRow) -> Result<bool, SubscribersError> {
        let pending = row.state == SubscriberState::Pending;
        Ok(pending && session.suppression(&row.address_hash).await?.is_none())
    }

    fn manage_notice(&self, row: &SubscriberRow, digest: &str) -> Option<Notice> {
        let now = self.now();
        let digest = &self.looks(digest)?.id;
        let link = self.tokens.manage_url(&row.public_id, &row.address_hash, digest, now);
        let kind = NoticeKind::ManageLink { link: SecretLink(link), expires_at: now.plus(MANAGE_LIFETIME) };
        Notice::to(row, digest, kind)
    }

    async fn rehearse_link(
        &self,
        session: &mut Session,
        address: &EmailAddress,
        digest: &str,
        notify: &impl Notify,
    ) -> Result<(), SubscribersError> {
        let now = self.now();
        let link = self.tokens.manage_url(&super::Tokens::nobody(), &self.keys.address_hash(address), digest, now);
        let notice = Notice {
            subscriber: 0,
            address: address.clone(),
            locale: None,
            digest: digest.to_owned(),
            kind: NoticeKind::ManageLink { link: SecretLink(link), expires_at: now.plus(MANAGE_LIFETIME) },
        };
        notify.rehearse(session, &notice).await.map_err(SubscribersError::Notify)
    }
}

/// A name as it is kept: one line of printable letters, and not endless.
pub(super) fn plain_name(name: &str) -> String {
    let lost = |letter: char| letter.is_control() || letter == '\u{fffd}';
    let letters: String = without_turns(name).chars().map(|letter| if lost(letter) { ' ' } else { letter }).collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(NAME_LIMIT).collect()
}

/// The person of the link, as long as it is for their address.
async fn bound(session: &mut Session, claim: &PersonalClaim) -> Result<Option<SubscriberRow>, SubscribersError> {
    let row = session.subscriber_by_public_id(&claim.subscriber).await?;
    Ok(row.filter(|row| claim.is_bound_to(&row.address_hash)))
}

/// The same, and nobody else changes them until the end of the transaction.
pub(super) async fn locked(
    session: &mut Session,
    claim: &PersonalClaim,
) -> Result<Option<SubscriberRow>, SubscribersError> {
    let Some(row) = bound(session, claim).await? else { return Ok(None) };
    session.lock_subscriber(row.id).await?;
    bound(session, claim).await
}

/// The person of an address, whom nobody else changes until the end of the transaction.
pub(super) async fn locked_by_hash(
    session: &mut Session,
    address_hash: &str,
) -> Result<Option<SubscriberRow>, SubscribersError> {
    session.lock_subscribers_among(&[address_hash]).await?;
    Ok(session.subscriber_by_hash(address_hash).await?)
}
