//! Chooses the topics of a digest and a pause, as the preferences page offers them.

use super::choice::Topics;
use super::{DigestClaim, Origin, Subscribers, SubscribersError, event};
use crate::domain::{EmailAddress, Locale, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{Durability, Session, SubscriberRow, SubscriptionRow};

/// What somebody gets of one digest, as their preferences page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// The address with its middle hidden: digests get forwarded. None of somebody who has moved, since the links in the mails
    /// to their old address work on, and whoever reads that mailbox now need not learn where they went.
    pub masked: Option<String>,
    /// Whether mails go there at all: confirmed, and not left.
    pub active: bool,
    /// The topics.
    pub topics: Topics,
    /// Until when nothing is sent.
    pub paused_until: Option<UtcMillis>,
    /// The ids of the other digests that they get.
    pub others: Vec<String>,
    /// The language that they chose.
    pub locale: Option<Locale>,
}

/// What choosing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chose {
    /// It counts from now on.
    Now,
    /// It was so before.
    Already,
    /// They do not get this digest, so there is nothing to choose.
    NotSubscribed,
}

impl Subscribers {
    /// What the person of that link gets; `None` when there is nobody of that id (any more).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn preferences(&self, claim: &DigestClaim) -> Result<Option<Preferences>, SubscribersError> {
        let mut session = self.store.read().await?;
        let Some((row, have)) = find(&mut session, claim).await? else { return Ok(None) };
        let now = self.now();
        let confirmed = row.state == SubscriberState::Confirmed;
        let wanted = |have: &&SubscriptionRow| confirmed && have.state != SubscriptionState::Left;
        let this = have.iter().find(|have| have.digest == claim.digest);
        let others = have.iter().filter(|have| have.digest != claim.digest).filter(wanted);
        let moved = !session.have_moved_among(&[row.id]).await?.is_empty();
        Ok(Some(Preferences {
            masked: (!moved).then(|| mask(&row.email)),
            active: this.filter(wanted).is_some(),
            topics: this.map_or(Topics::All, |this| Topics::parse(&this.topics)),
            paused_until: this.and_then(|this| paused_until(this, now)),
            others: others.map(|have| have.digest.clone()).collect(),
            locale: row.locale.as_deref().and_then(|code| Locale::parse(code).ok()),
        }))
    }

    /// How many stories of each topic a digest has had within that time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn topic_counts(
        &self,
        digest: &str,
        within: std::time::Duration,
    ) -> Result<Vec<(String, i64)>, SubscribersError> {
        Ok(self.store.read().await?.topic_counts(digest, self.now().minus(within)).await?)
    }

    /// Sets the topics and the pause of the link's digest; `topics` are kept when `None`.
    ///
    /// # Errors
    /// [`SubscribersError::TooOften`] after too many changes, unless this one means less mail, or when the store fails; then
    /// nothing has changed.
    pub async fn choose(
        &self,
        claim: &DigestClaim,
        topics: Option<&Topics>,
        pause_until: Option<UtcMillis>,
        origin: Origin<'_>,
    ) -> Result<Chose, SubscribersError> {
        let now = self.now();
        let pause = pause_until.filter(|until| *until > now);
        let Some((mut session, row, this)) = self.locked_for_choice(claim, pause.is_some()).await? else {
            return Ok(Chose::NotSubscribed);
        };
        let next = SubscriptionRow {
            state: if pause.is_some() { SubscriptionState::Paused } else { SubscriptionState::Active },
            topics: topics.map_or_else(|| this.topics.clone(), Topics::stored),
            paused_until: pause,
            ..this.clone()
        };
        if next == this {
            return Ok(Chose::Already);
        }
        if !lessens(&this, &next) {
            self.admit_change(&mut session, &row, origin).await?;
        }
        session.put_subscription(&next).await?;
        match pause {
            Some(_) => session.cancel_paused(row.id, &claim.digest, now).await?,
            None if this.state == SubscriptionState::Paused => {
                session.restore_paused(row.id, &claim.digest, now).await?
            }
            None => 0,
        };
        let mut event = event(&row, "chose", now, origin);
        event.digest = Some(claim.digest.clone());
        event.evidence = Some(match pause {
            Some(until) => format!("topics {}, paused until {until}", next.topics),
            None => format!("topics {}", next.topics),
        });
        session.add_consent(&event).await?;
        session.commit().await?;
        if pause.is_some() {
            self.recall_unwanted(&[row.address_hash], now).await?;
        }
        Ok(Chose::Now)
    }

    /// The person of the link, whom nobody else changes until the end of the transaction, and what they get of its digest. A
    /// layout beside the beginning or the end of a pause would go by what was before, so that the digest is locked for those;
    /// not for topics alone, which may have to wait for an import that has the person, and all that is done with the issues of
    /// the digest would wait with them.
    async fn locked_for_choice(
        &self,
        claim: &DigestClaim,
        pauses: bool,
    ) -> Result<Option<(Session, SubscriberRow, SubscriptionRow)>, SubscribersError> {
        let mut locks = pauses;
        loop {
            let mut session = self.store.write(Durability::Full).await?;
            let Some((row, this)) = chooses(&mut session, claim).await? else { return Ok(None) };
            locks |= this.state == SubscriptionState::Paused;
            if locks {
                session.lock_digest(&claim.digest).await?;
            }
            session.lock_subscriber(row.id).await?;
            match chooses(&mut session, claim).await? {
                // Paused in between, by a file or on another page.
                Some((_, this)) if this.state == SubscriptionState::Paused && !locks => locks = true,
                found => return Ok(found.map(|(row, this)| (session, row, this))),
            }
        }
    }
}

/// Who chooses by that link, and what they get of its digest; `None`: they do not get it.
async fn chooses(
    session: &mut Session,
    claim: &DigestClaim,
) -> Result<Option<(SubscriberRow, SubscriptionRow)>, SubscribersError> {
    let Some((row, have)) = find(session, claim).await? else { return Ok(None) };
    let this = have.into_iter().find(|have| have.digest == claim.digest && have.state != SubscriptionState::Left);
    let confirmed = row.state == SubscriberState::Confirmed;
    Ok(this.filter(|_| confirmed).map(|this| (row, this)))
}

/// Whether less comes than before, and none of it sooner.
fn lessens(before: &SubscriptionRow, next: &SubscriptionRow) -> bool {
    let had = Topics::parse(&before.topics);
    had.union(&Topics::parse(&next.topics)) == had && next.paused_until >= before.paused_until
}

async fn find(
    session: &mut Session,
    claim: &DigestClaim,
) -> Result<Option<(SubscriberRow, Vec<SubscriptionRow>)>, SubscribersError> {
    let Some(row) = session.subscriber_by_public_id(&claim.subscriber).await? else { return Ok(None) };
    let have = session.subscriptions_among(&[row.id]).await?;
    Ok(Some((row, have)))
}

/// Until when a subscription is paused, unless that is over.
pub(super) fn paused_until(have: &SubscriptionRow, now: UtcMillis) -> Option<UtcMillis> {
    have.paused_until.filter(|until| have.state == SubscriptionState::Paused && *until > now)
}

/// The first two letters and the domain: enough for its owner to know it again.
pub(super) fn mask(email: &str) -> String {
    let Ok(address) = EmailAddress::parse(email) else { return "•••".to_owned() };
    let letters = address.local().chars().count();
    let shown = if letters > 3 { 2 } else { 1 };
    let start: String = address.local().chars().take(shown).collect();
    format!("{start}•••@{}", address.domain())
}
