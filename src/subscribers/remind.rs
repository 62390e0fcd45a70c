//! Reminds once of a confirmation that nobody has answered.

use super::{Notify, Origin, Pauses, Subscribers, SubscribersError, choice, event, meant};
use crate::domain::{EmailAddress, SubscriberState};
use crate::store::{Durability, UnansweredRow};

/// How many are looked up at once.
const PAGE: i64 = 500;

impl Subscribers {
    /// Reminds everybody whose newest request is older than the configured time and still good, and who has never
    /// confirmed, left, bounced, complained, been suppressed or been reminded. The link is that of the first mail made
    /// anew, with its old end. Does nothing unless it is switched on. Says how many were reminded.
    ///
    /// # Errors
    /// When the store fails. A mail that cannot be made is logged and tried again the next time.
    pub async fn remind(&self, notify: &impl Notify) -> Result<u64, SubscribersError> {
        let confirmation = &self.config.confirmation;
        let Some(wait) = confirmation.reminder_after else { return Ok(0) };
        let (mut reminded, mut beyond) = (0, 0);
        loop {
            let now = self.now();
            let (after, until) = (now.minus(confirmation.valid_for), now.minus(wait));
            let page = self.store.read().await?.unanswered(after, until, beyond, PAGE).await?;
            let Some(last) = page.last() else { return Ok(reminded) };
            beyond = last.id;
            for unanswered in &page {
                match self.remind_of(unanswered, notify).await {
                    Ok(mailed) => reminded += u64::from(mailed),
                    Err(SubscribersError::Notify(error)) => tracing::warn!(%error, "a reminder could not be made"),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Looks again under the lock, so that of two nodes one reminds. An address that has had mails enough counts as
    /// reminded.
    async fn remind_of(&self, unanswered: &UnansweredRow, notify: &impl Notify) -> Result<bool, SubscribersError> {
        let now = self.now();
        let hash = unanswered.address_hash.as_str();
        let mut session = self.store.write(Durability::Full).await?;
        let known = session.subscriber_by_hash(hash).await?;
        let Some(Ok(address)) = known.map(|row| EmailAddress::parse(&row.email)) else { return Ok(false) };
        let granted = self.take_notice_slot(&mut session, &address).await?;
        session.lock_subscribers_among(&[hash]).await?;
        let Some(row) = session.subscriber_by_hash(hash).await? else { return Ok(false) };
        let barred = row.state != SubscriberState::Pending || session.suppression(hash).await?.is_some();
        if barred || meant::mover_said_no(&mut session, Some(&row), hash).await? {
            return Ok(false);
        }
        let Some(request) = session.join_request(row.id, unanswered.asked_at).await? else { return Ok(false) };
        if !session.mark_reminded(row.id, unanswered.asked_at, now).await? {
            return Ok(false);
        }
        let choice = self.still_offered(&choice::unpack(&request.choice));
        let notice =
            granted.then(|| self.question(&row, &address, (&choice, &Pauses::default()), &request, true)).flatten();
        if let Some(notice) = &notice {
            notice.queue(&mut session, notify).await?;
            for chosen in &choice {
                let mut event = event(&row, "reminded", now, Origin::REMINDER);
                event.digest = Some(chosen.digest.clone());
                session.add_consent(&event).await?;
            }
        }
        session.commit().await?;
        Ok(notice.is_some())
    }
}
