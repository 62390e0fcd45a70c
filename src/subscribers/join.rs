//! A stranger types an address: whatever it stands for here, the answer is the same, and what differs is mailed to it.

use std::time::Instant;

use super::ask::Wish;
use super::choice::{Chosen, Topics};
use super::confirm::is_fresh;
use super::language::locale_of;
use super::{
    Notice, NoticeKind, Notify, Origin, Pauses, Subscribers, SubscribersError, TokenError, add, meant, refusal,
    unless_first,
};
use crate::domain::{EmailAddress, Locale, PublicId, SubscriberState, UtcMillis};
use crate::store::{Durability, JoinRequestRow, Session, SubscriberRow, SubscriptionRow, SuppressionRow};

/// What somebody typed into the form.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The address; perhaps somebody else's.
    pub address: EmailAddress,
    /// The name; may be empty. No mail has it before this request is confirmed.
    pub name: String,
    /// The language of the form.
    pub locale: Option<Locale>,
    /// The digests and topics; none: nothing happens.
    pub choice: Vec<Chosen>,
    /// Exactly what they were shown, for the evidence.
    pub wording: String,
}

/// What came of asking for a new link with an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedAgain {
    /// Whatever is to be said is mailed to the address, unless it has had mails enough.
    Asked,
    /// There is nobody of that link any more: they can only join anew.
    Gone,
    /// None of the digests that it was for is in the configuration any more.
    Discontinued,
    /// The link is none of ours.
    BadLink(TokenError),
}

/// What is mailed to the address.
enum Answer {
    /// A question for this.
    Ask(Vec<Chosen>),
    /// That they have it all.
    Already,
    /// Nothing: they said no for good, or have had mails enough.
    Nothing,
}

impl Subscribers {
    /// Takes what a stranger typed. New, pending, unsubscribed, erased and bounced addresses are asked to confirm it,
    /// and confirmed ones what they do not have yet, or are told that they have it all. Those who complained or were
    /// suppressed by hand are mailed nothing. It tells nobody which of these it was, and takes one durable transaction
    /// and the making of one mail for each. Gives the moment until which it had done the same for every address: an answer
    /// that goes by this one, and leaves long enough after it, tells nothing by its time however busy the store is.
    ///
    /// # Errors
    /// When the store fails or the mail cannot be queued; then nothing happened.
    pub async fn join(
        &self,
        request: &JoinRequest,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Instant, SubscribersError> {
        unless_first(|| self.try_join(request, origin, notify)).await
    }

    async fn try_join(
        &self,
        request: &JoinRequest,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Instant, SubscribersError> {
        let hash = self.keys.address_hash(&request.address);
        let mut session = self.store.write(Durability::Full).await?;
        let granted = self.take_notice_slot(&mut session, &request.address).await?;
        session.lock_subscribers_among(&[&hash]).await?;
        let known = session.subscriber_by_hash(&hash).await?;
        let suppression = session.suppression(&hash).await?;
        let have = session.subscriptions_among(&[known.as_ref().map_or(0, |row| row.id)]).await?;
        let shut = meant::mover_said_no(&mut session, known.as_ref(), &hash).await?;
        let alike_until = Instant::now();
        // Whoever is asked anew has none of their pauses then.
        let fresh = known.as_ref().is_none_or(|row| is_fresh(row, suppression.as_ref()));
        let pauses = if fresh { Pauses::default() } else { Pauses::of(&have, self.now()) };
        let answer = match granted && !shut {
            true => answer(known.as_ref(), suppression.as_ref(), &have, &request.choice),
            false => Answer::Nothing,
        };
        match answer {
            Answer::Nothing => self.rehearse(&mut session, request, notify).await?,
            Answer::Already => {
                if let Some(notice) = known.as_ref().and_then(|row| already(row, pauses, request)) {
                    notice.queue(&mut session, notify).await?;
                }
            }
            Answer::Ask(choice) => {
                let row = match known {
                    Some(row) => row,
                    None => self.write_down(&mut session, request, hash).await?,
                };
                // Where it goes is what is stored, so that nobody's spelling of it takes a link elsewhere.
                let address = stored_address(&row, request);
                let wish = Wish {
                    choice: &choice,
                    pauses: &pauses,
                    name: &request.name,
                    locale: request.locale.as_ref(),
                    wording: Some(&request.wording),
                };
                self.ask_for(&mut session, &row, &address, wish, origin, notify).await?;
            }
        }
        session.commit().await?;
        Ok(alike_until)
    }

    /// Asks anew what the confirmation link of `token` asked, as if it had been typed into the form again: for a link
    /// that is too old. `wording` is what they were shown where they asked for it.
    ///
    /// # Errors
    /// As [`Subscribers::join`].
    pub async fn ask_again(
        &self,
        token: &str,
        wording: &str,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<AskedAgain, SubscribersError> {
        let claim = match self.tokens.verify_confirm_of_any_age(token) {
            Ok(claim) => claim,
            Err(error) => return Ok(AskedAgain::BadLink(error)),
        };
        let mut session = self.store.read().await?;
        let known = session.subscriber_by_public_id(&claim.subscriber).await?;
        let Some(row) = known.filter(|row| claim.is_bound_to(&row.address_hash)) else { return Ok(AskedAgain::Gone) };
        let request = session.join_request(row.id, claim.asked_at).await?;
        drop(session);
        let Ok(address) = EmailAddress::parse(&row.email) else { return Ok(AskedAgain::Gone) };
        let choice = self.still_offered(&claim.choice);
        if choice.is_empty() {
            return Ok(AskedAgain::Discontinued);
        }
        let request = JoinRequest {
            address,
            name: request.as_ref().map(|request| request.name.clone()).unwrap_or_default(),
            locale: request.and_then(|request| locale_of(request.locale.as_deref())),
            choice,
            wording: wording.to_owned(),
        };
        self.join(&request, origin, notify).await?;
        Ok(AskedAgain::Asked)
    }

    /// What of a choice has a digest in the configuration of today.
    pub(super) fn still_offered(&self, choice: &[Chosen]) -> Vec<Chosen> {
        choice.iter().filter(|chosen| self.config.digest(&chosen.digest).is_some()).cloned().collect()
    }

    /// What somebody who has not confirmed yet seems to want, as far as they have not left it since.
    pub(super) fn wished(&self, have: &[SubscriptionRow]) -> Vec<Chosen> {
        let wanted: Vec<Chosen> = have.iter().filter(|have| add::is_wanted(have)).map(Chosen::from).collect();
        self.still_offered(&wanted)
    }

    /// Makes the mail that is not sent, so that time does not tell.
    async fn rehearse(
        &self,
        session: &mut Session,
        request: &JoinRequest,
        notify: &impl Notify,
    ) -> Result<(), SubscribersError> {
        let now = self.now();
        let nobody = self.stranger(request, String::new(), now);
        let wish = JoinRequestRow {
            subscriber_id: 0,
            asked_at: now,
            choice: String::new(),
            name: String::new(),
            locale: request.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            reminded_at: None,
        };
        match self.question(&nobody, &request.address, (&request.choice, &Pauses::default()), &wish, false) {
            Some(notice) => notify.rehearse(session, &notice).await.map_err(SubscribersError::Notify),
            None => Ok(()),
        }
    }

    /// Adds a pending subscriber, with what they seem to want.
    async fn write_down(
        &self,
        session: &mut Session,
        request: &JoinRequest,
        address_hash: String,
    ) -> Result<SubscriberRow, SubscribersError> {
        let mut row = self.stranger(request, address_hash, self.now());
        row.id = session.add_subscriber(&row).await?;
        for chosen in &request.choice {
            session.put_subscription(&add::subscription(row.id, chosen, row.created_at)).await?;
        }
        Ok(row)
    }

    /// Without name and language, which may not be theirs: those wait with the request.
    fn stranger(&self, request: &JoinRequest, address_hash: String, now: UtcMillis) -> SubscriberRow {
        SubscriberRow {
            id: 0,
            public_id: PublicId::new(self.random.as_ref()),
            email: request.address.as_str().to_owned(),
            address_hash,
            name: String::new(),
            state: SubscriberState::Pending,
            locale: None,
            created_at: now,
            updated_at: now,
            confirmed_at: None,
            left_all_at: None,
        }
    }
}

fn answer(
    known: Option<&SubscriberRow>,
    suppression: Option<&SuppressionRow>,
    have: &[SubscriptionRow],
    choice: &[Chosen],
) -> Answer {
    if choice.is_empty() || refusal::of_asking(known, suppression).is_some() {
        return Answer::Nothing;
    }
    if known.is_none_or(|row| is_fresh(row, suppression)) {
        return Answer::Ask(choice.to_vec());
    }
    let more: Vec<Chosen> =
        choice.iter().filter(|chosen| !add::has(have, chosen)).map(|chosen| beyond(have, chosen)).collect();
    if more.is_empty() { Answer::Already } else { Answer::Ask(more) }
}

/// What of a digest is chosen beyond what they get of it.
fn beyond(have: &[SubscriptionRow], chosen: &Chosen) -> Chosen {
    let got = have.iter().find(|have| have.digest == chosen.digest).filter(|have| add::is_wanted(have));
    let topics = match (got.map(|have| Topics::parse(&have.topics)), &chosen.topics) {
        (Some(Topics::Only(got)), Topics::Only(wanted)) => Topics::Only(wanted - &got),
        (_, wanted) => wanted.clone(),
    };
    Chosen { digest: chosen.digest.clone(), topics }
}

/// That they have it all, in the looks of the first digest, or of the first that they have paused and may miss.
fn already(row: &SubscriberRow, pauses: Pauses, request: &JoinRequest) -> Option<Notice> {
    let digests: Vec<String> = request.choice.iter().map(|chosen| chosen.digest.clone()).collect();
    let looks = digests.iter().find(|digest| pauses.until(digest).is_some()).or(digests.first())?.clone();
    let kind = NoticeKind::AlreadySubscribed { digests, pauses };
    Some(Notice::to_address(row, stored_address(row, request), &looks, kind))
}

fn stored_address(row: &SubscriberRow, request: &JoinRequest) -> EmailAddress {
    EmailAddress::parse(&row.email).unwrap_or_else(|_| request.address.clone())
}
