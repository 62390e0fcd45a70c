//! Confirms what was asked for, by the token that was mailed; the second time changes nothing.

use super::add::{drop_others, has, is_wanted, subscription};
use super::choice::{Chosen, Topics};
use super::leave::has_left_since;
use super::meant::mover_said_no;
use super::{
    ConfirmClaim, Notice, NoticeKind, Notify, Origin, Pauses, Refusal, Subscribers, SubscribersError, event, refusal,
};
use crate::domain::{SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{ConsentRow, Durability, JoinRequestRow, Session, SubscriberRow, SubscriptionRow, SuppressionRow};

/// What a confirmation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// It counts from now on.
    Now,
    /// It had counted before.
    Already,
    /// The link is from before the person left, or was erased, or changed the address; it takes a new one.
    Stale,
    /// None of the digests that the link names is in the configuration any more.
    Discontinued,
    /// Nothing that a link can do brings this address back.
    Refused(Refusal),
}

/// What a confirmation link would do now.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// What it would be.
    pub verdict: Confirmed,
    /// The address that it is for, where there is anybody of that link.
    pub address: Option<String>,
    /// What the button would subscribe to, without what was left since it was asked for, or is gone from the configuration;
    /// where it was pressed before, what of it comes now.
    pub choice: Vec<Chosen>,
    /// What they have paused, and go on to have.
    pub pauses: Pauses,
}

/// All that decides on a confirmation.
struct Known {
    row: SubscriberRow,
    subscriptions: Vec<SubscriptionRow>,
    suppression: Option<SuppressionRow>,
    events: Vec<ConsentRow>,
    /// What of the link's choice is in the configuration.
    offered: Vec<Chosen>,
    /// Whether whoever had the address before has said no for good since, which is for this one too.
    shut: bool,
}

impl Subscribers {
    /// What [`Subscribers::confirm`] would do now, for the page that has the button.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn would_confirm(&self, claim: &ConfirmClaim) -> Result<Prospect, SubscribersError> {
        let mut session = self.store.read().await?;
        let Some(known) = self.known(&mut session, claim).await? else {
            let (choice, pauses) = (Vec::new(), Pauses::default());
            return Ok(Prospect { verdict: Confirmed::Stale, address: None, choice, pauses });
        };
        let verdict = verdict(&known, claim);
        let choice = if verdict == Confirmed::Already { still_had(&known) } else { agreed(&known, claim) };
        let fresh = is_fresh(&known.row, known.suppression.as_ref());
        let pauses = if fresh { Pauses::default() } else { Pauses::of(&known.subscriptions, self.now()) };
        Ok(Prospect { verdict, address: Some(known.row.email), choice, pauses })
    }

    /// Confirms what the token says, and with it the name and language that were given in that very request. `wording` is
    /// what the person was shown when they agreed. Whoever was not confirmed before gets a welcome mail, where the
    /// configuration says so.
    ///
    /// # Errors
    /// When the store fails, or the welcome mail cannot be queued; then nothing has changed.
    pub async fn confirm(
        &self,
        claim: &ConfirmClaim,
        wording: &str,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Confirmed, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        if let Some(row) = session.subscriber_by_public_id(&claim.subscriber).await? {
            session.lock_subscriber(row.id).await?;
        }
        let Some(known) = self.known(&mut session, claim).await? else { return Ok(Confirmed::Stale) };
        let verdict = verdict(&known, claim);
        if verdict != Confirmed::Now {
            return Ok(verdict);
        }
        let now = self.now();
        if known.suppression.is_some() {
            session.unsuppress(&known.row.address_hash).await?;
        }
        // Whoever had it before they moved: whoever reads its mails now wants them for themselves.
        session.drop_former_address(&known.row.address_hash).await?;
        let agreed = agreed(&known, claim);
        settle(&mut session, &known, &agreed, now).await?;
        let request = session.join_request(known.row.id, claim.asked_at).await?;
        // Other requests' links work on; whose name they had does not matter any more.
        session.drop_join_requests(known.row.id).await?;
        let mut row = known.row;
        let first = row.state != SubscriberState::Confirmed;
        adopt(&mut row, request);
        row.state = SubscriberState::Confirmed;
        (row.confirmed_at, row.updated_at) = (Some(now), now);
        session.update_subscriber(&row).await?;
        for chosen in &agreed {
            let mut event = event(&row, "confirmed", now, origin);
            event.digest = Some(chosen.digest.clone());
            event.wording = Some(wording.to_owned());
            event.evidence = Some(evidence(claim, chosen));
            session.add_consent(&event).await?;
        }
        if first && self.config.confirmation.welcome_mail {
            self.welcome(&mut session, &row, &agreed, notify).await?;
        }
        session.commit().await?;
        Ok(Confirmed::Now)
    }

    /// Each digest welcomes them itself: its links, and the button that mail programs show, are about that one.
    async fn welcome(
        &self,
        session: &mut Session,
        row: &SubscriberRow,
        agreed: &[Chosen],
        notify: &impl Notify,
    ) -> Result<(), SubscribersError> {
        for chosen in agreed {
            if let Some(notice) = Notice::to(row, &chosen.digest, NoticeKind::Welcome) {
                notice.queue(session, notify).await?;
            }
        }
        Ok(())
    }

    async fn known(&self, session: &mut Session, claim: &ConfirmClaim) -> Result<Option<Known>, SubscribersError> {
        let Some(row) = session.subscriber_by_public_id(&claim.subscriber).await? else { return Ok(None) };
        if !claim.is_bound_to(&row.address_hash) {
            return Ok(None);
        }
        let subscriptions = session.subscriptions_among(&[row.id]).await?;
        let suppression = session.suppression(&row.address_hash).await?;
        let events = session.consent_between(row.id, row.id).await?;
        let shut = mover_said_no(session, Some(&row), &row.address_hash).await?;
        let offered = self.still_offered(&claim.choice);
        Ok(Some(Known { row, subscriptions, suppression, events, offered, shut }))
    }
}

/// Which request was agreed to: so that the same link is known again, and what was changed since is left alone.
fn evidence(claim: &ConfirmClaim, chosen: &Chosen) -> String {
    format!("request {} for topics {}", claim.asked_at.0, chosen.topics.stored())
}

fn verdict(known: &Known, claim: &ConfirmClaim) -> Confirmed {
    if let Some(refusal) = refusal::of_asking(Some(&known.row), known.suppression.as_ref()) {
        return Confirmed::Refused(refusal);
    }
    if known.shut || known.suppression.as_ref().is_some_and(|suppression| suppression.created_at >= claim.asked_at) {
        return Confirmed::Stale;
    }
    let used = is_used(known, claim);
    let no_since = known.row.left_all_at.is_some_and(|left| left >= claim.asked_at);
    let gone = match known.row.state {
        SubscriberState::Bounced => known.row.updated_at >= claim.asked_at,
        // Whoever has left one digest after the other may still say yes to another one that they had asked for.
        SubscriberState::Unsubscribed => used || no_since,
        SubscriberState::Pending | SubscriberState::Confirmed | SubscriberState::Complained => false,
    };
    if gone {
        return Confirmed::Stale;
    }
    if known.offered.is_empty() {
        return Confirmed::Discontinued;
    }
    if known.offered.iter().all(|chosen| left_since(known, chosen, claim)) {
        return Confirmed::Stale;
    }
    let nothing_new = known.offered.iter().all(|chosen| has(&known.subscriptions, chosen));
    // A suppression that a confirmation lifts is something new to agree to.
    match !is_fresh(&known.row, known.suppression.as_ref()) && (used || nothing_new) {
        true => Confirmed::Already,
        false if no_since => Confirmed::Stale,
        false => Confirmed::Now,
    }
}

/// Whether that link has been used.
fn is_used(known: &Known, claim: &ConfirmClaim) -> bool {
    claim.choice.iter().any(|chosen| {
        let evidence = evidence(claim, chosen);
        known.events.iter().any(|event| {
            event.event == "confirmed"
                && event.digest.as_ref() == Some(&chosen.digest)
                && event.evidence.as_ref() == Some(&evidence)
        })
    })
}

/// What the button subscribes to.
fn agreed(known: &Known, claim: &ConfirmClaim) -> Vec<Chosen> {
    known.offered.iter().filter(|chosen| !left_since(known, chosen, claim)).cloned().collect()
}

/// What comes now of the digests that the link names.
fn still_had(known: &Known) -> Vec<Chosen> {
    let had = |chosen: &Chosen| {
        known.subscriptions.iter().find(|have| have.digest == chosen.digest && is_wanted(have)).map(Chosen::from)
    };
    known.offered.iter().filter_map(had).collect()
}

/// Whether they have left that digest after they asked for it.
fn left_since(known: &Known, chosen: &Chosen, claim: &ConfirmClaim) -> bool {
    let left = |have: &SubscriptionRow| have.digest == chosen.digest && has_left_since(have, claim.asked_at);
    known.subscriptions.iter().any(left)
}

/// Writes the subscriptions. Whoever gets nothing until now gets what this link says and no more: another request may
/// have come from somebody else, and what they had before they were gone is not named in it.
async fn settle(
    session: &mut Session,
    known: &Known,
    agreed: &[Chosen],
    now: UtcMillis,
) -> Result<(), SubscribersError> {
    let fresh = is_fresh(&known.row, known.suppression.as_ref());
    for chosen in agreed {
        let row = match known.subscriptions.iter().find(|have| have.digest == chosen.digest) {
            Some(have) if !fresh && have.state != SubscriptionState::Left => {
                SubscriptionRow { topics: Topics::parse(&have.topics).union(&chosen.topics).stored(), ..have.clone() }
            }
            _ => subscription(known.row.id, chosen, now),
        };
        session.put_subscription(&row).await?;
    }
    if fresh {
        drop_others(session, known.row.id, &known.subscriptions, agreed).await?;
    }
    Ok(())
}

/// Whether nothing comes to them until now, so that a confirmation brings what it names and no more, and none of their pauses.
pub(super) fn is_fresh(row: &SubscriberRow, suppression: Option<&SuppressionRow>) -> bool {
    row.state != SubscriberState::Confirmed || suppression.is_some()
}

/// Takes the name and the language of the request that is confirmed. Whoever is confirmed has both already, but for a
/// name that they never gave; whoever comes back may have others now.
fn adopt(row: &mut SubscriberRow, request: Option<JoinRequestRow>) {
    let Some(request) = request else { return };
    let returns = matches!(row.state, SubscriberState::Unsubscribed | SubscriberState::Bounced);
    let fresh = row.state == SubscriberState::Pending && row.locale.is_none();
    if !request.name.is_empty() && (row.name.is_empty() || returns) {
        row.name = request.name;
    }
    if request.locale.is_some() && (fresh || returns) {
        row.locale = request.locale;
    }
}
