//! Asks those whom an import brought without evidence, at a limited rate, each when their turn comes.
//!
//! Nothing is queued ahead: whoever has confirmed, left or complained before their turn is not asked.

use std::time::Duration;

use super::{NOTICE_SPACING, Notify, Origin, Subscribers, SubscribersError, meant};
use crate::config::Rate;
use crate::domain::{EmailAddress, SubscriberState, UtcMillis};
use crate::store::{Ask, Durability, Session, StoreError, SubscriberRow};

/// How many are asked in one transaction.
const BATCH: i64 = 20;

/// How many are asked in which time, where nothing else is said.
pub const ASKED: Rate = Rate { per: Duration::from_secs(60), ..Rate::per_hour(100) };

/// Says when the next one is asked.
pub(super) struct Pace {
    rate: Rate,
    start: UtcMillis,
    given: u32,
}

impl Pace {
    pub(super) fn next(&mut self) -> UtcMillis {
        if self.given == self.rate.count.get() {
            self.given = 0;
            self.start = self.start.plus(self.rate.per);
        }
        self.given += 1;
        self.start
    }
}

impl Subscribers {
    /// The pace of another import: behind those who wait already.
    pub(super) async fn pace(&self, rate: Rate) -> Result<Pace, SubscribersError> {
        let last = self.store.read().await?.last_ask().await?;
        let start = last.map_or(self.now(), |last| last.plus(rate.per).max(self.now()));
        Ok(Pace { rate, start, given: 0 })
    }

    /// Asks all whose turn has come to confirm; gives how many were asked.
    ///
    /// # Errors
    /// When the store fails, or a mail cannot be queued; whoever was asked before that stays asked.
    pub async fn ask_due(&self, notify: &impl Notify) -> Result<u64, SubscribersError> {
        let mut asked = 0;
        loop {
            let due = self.store.read().await?.due_asks(self.now(), BATCH).await?;
            if due.is_empty() {
                return Ok(asked);
            }
            let mut session = self.store.write(Durability::Full).await?;
            for ask in &due {
                asked += u64::from(self.ask_one(&mut session, ask, notify).await?);
            }
            session.commit().await?;
        }
    }

    /// Asks one, where they may still be asked: neither known otherwise by now, nor mailed too often.
    async fn ask_one(&self, session: &mut Session, ask: &Ask, notify: &impl Notify) -> Result<bool, SubscribersError> {
        let now = self.now();
        let before = row_of(session, ask.subscriber_id).await?;
        let address = match &before {
            Some(row) if waits(session, row).await? => EmailAddress::parse(&row.email).ok(),
            _ => None,
        };
        let Some(address) = address else {
            // Or it would be due for ever.
            session.take_ask(ask.subscriber_id).await?;
            return Ok(false);
        };
        if !self.take_notice_slot(session, &address).await? {
            session.postpone_ask(ask.subscriber_id, now.plus(NOTICE_SPACING)).await?;
            return Ok(false);
        }
        session.lock_subscriber(ask.subscriber_id).await?;
        // Another process may have taken it since.
        if !session.take_ask(ask.subscriber_id).await? {
            return Ok(false);
        }
        let Some(row) = row_of(session, ask.subscriber_id).await? else { return Ok(false) };
        if !waits(session, &row).await? {
            return Ok(false);
        }
        let have = session.subscriptions_among(&[row.id]).await?;
        let choice = self.wished(&have);
        let Ok(address) = EmailAddress::parse(&row.email) else { return Ok(false) };
        if choice.is_empty() {
            return Ok(false);
        }
        let origin = Origin { source: &ask.source, ..Origin::COMMAND_LINE };
        self.ask(session, &row, &address, &choice, origin, notify).await?;
        Ok(true)
    }
}

async fn row_of(session: &mut Session, id: i64) -> Result<Option<SubscriberRow>, StoreError> {
    Ok(session.subscribers_after(id - 1, 1).await?.into_iter().find(|row| row.id == id))
}

/// Whether somebody is still without an answer, and may be mailed.
async fn waits(session: &mut Session, row: &SubscriberRow) -> Result<bool, SubscribersError> {
    Ok(row.state == SubscriberState::Pending
        && session.suppression(&row.address_hash).await?.is_none()
        && !meant::mover_said_no(session, Some(row), &row.address_hash).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_gives_as_many_in_each_time_as_its_rate_says() {
        let rate = Rate::parse("2/m").unwrap();
        let mut pace = Pace { rate, start: UtcMillis(0), given: 0 };
        let due: Vec<i64> = (0..5).map(|_| pace.next().0).collect();
        assert_eq!(due, [0, 0, 60_000, 60_000, 120_000]);
    }
}
