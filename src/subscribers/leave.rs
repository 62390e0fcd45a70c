//! Leaves one digest or all, at once and for good: what is queued is cancelled in the same transaction.

use super::choice::unpack;
use super::notice::NoMails;
use super::together::Leaving;
use super::{
    Notice, NoticeKind, Notify, Origin, SecretLink, Subscribers, SubscribersError, Token, UNDO_LIFETIME, event,
    unless_first,
};
use crate::domain::{EmailAddress, PublicId, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{Durability, Session, StoreError, SubscriberRow, SubscriptionRow};

/// What somebody leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave<'a> {
    /// That digest.
    Digest(&'a str),
    /// Every digest.
    All,
}

impl Leave<'_> {
    /// Whether that digest is among it.
    fn names(self, digest: &str) -> bool {
        match self {
            Self::Digest(this) => digest == this,
            Self::All => true,
        }
    }
}

/// What leaving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// They are out now.
    Now,
    /// They were out before.
    Already,
    /// There is nobody of that id (any more).
    Unknown,
}

/// A leaving as its page tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// What it did.
    pub left: Left,
    /// What opens the page that asks why, and for a day undoes it. Only who left now has it: whoever else has the link, since
    /// mails get forwarded, must not get the way back by pressing again.
    pub way: Option<Token>,
}

/// What leaving did, to whom, and when.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) left: Left,
    /// Who left now, and when.
    pub(super) trace: Option<(SubscriberRow, UtcMillis)>,
}

impl Subscribers {
    /// Leaves. When this returns, it is on disk, and no delivery of what was left will be started.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn leave(
        &self,
        subscriber: &PublicId,
        what: Leave<'_>,
        origin: Origin<'_>,
    ) -> Result<Left, SubscribersError> {
        // One at a time the file would be slow for thousands at once: those who come together are written together.
        if !self.store.is_shared()
            && let Some(done) = self.together.leave(self, Leaving::new(subscriber, what, origin)).await
        {
            return Ok(done.left);
        }
        Ok(self.leave_alone(subscriber, what, origin, None::<(&str, &NoMails)>).await?.left)
    }

    /// Leaves as [`Subscribers::leave`] does, mails a goodbye where the configuration asks for one and the address has not had
    /// mails enough, and gives whoever left by it the way back. `digest` is the one in whose looks that comes.
    ///
    /// # Errors
    /// When the store fails, or the mail cannot be queued; then nothing has changed.
    pub async fn say_goodbye(
        &self,
        subscriber: &PublicId,
        digest: &str,
        what: Leave<'_>,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Goodbye, SubscribersError> {
        let done = self.leave_alone(subscriber, what, origin, Some((digest, notify))).await?;
        let way = |(row, left_at): &(SubscriberRow, UtcMillis)| {
            self.tokens.undo(&row.public_id, &row.address_hash, digest, *left_at)
        };
        Ok(Goodbye { left: done.left, way: done.trace.as_ref().map(way) })
    }

    /// In a transaction of its own, which is tried again where another one was in its way.
    async fn leave_alone(
        &self,
        subscriber: &PublicId,
        what: Leave<'_>,
        origin: Origin<'_>,
        goodbye: Option<(&str, &impl Notify)>,
    ) -> Result<Done, SubscribersError> {
        let done = unless_first(|| self.try_leave_alone(subscriber, what, origin, goodbye)).await?;
        self.recall(&done, what).await?;
        Ok(done)
    }

    /// Where there are writers beside each other, a start may have looked at them just before they left, and commit after:
    /// this waits for it, or takes its claim away.
    async fn recall(&self, done: &Done, what: Leave<'_>) -> Result<(), SubscribersError> {
        let Some((row, left_at)) = done.trace.as_ref().filter(|_| self.store.is_shared()) else { return Ok(()) };
        let digest = match what {
            Leave::Digest(digest) => Some(digest),
            Leave::All => None,
        };
        let mut session = self.store.write(Durability::Full).await?;
        session.recall_what_was_left(row.id, digest, *left_at).await?;
        Ok(session.commit().await?)
    }

    async fn try_leave_alone(
        &self,
        subscriber: &PublicId,
        what: Leave<'_>,
        origin: Origin<'_>,
        goodbye: Option<(&str, &impl Notify)>,
    ) -> Result<Done, SubscribersError> {
        let mut session = self.store.write(Durability::Full).await?;
        let goodbye = goodbye.filter(|_| self.config.leave.goodbye_mail);
        let granted = goodbye.is_some() && self.take_goodbye_slot(&mut session, subscriber, what).await?;
        let done = self.leave_within(&mut session, subscriber, what, origin).await?;
        if let (Some((digest, notify)), Left::Now, Some((row, left_at))) = (goodbye, done.left, &done.trace)
            && granted
            && let Some(notice) = self.goodbye(row, digest, *left_at)
        {
            notice.queue(&mut session, notify).await?;
        }
        session.commit().await?;
        Ok(done)
    }

    /// Within a transaction of which others may be part too.
    pub(super) async fn leave_within(
        &self,
        session: &mut Session,
        subscriber: &PublicId,
        what: Leave<'_>,
        origin: Origin<'_>,
    ) -> Result<Done, SubscribersError> {
        let unknown = Done { left: Left::Unknown, trace: None };
        let Some(row) = session.subscriber_by_public_id(subscriber).await? else { return Ok(unknown) };
        // Whoever confirms, chooses or leaves at the same time waits here, and then sees what this one wrote.
        if !session.lock_subscriber(row.id).await? {
            return Ok(unknown);
        }
        let Some(mut row) = session.subscriber_by_public_id(subscriber).await? else { return Ok(unknown) };
        let now = self.now();
        let have = session.subscriptions_among(&[row.id]).await?;
        let (left, leaving): (Vec<&SubscriptionRow>, Vec<&SubscriptionRow>) =
            have.iter().filter(|have| what.names(&have.digest)).partition(|have| have.state == SubscriptionState::Left);
        // An operator's no ends the way back that an earlier leaving had; the person's own would give back more than it took.
        let operator = origin.actor == Origin::COMMAND_LINE.actor;
        if operator {
            self.write_left(session, &row, &left, origin, now).await?;
        }
        self.write_left(session, &row, &leaving, origin, now).await?;
        let before = row.clone();
        let remain = have.iter().filter(|have| have.state != SubscriptionState::Left).count() > leaving.len();
        let listed = matches!(row.state, SubscriberState::Pending | SubscriberState::Confirmed);
        if listed && !remain && !leaving.is_empty() {
            (row.state, row.updated_at) = (SubscriberState::Unsubscribed, now);
        }
        if what == Leave::All {
            row.left_all_at = Some(now);
        }
        if row != before {
            session.update_subscriber(&row).await?;
        }
        let some = operator || !leaving.is_empty();
        if what == Leave::All || some && asks_for_nothing_else(session, &row, &have, what).await? {
            session.cancel_questions_to(&[row.id], now).await?;
        }
        Ok(match leaving.is_empty() {
            true => Done { left: Left::Already, trace: None },
            false => Done { left: Left::Now, trace: Some((row, now)) },
        })
    }

    /// Writes down what is left at that moment, by which undoing finds it, and stops what is queued of it.
    pub(super) async fn write_left(
        &self,
        session: &mut Session,
        row: &SubscriberRow,
        leaving: &[&SubscriptionRow],
        origin: Origin<'_>,
        now: UtcMillis,
    ) -> Result<(), SubscribersError> {
        for have in leaving {
            // The pause stays written down, so that undoing brings back exactly what there was.
            let left = SubscriptionRow { state: SubscriptionState::Left, left_at: Some(now), ..(*have).clone() };
            session.put_subscription(&left).await?;
            session.cancel_deliveries(row.id, Some(&have.digest), now).await?;
            let mut event = event(row, "left", now, origin);
            event.digest = Some(have.digest.clone());
            session.add_consent(&event).await?;
        }
        Ok(())
    }

    /// Takes the right to mail a goodbye to somebody who is about to leave. Else whoever was forwarded their link could set off
    /// one mail after the other, by leaving and undoing it; the leaving itself is never held back. As always it is taken before
    /// the person is locked.
    async fn take_goodbye_slot(
        &self,
        session: &mut Session,
        subscriber: &PublicId,
        what: Leave<'_>,
    ) -> Result<bool, SubscribersError> {
        let known = session.subscriber_by_public_id(subscriber).await?;
        let Some(row) = known.filter(is_told_goodbye) else { return Ok(false) };
        let Ok(address) = EmailAddress::parse(&row.email) else { return Ok(false) };
        let have = session.subscriptions_among(&[row.id]).await?;
        let leaves = have.iter().any(|have| what.names(&have.digest) && have.state != SubscriptionState::Left);
        Ok(leaves && self.take_notice_slot(session, &address).await?)
    }

    /// The mail that says goodbye.
    fn goodbye(&self, row: &SubscriberRow, digest: &str, left_at: UtcMillis) -> Option<Notice> {
        if !is_told_goodbye(row) {
            return None;
        }
        let link = self.tokens.undo_url(&row.public_id, &row.address_hash, digest, left_at);
        let kind = NoticeKind::Goodbye { link: SecretLink(link), expires_at: left_at.plus(UNDO_LIFETIME) };
        Notice::to(row, &self.config.digest(digest)?.id, kind)
    }
}

/// Whether they have asked for something, and all of it is what they leave, or have left since they asked.
async fn asks_for_nothing_else(
    session: &mut Session,
    row: &SubscriberRow,
    have: &[SubscriptionRow],
    what: Leave<'_>,
) -> Result<bool, StoreError> {
    let requests = session.join_requests_between(row.id, row.id).await?;
    let left_since = |digest: &str, asked_at: UtcMillis| {
        row.left_all_at.is_some_and(|left| left >= asked_at)
            || have.iter().any(|have| have.digest == digest && has_left_since(have, asked_at))
    };
    let mut asked = requests.iter().flat_map(|request| {
        let chosen = unpack(&request.choice).into_iter();
        chosen.map(|chosen| (chosen.digest, request.asked_at))
    });
    Ok(!requests.is_empty() && asked.all(|(digest, at)| what.names(&digest) || left_since(&digest, at)))
}

/// Whether that digest has been left at that moment or after it.
pub(super) fn has_left_since(have: &SubscriptionRow, asked_at: UtcMillis) -> bool {
    have.state == SubscriptionState::Left && have.left_at.is_some_and(|left| left >= asked_at)
}

/// Whoever never confirmed, complained or bounced is mailed no goodbye.
fn is_told_goodbye(row: &SubscriberRow) -> bool {
    let listed = matches!(row.state, SubscriberState::Confirmed | SubscriberState::Unsubscribed);
    listed && row.confirmed_at.is_some()
}
