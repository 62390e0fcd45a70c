//! Undoes a leaving within a day, and takes down why somebody left.

use super::add::drop_others;
use super::choice::Chosen;
use super::meant::mover_said_no;
use super::{Origin, PersonalClaim, Subscribers, SubscribersError, event, keep_layouts_out};
use crate::domain::{SubscriberState, SubscriptionState};
use crate::store::{Durability, ReasonRow, Session, SubscriberRow, SubscriptionRow};

/// The longest note beside a reason, in letters.
pub const NOTE_LIMIT: usize = 300;

/// Why somebody left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is too much of it.
    TooOften,
    /// It is not what they want to read.
    NotForMe,
    /// They never asked for it.
    NeverAsked,
    /// Something else.
    Other,
}

impl Reason {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::TooOften, Self::NotForMe, Self::NeverAsked, Self::Other];

    /// Its word in forms and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooOften => "too-often",
            Self::NotForMe => "not-for-me",
            Self::NeverAsked => "never-asked",
            Self::Other => "other",
        }
    }

    /// Reads that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// What undoing did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// These digests come again.
    Now(Vec<String>),
    /// They come already: it was undone before, or there was a new subscription since.
    Already,
    /// These stay left, since the address must not be mailed; only from [`Subscribers::would_undo`].
    Barred(Vec<String>),
    /// The address must not be mailed, or is not theirs any more.
    Refused,
    /// They have left once more since, or an operator has taken them off.
    LeftAgain,
    /// There is nobody of that link any more.
    Unknown,
}

impl Undone {
    fn of(past: &Past) -> Self {
        let digests = past.left.iter().map(|left| left.digest.clone()).collect();
        match (past.barred, past.left.is_empty()) {
            (true, false) => Self::Barred(digests),
            (true, true) => Self::Refused,
            (false, true) => Self::Already,
            (false, false) => Self::Now(digests),
        }
    }
}

/// Who left, and what they left then and have not taken up again.
struct Past {
    row: SubscriberRow,
    left: Vec<SubscriptionRow>,
    /// Whether they may not have it back.
    barred: bool,
}

impl Subscribers {
    /// What [`Subscribers::undo`] would do now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn would_undo(&self, claim: &PersonalClaim) -> Result<Undone, SubscribersError> {
        let past = past(&mut self.store.read().await?, claim).await?;
        Ok(past.map_or_else(|settled| settled, |past| Undone::of(&past)))
    }

    /// Brings back what was left at the moment of the claim, as it was then: topics, pause, and what the leaving had
    /// cancelled of an issue that is still being sent, and of corrections. Never lifts a complaint or a suppression, confirms nobody, and
    /// brings nothing back to whoever has left everything but what was left then.
    /// `wording` is what the person was shown.
    ///
    /// # Errors
    /// [`SubscribersError::TooOften`] after too many changes, or when the store fails; then nothing has changed.
    pub async fn undo(
        &self,
        claim: &PersonalClaim,
        wording: &str,
        origin: Origin<'_>,
    ) -> Result<Undone, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        if let Some(row) = session.subscriber_by_public_id(&claim.subscriber).await? {
            keep_layouts_out(&mut session, row.id).await?;
            session.lock_subscriber(row.id).await?;
        }
        let past = match past(&mut session, claim).await? {
            Ok(past) if past.barred => return Ok(Undone::Refused),
            Ok(past) => past,
            Err(settled) => return Ok(settled),
        };
        let undone = Undone::of(&past);
        let (Undone::Now(_), Past { mut row, left, .. }) = (&undone, past) else { return Ok(undone) };
        self.admit_change(&mut session, &row, origin).await?;
        let now = self.now();
        for left in &left {
            let pause = left.paused_until.filter(|until| *until > now);
            let state = if pause.is_some() { SubscriptionState::Paused } else { SubscriptionState::Active };
            let again = SubscriptionRow { state, paused_until: pause, left_at: None, ..left.clone() };
            session.put_subscription(&again).await?;
            session.restore_left(row.id, &left.digest, claim.at, pause.is_some(), now).await?;
            let mut event = event(&row, "returned", now, origin);
            event.digest = Some(left.digest.clone());
            event.wording = Some(wording.to_owned());
            event.evidence = Some(format!("undid the leaving of {}, topics {}", claim.at, left.topics));
            session.add_consent(&event).await?;
        }
        if row.state == SubscriberState::Unsubscribed {
            let have = session.subscriptions_among(&[row.id]).await?;
            drop_others(&mut session, row.id, &have, &left.iter().map(Chosen::from).collect::<Vec<_>>()).await?;
            let confirmed = row.confirmed_at.is_some();
            row.state = if confirmed { SubscriberState::Confirmed } else { SubscriberState::Pending };
            if confirmed {
                session.drop_former_address(&row.address_hash).await?;
            }
            row.updated_at = now;
            // That no is taken back.
            row.left_all_at = row.left_all_at.filter(|left| *left < claim.at);
            session.update_subscriber(&row).await?;
        }
        session.commit().await?;
        Ok(undone)
    }

    /// Takes down why somebody left at the moment of the claim; a second answer takes the place of the first. `false`:
    /// there is nothing that was left then.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn say_why(&self, claim: &PersonalClaim, reason: Reason, note: &str) -> Result<bool, SubscribersError> {
        let mut session = self.store.write(Durability::Normal).await?;
        let Some(row) = session.subscriber_by_public_id(&claim.subscriber).await? else { return Ok(false) };
        let left = of_that_moment(&session.subscriptions_among(&[row.id]).await?, claim);
        let note: String = note.chars().filter(|letter| !letter.is_control()).take(NOTE_LIMIT).collect();
        for left in &left {
            let answer = ReasonRow {
                digest: left.digest.clone(),
                left_at: claim.at,
                reason: reason.as_str().to_owned(),
                note: note.trim().to_owned(),
            };
            session.put_reason(row.id, &answer).await?;
        }
        session.commit().await?;
        Ok(!left.is_empty())
    }

    /// Why people left a digest within that time, the latest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reasons(&self, digest: &str, within: std::time::Duration) -> Result<Vec<ReasonRow>, SubscribersError> {
        Ok(self.store.read().await?.reasons_of_digest(digest, self.now().minus(within)).await?)
    }
}

/// What the claim is about; else why nothing can come of it.
async fn past(session: &mut Session, claim: &PersonalClaim) -> Result<Result<Past, Undone>, SubscribersError> {
    let Some(row) = session.subscriber_by_public_id(&claim.subscriber).await? else { return Ok(Err(Undone::Unknown)) };
    if !claim.is_bound_to(&row.address_hash) {
        return Ok(Err(Undone::Refused));
    }
    let have = session.subscriptions_among(&[row.id]).await?;
    let left = of_that_moment(&have, claim);
    let left_since = |have: &SubscriptionRow| have.digest == claim.digest && have.state == SubscriptionState::Left;
    let barred = may_not_return(session, &row).await?;
    if !barred && left.is_empty() && have.iter().any(left_since) {
        return Ok(Err(Undone::LeftAgain));
    }
    Ok(Ok(Past { row, left, barred }))
}

/// Whether nothing that they left can be given back to them: they complained, bounced or are suppressed, or whoever had the
/// address before has said no for good.
async fn may_not_return(session: &mut Session, row: &SubscriberRow) -> Result<bool, SubscribersError> {
    let out = matches!(row.state, SubscriberState::Complained | SubscriberState::Bounced);
    Ok(out
        || session.suppression(&row.address_hash).await?.is_some()
        || mover_said_no(session, Some(row), &row.address_hash).await?)
}

fn of_that_moment(have: &[SubscriptionRow], claim: &PersonalClaim) -> Vec<SubscriptionRow> {
    let then = |have: &&SubscriptionRow| have.state == SubscriptionState::Left && have.left_at == Some(claim.at);
    have.iter().filter(then).cloned().collect()
}
