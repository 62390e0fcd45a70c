//! Deliveries as people and the other rooms see them: queued, counted, listed, cancelled, tried again.

use serde::Serialize;

use super::query::{execute, fetch_all, fetch_one, json, queries};
use super::{Session, StoreError};
use crate::domain::{DeliveryState, EmailAddress, UtcMillis};

queries! {
    INSERT_DELIVERY = {
        "insert into deliveries (mail_id, issue_id, kind, digest, subscriber_id, address, name, state, priority, due_at,
                                 first_due_at, attempts, link)
         values ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, $9, $9, 0, $10) returning id"
    };
    INSERT_NOTICE = {
        "insert into deliveries (mail_id, issue_id, kind, digest, subscriber_id, address, name, state, priority, due_at,
                                 first_due_at, attempts, link, address_hash)
         values ($1, null, $2, $3, $4, $5, $6, 'queued', $7, $8, $8, 0, $9, $10) returning id"
    };
    // Each part by an index of its own. What is neither at rest nor in anybody's hands has been sent. What waits for its turn
    // in the spread has not been put off by anybody.
    ISSUE_TOTALS = {
        "select case when state = 'deferred' and attempts = 0 then 'queued' else state end as state, count(*)
         from deliveries where issue_id = $1 and state not in ('claimed', 'sending', 'sent') group by 1
         union all
         select state, count(*) from deliveries where owner is not null and +issue_id = $1 group by state
         union all
         select 'all', count(*) from deliveries where issue_id = $1"
    };
    ISSUE_DELIVERIES = {
        "select id, address, name, state, attempts, due_at, started_at, finished_at, relay, answer from deliveries
         where issue_id = $1 and id > $2 order by id limit $3"
    };
    ISSUE_DELIVERIES_IN = {
        "select id, address, name, state, attempts, due_at, started_at, finished_at, relay, answer from deliveries
         where issue_id = $1 and id > $2 and state = $4 order by id limit $3"
    };
    DELIVERY = {
        "select id, address, name, state, attempts, due_at, started_at, finished_at, relay, answer from deliveries
         where id = $1"
    };
    // Answers to what somebody asks for are not what they leave.
    CANCEL_OPEN = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $3"
        where "subscriber_id = $1 and digest = $2 and kind not in ('confirmation', 'manage', 'address', 'moved')
           and state in ('queued', 'claimed', 'held', 'deferred', 'uncertain')"
    };
    CANCEL_ALL_OPEN = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $2"
        where "subscriber_id = $1 and kind not in ('confirmation', 'manage', 'address', 'moved')
           and state in ('queued', 'claimed', 'held', 'deferred', 'uncertain')"
    };
    // What `CANCEL_OPEN` passes over of what is asked. A list of keys is bound in its own way on each.
    CANCEL_QUESTIONS_TO = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $2"
        where sqlite "state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') and kind in ('confirmation', 'reminder')
              and subscriber_id in (select value from json_each($1))"
        postgres "state in ('queued', 'claimed', 'held', 'deferred', 'uncertain') and kind in ('confirmation', 'reminder')
              and subscriber_id in (select jsonb_array_elements_text($1::jsonb)::bigint)"
    };
    RECALL_WHAT_WAS_LEFT = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $3"
        where "subscriber_id = $1 and (digest = $2 or $2 = '') and kind in ('digest', 'welcome', 'correction')
           and state in ('queued', 'claimed')"
    };
    // A question to a new address is theirs when it was answered there; until then it may be somebody else's inbox.
    DELIVERIES_TO = {
        "select d.kind, d.digest, m.subject, d.address, d.state, d.first_due_at as queued_at, d.finished_at, d.answer
         from deliveries d join mails m on m.id = d.mail_id
         where d.subscriber_id = $1 and (d.kind <> 'address' or exists (
             select 1 from consent_events c where c.subscriber_id = $1 and c.event = 'moved' and c.address = d.address))
         order by d.id"
    };
}

/// A delivery to be queued.
#[derive(Clone, Debug)]
pub struct NewDelivery<'a> {
    /// The mail that it sends.
    pub mail: i64,
    /// The issue that it belongs to.
    pub issue: Option<i64>,
    /// `digest`, `test`, `alert`, `review`, or what a notice is called.
    pub kind: &'a str,
    /// The digest's id.
    pub digest: Option<&'a str>,
    /// The subscriber's row id; none: the address is no subscriber's.
    pub subscriber: Option<i64>,
    /// Where it goes.
    pub address: &'a EmailAddress,
    /// The recipient's name; may be empty.
    pub name: &'a str,
    /// Lower goes first.
    pub priority: i64,
    /// A link of its own, as in a confirmation.
    pub link: Option<&'a str>,
}

/// How many of an issue's deliveries are where. What is claimed or held counts as queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Waiting for their turn.
    pub queued: i64,
    /// Started, no answer yet.
    pub sending: i64,
    /// Taken by the relay.
    pub sent: i64,
    /// Refused for now.
    pub deferred: i64,
    /// Refused for good.
    pub failed: i64,
    /// Stopped before they started.
    pub cancelled: i64,
    /// Started by a deliverer that died.
    pub uncertain: i64,
}

impl Totals {
    /// How many are not finished.
    pub fn open(&self) -> i64 {
        self.queued + self.sending + self.deferred + self.uncertain
    }

    /// How many have come to an end.
    pub fn settled(&self) -> i64 {
        self.sent + self.failed + self.cancelled
    }

    /// How many there are.
    pub fn all(&self) -> i64 {
        self.open() + self.settled()
    }

    /// Each state as people see it, with its number.
    pub fn by_state(&self) -> [(&'static str, i64); 7] {
        use DeliveryState as State;
        let Self { queued, sending, sent, deferred, failed, cancelled, uncertain } = *self;
        [
            (State::Queued, queued),
            (State::Sending, sending),
            (State::Sent, sent),
            (State::Deferred, deferred),
            (State::Failed, failed),
            (State::Cancelled, cancelled),
            (State::Uncertain, uncertain),
        ]
        .map(|(state, count)| (state.as_str(), count))
    }

    /// Of the rows of `ISSUE_TOTALS`, which come in any order: PostgreSQL may count the parts beside each other.
    fn of(rows: Vec<(String, i64)>) -> Self {
        let (mut totals, mut all) = (Self::default(), 0);
        for (state, deliveries) in rows {
            match state.parse() {
                Ok(state) => totals.count(state, deliveries),
                Err(_) => all = deliveries,
            }
        }
        totals.sent = all - totals.all();
        totals
    }

    fn count(&mut self, state: DeliveryState, deliveries: i64) {
        *match state {
            DeliveryState::Queued | DeliveryState::Claimed | DeliveryState::Held => &mut self.queued,
            DeliveryState::Sending => &mut self.sending,
            DeliveryState::Sent => &mut self.sent,
            DeliveryState::Deferred => &mut self.deferred,
            DeliveryState::Failed => &mut self.failed,
            DeliveryState::Cancelled => &mut self.cancelled,
            DeliveryState::Uncertain => &mut self.uncertain,
        } += deliveries;
    }
}

/// A delivery as it is shown.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DeliveryRow {
    /// Row id.
    pub id: i64,
    /// Where it goes.
    pub address: String,
    /// The recipient's name; may be empty.
    pub name: String,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is, or was, due.
    pub due_at: UtcMillis,
    /// When it was last started.
    pub started_at: Option<UtcMillis>,
    /// When it was finished.
    pub finished_at: Option<UtcMillis>,
    /// Which relay had it last.
    pub relay: Option<String>,
    /// The relay's last words on it.
    pub answer: Option<String>,
}

/// A mail to somebody, as they are told of it.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct MailedRow {
    /// `digest`, or what a notice is called.
    pub kind: String,
    /// The digest.
    pub digest: Option<String>,
    /// Its subject.
    pub subject: String,
    /// Where it went, or goes.
    pub address: String,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub state: DeliveryState,
    /// Since when.
    pub queued_at: UtcMillis,
    /// When it was finished.
    pub finished_at: Option<UtcMillis>,
    /// The relay's last words on it.
    pub answer: Option<String>,
}

impl Session {
    /// Every mail to a subscriber, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries_to(&mut self, subscriber: i64) -> Result<Vec<MailedRow>, StoreError> {
        fetch_all!(self, DELIVERIES_TO as MailedRow, subscriber)
    }

    /// Queues one delivery, due now; gives its id.
    ///
    /// # Errors
    /// When the database fails; [`StoreError::is_conflict`]: the issue has a delivery to this subscriber already.
    pub async fn insert_delivery(&mut self, d: &NewDelivery<'_>, now: UtcMillis) -> Result<i64, StoreError> {
        self.queues();
        let row = fetch_one!(
            self,
            INSERT_DELIVERY as (i64,),
            d.mail,
            d.issue,
            d.kind,
            d.digest,
            d.subscriber,
            d.address.as_str(),
            d.name,
            d.priority,
            now,
            d.link
        )?;
        Ok(row.0)
    }

    /// Queues a mail that is of no issue, due now: about somebody's own subscription, or a test. `address_hash` is the keyed hash
    /// of its address, by which it is found when that is suppressed or erased, however it was typed. Gives its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_notice(
        &mut self,
        d: &NewDelivery<'_>,
        address_hash: &str,
        now: UtcMillis,
    ) -> Result<i64, StoreError> {
        self.queues();
        let row = fetch_one!(
            self,
            INSERT_NOTICE as (i64,),
            d.mail,
            d.kind,
            d.digest,
            d.subscriber,
            d.address.as_str(),
            d.name,
            d.priority,
            now,
            d.link,
            address_hash
        )?;
        Ok(row.0)
    }

    /// How many of an issue's deliveries are where, or were when they were folded.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_totals(&mut self, issue: i64) -> Result<Totals, StoreError> {
        let mut totals = Totals::of(fetch_all!(self, ISSUE_TOTALS as (String, i64), issue)?);
        for (state, deliveries) in self.folded_totals(issue).await? {
            if let Ok(state) = state.parse() {
                totals.count(state, deliveries);
            }
        }
        Ok(totals)
    }

    /// A page of an issue's deliveries in the order of their ids, after the id `after`; of one state, or of all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_deliveries(
        &mut self,
        issue: i64,
        state: Option<DeliveryState>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        match state {
            None => fetch_all!(self, ISSUE_DELIVERIES as DeliveryRow, issue, after, limit),
            Some(state) => fetch_all!(self, ISSUE_DELIVERIES_IN as DeliveryRow, issue, after, limit, state.as_str()),
        }
    }

    /// A delivery by its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery(&mut self, id: i64) -> Result<Option<DeliveryRow>, StoreError> {
        Ok(fetch_all!(self, DELIVERY as DeliveryRow, id)?.pop())
    }

    /// Cancels what a subscriber would still get of a digest, or of all: whatever is not being sent this moment. Belongs
    /// into the transaction that records the leaving. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_deliveries(
        &mut self,
        subscriber: i64,
        digest: Option<&str>,
        now: UtcMillis,
    ) -> Result<u64, StoreError> {
        match digest {
            Some(digest) => execute!(self, CANCEL_OPEN, subscriber, digest, now),
            None => execute!(self, CANCEL_ALL_OPEN, subscriber, now),
        }
    }

    /// Stops the open confirmations of people who have gone since: those links would do nothing any more, and nobody is asked
    /// who has said no. Belongs into the transaction that records it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_questions_to(&mut self, subscribers: &[i64], now: UtcMillis) -> Result<(), StoreError> {
        if subscribers.is_empty() {
            return Ok(());
        }
        execute!(self, CANCEL_QUESTIONS_TO, &json(subscribers), now).map(|_| ())
    }

    /// Cancels what somebody might still get of a digest that they have left, or of all, in a transaction after the one that
    /// recorded the leaving: a start that looked at them before is over then, or finds its claim gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recall_what_was_left(
        &mut self,
        subscriber: i64,
        digest: Option<&str>,
        left_at: UtcMillis,
    ) -> Result<u64, StoreError> {
        execute!(self, RECALL_WHAT_WAS_LEFT, subscriber, digest.unwrap_or_default(), left_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issues_totals_are_the_same_in_whatever_order_the_database_counts() {
        let rows = [("queued", 20), ("failed", 3), ("claimed", 6), ("sending", 1), ("all", 50)];
        let sent = |rows: Vec<(&str, i64)>| {
            let totals = Totals::of(rows.into_iter().map(|(state, count)| (state.to_owned(), count)).collect());
            (totals.queued, totals.sent)
        };
        for first in 0..rows.len() {
            let mut rows = rows.to_vec();
            rows.rotate_left(first);
            assert_eq!(sent(rows), (26, 20));
        }
    }
}
