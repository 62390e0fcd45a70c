//! Adds a person: pending until they confirm, or confirmed on evidence of consent obtained elsewhere.

use super::ask::Wish;
use super::choice::{Chosen, Topics};
use super::confirm::is_fresh;
use super::meant::refusal_of_mover;
use super::{Notify, Origin, Pauses, Refusal, Subscribers, SubscribersError, event, refusal, unless_first};
use crate::domain::{EmailAddress, Locale, PublicId, SubscriberState, SubscriptionState, UtcMillis, without_turns};
use crate::store::{Durability, Session, SubscriberRow, SubscriptionRow, SuppressionRow};

/// Who is added, and what for.
#[derive(Clone, Debug)]
pub struct NewSubscriber {
    /// The address.
    pub address: EmailAddress,
    /// The name; may be empty, which leaves a known one alone.
    pub name: String,
    /// The language of the mails; none: the digest's.
    pub locale: Option<Locale>,
    /// The digests and topics; at least one.
    pub choice: Vec<Chosen>,
}

/// What adding did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// A confirmation is on its way; nothing else happens before they agree.
    Asked,
    /// Confirmed on the evidence.
    Confirmed,
    /// Was confirmed already, and gets more now.
    Extended,
    /// Was confirmed already, and has all that already.
    Unchanged,
}

impl Subscribers {
    /// Adds a person and asks them to confirm. Somebody who is confirmed already is asked when there is something new
    /// to agree to.
    ///
    /// # Errors
    /// [`SubscribersError::Refused`] after a complaint or a suppression by hand, else when the store fails.
    pub async fn add(
        &self,
        new: &NewSubscriber,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Added, SubscribersError> {
        unless_first(|| self.try_add(new, origin, notify)).await
    }

    async fn try_add(
        &self,
        new: &NewSubscriber,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Added, SubscribersError> {
        let hash = self.keys.address_hash(&new.address);
        let mut session = self.store.write(Durability::Full).await?;
        // An operator is not held back, but their mail counts for what strangers may set off.
        self.take_notice_slot(&mut session, &new.address).await?;
        session.lock_subscribers_among(&[&hash]).await?;
        let known = session.subscriber_by_hash(&hash).await?;
        let suppression = session.suppression(&hash).await?;
        let refused = refusal::of_asking(known.as_ref(), suppression.as_ref());
        if let Some(refusal) =
            refused.or(refusal_of_mover(&mut session, known.as_ref(), &hash, refusal::of_asking_moved).await?)
        {
            return Err(SubscribersError::Refused { address: new.address.clone(), refusal });
        }
        let row = match known {
            None => self.insert(&mut session, new, hash, SubscriberState::Pending).await?,
            Some(row) => row,
        };
        let (now, have) = (self.now(), session.subscriptions_among(&[row.id]).await?);
        match row.state {
            SubscriberState::Pending => {
                extend(&mut session, row.id, &have, &new.choice, now).await?;
            }
            SubscriberState::Confirmed => {
                if new.choice.iter().all(|chosen| has(&have, chosen)) {
                    return Ok(Added::Unchanged);
                }
            }
            // They come back by their own confirmation; until then everything stays as it is.
            SubscriberState::Unsubscribed | SubscriberState::Bounced | SubscriberState::Complained => {}
        }
        let fresh = is_fresh(&row, suppression.as_ref());
        let pauses = if fresh { Pauses::default() } else { Pauses::of(&have, now) };
        let (choice, pauses) = (&new.choice, &pauses);
        let wish = Wish { choice, pauses, name: &new.name, locale: new.locale.as_ref(), wording: None };
        self.ask_for(&mut session, &row, &new.address, wish, origin, notify).await?;
        session.commit().await?;
        Ok(Added::Asked)
    }

    /// Adds a person as confirmed, on `evidence` of consent obtained elsewhere. To somebody who is confirmed already it
    /// adds digests and topics, except what they have left.
    ///
    /// # Errors
    /// [`SubscribersError::Refused`] for whoever has left, bounced or complained, or is suppressed; else when the store
    /// fails.
    pub async fn add_confirmed(
        &self,
        new: &NewSubscriber,
        evidence: &str,
        origin: Origin<'_>,
    ) -> Result<Added, SubscribersError> {
        unless_first(|| self.try_add_confirmed(new, evidence, origin)).await
    }

    async fn try_add_confirmed(
        &self,
        new: &NewSubscriber,
        evidence: &str,
        origin: Origin<'_>,
    ) -> Result<Added, SubscribersError> {
        let hash = self.keys.address_hash(&new.address);
        let refused = |refusal| SubscribersError::Refused { address: new.address.clone(), refusal };
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_subscribers_among(&[&hash]).await?;
        let known = session.subscriber_by_hash(&hash).await?;
        let suppression = session.suppression(&hash).await?;
        if let Some(refusal) = refusal::of_recording(known.as_ref(), suppression.as_ref()) {
            return Err(refused(refusal));
        }
        let elsewhere = |person: &SubscriberRow, suppression: Option<&SuppressionRow>| {
            refusal::of_recording(Some(person), suppression).or(Some(Refusal::Moved))
        };
        if let Some(refusal) = refusal_of_mover(&mut session, known.as_ref(), &hash, elsewhere).await? {
            return Err(refused(refusal));
        }
        let was = known.as_ref().map(|row| row.state);
        let mut row = match known {
            None => self.insert(&mut session, new, hash, SubscriberState::Confirmed).await?,
            Some(row) => row,
        };
        let now = self.now();
        let have = session.subscriptions_among(&[row.id]).await?;
        let left = |chosen: &&Chosen| {
            have.iter().any(|have| have.digest == chosen.digest && have.state == SubscriptionState::Left)
        };
        if !new.choice.is_empty() && new.choice.iter().all(|chosen| left(&chosen)) {
            return Err(refused(Refusal::Left));
        }
        // What a pending one seems to want may be somebody else's wish: it is replaced.
        let theirs: Vec<SubscriptionRow> = match was {
            Some(SubscriberState::Pending) => have.iter().filter(|have| !is_wanted(have)).cloned().collect(),
            _ => have.clone(),
        };
        let changed = extend(&mut session, row.id, &theirs, &new.choice, now).await?;
        if was == Some(SubscriberState::Confirmed) && changed.is_empty() {
            return Ok(Added::Unchanged);
        }
        if was == Some(SubscriberState::Pending) {
            drop_others(&mut session, row.id, &have, &new.choice).await?;
            session.drop_join_requests(row.id).await?;
            if !new.name.is_empty() {
                row.name = without_turns(&new.name);
            }
            row.locale = new.locale.as_ref().map(|locale| locale.as_str().to_owned()).or(row.locale);
            row.state = SubscriberState::Confirmed;
            (row.confirmed_at, row.updated_at) = (Some(now), now);
            session.update_subscriber(&row).await?;
        }
        for chosen in new.choice.iter().filter(|chosen| !left(chosen)) {
            let mut event = event(&row, "confirmed", now, origin);
            event.digest = Some(chosen.digest.clone());
            event.evidence = Some(evidence.to_owned());
            session.add_consent(&event).await?;
        }
        session.commit().await?;
        Ok(if was == Some(SubscriberState::Confirmed) { Added::Extended } else { Added::Confirmed })
    }

    async fn insert(
        &self,
        session: &mut Session,
        new: &NewSubscriber,
        address_hash: String,
        state: SubscriberState,
    ) -> Result<SubscriberRow, SubscribersError> {
        let now = self.now();
        let mut row = SubscriberRow {
            id: 0,
            public_id: PublicId::new(self.random.as_ref()),
            email: new.address.as_str().to_owned(),
            address_hash,
            name: without_turns(&new.name),
            state,
            locale: new.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            created_at: now,
            updated_at: now,
            confirmed_at: (state == SubscriberState::Confirmed).then_some(now),
            left_all_at: None,
        };
        row.id = session.add_subscriber(&row).await?;
        Ok(row)
    }
}

/// Whether somebody gets all of that already.
pub(super) fn has(have: &[SubscriptionRow], chosen: &Chosen) -> bool {
    have.iter().any(|have| {
        let topics = Topics::parse(&have.topics);
        have.digest == chosen.digest && is_wanted(have) && topics.union(&chosen.topics) == topics
    })
}

/// Whether they have not left it.
pub(super) fn is_wanted(have: &SubscriptionRow) -> bool {
    have.state != SubscriptionState::Left
}

/// Adds digests and topics to what somebody has, except where they have left; gives the digests that changed.
pub(super) async fn extend(
    session: &mut Session,
    subscriber: i64,
    have: &[SubscriptionRow],
    choice: &[Chosen],
    now: UtcMillis,
) -> Result<Vec<String>, SubscribersError> {
    let mut changed = Vec::new();
    for chosen in choice.iter().filter(|chosen| !has(have, chosen)) {
        let row = match have.iter().find(|have| have.digest == chosen.digest) {
            Some(have) if have.state == SubscriptionState::Left => continue,
            Some(have) => {
                SubscriptionRow { topics: Topics::parse(&have.topics).union(&chosen.topics).stored(), ..have.clone() }
            }
            None => subscription(subscriber, chosen, now),
        };
        session.put_subscription(&row).await?;
        changed.push(chosen.digest.clone());
    }
    Ok(changed)
}

/// Forgets what was asked for and is not part of what is confirmed now: it may have been somebody else who asked.
pub(super) async fn drop_others(
    session: &mut Session,
    subscriber: i64,
    have: &[SubscriptionRow],
    confirmed: &[Chosen],
) -> Result<(), SubscribersError> {
    let named = |have: &&SubscriptionRow| confirmed.iter().any(|chosen| chosen.digest == have.digest);
    // What they have left stays noted, so that no older link brings it back.
    for have in have.iter().filter(|have| is_wanted(have) && !named(have)) {
        session.drop_subscription(subscriber, &have.digest).await?;
    }
    Ok(())
}

/// A fresh, active subscription.
pub(super) fn subscription(subscriber: i64, chosen: &Chosen, now: UtcMillis) -> SubscriptionRow {
    SubscriptionRow {
        subscriber_id: subscriber,
        digest: chosen.digest.clone(),
        state: SubscriptionState::Active,
        topics: chosen.topics.stored(),
        paused_until: None,
        created_at: now,
        left_at: None,
    }
}
