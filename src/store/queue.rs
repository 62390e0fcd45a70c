//! The deliverer's side of the queue: what is due, and claims.

use super::marker::{Asked, claim};
use super::query::{execute, fetch_all, fetch_one, queries};
use super::{Session, StoreError};
use crate::domain::{PublicId, UtcMillis};

queries! {
    READY = {
        "select count(*) from (select 1 from deliveries where state = 'queued' and due_at <= $1 and priority < $2 limit 1) x"
    };
    NEXT_DEFERRED = { "select min(due_at) from deliveries where state = 'deferred'" };
    // Where a state is only looked at once more, it is hidden from PostgreSQL's planner. Its figures lag a minute behind a
    // layout and say that hardly anything is queued; it would take the index by state, and compare each row there is with
    // each that is wanted.
    QUEUE_DEFERRED = {
        deliveries set "state = 'queued'"
        where "state || '' = 'deferred' and id in
             (select d.id from deliveries d where d.state = 'deferred' and d.due_at <= $1 order by d.due_at limit $2)"
    };
    // PostgreSQL has writers beside each other: without `skip locked` they would wait for one another's rows, and
    // without the outer predicate take the same ones. The order is that of the index, so that nothing is sorted. A mail
    // that has been replaced is not sent any more. What comes back after its subscriber has moved goes to the new address.
    CLAIM = {
        sqlite
        "update deliveries set state = 'claimed', owner = $1,
             mail_id = coalesce((select m.replaced_by from mails m where m.id = deliveries.mail_id), mail_id),
             address = coalesce((select s.email from subscribers s where s.id = deliveries.subscriber_id
                                 and kind in ('digest', 'welcome', 'correction')), address)
         where state = 'queued' and id in
             (select d.id from deliveries d where d.state = 'queued' and d.due_at <= $2 and ($4 = 0 or d.mail_id = $4)
                and d.priority < $5
              order by d.priority, d.due_at, d.id limit $3)
         returning id, mail_id, issue_id, kind, digest, address, name, priority, due_at, first_due_at, attempts, started_at,
             link, (select s.public_id from subscribers s where s.id = deliveries.subscriber_id) as subscriber,
             coalesce((select i.state from stopped_issues i where i.id = deliveries.issue_id),
                 (select i.state from issues i where i.id = deliveries.issue_id)) as issue_state"
        postgres
        "with next as (select d.id from deliveries d where d.state = 'queued' and d.due_at <= $2
                       and ($4 = 0 or d.mail_id = $4) and d.priority < $5
                       order by d.priority, d.due_at, d.id limit $3 for update skip locked)
         update deliveries set state = 'claimed', owner = $1,
             mail_id = coalesce((select m.replaced_by from mails m where m.id = deliveries.mail_id), deliveries.mail_id),
             address = coalesce((select s.email from subscribers s where s.id = deliveries.subscriber_id
                                 and deliveries.kind in ('digest', 'welcome', 'correction')), deliveries.address)
         from next
         where deliveries.id = next.id and deliveries.state || '' = 'queued'
         returning deliveries.id, mail_id, issue_id, kind, digest, address, name, priority, due_at, first_due_at, attempts,
             started_at, link, (select s.public_id from subscribers s where s.id = deliveries.subscriber_id) as subscriber,
             coalesce((select i.state from stopped_issues i where i.id = deliveries.issue_id),
                 (select i.state from issues i where i.id = deliveries.issue_id)) as issue_state"
    };
}

/// A delivery that a deliverer has claimed, with all that its message needs beside the mail.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ClaimedRow {
    /// Row id.
    pub id: i64,
    /// The mail that it sends.
    pub mail_id: i64,
    /// The issue that it belongs to.
    pub issue_id: Option<i64>,
    /// `digest`, `test`, `alert`, `review`, or the name of a letter's template.
    pub kind: String,
    /// The digest's id.
    pub digest: Option<String>,
    /// Where it goes.
    pub address: String,
    /// The recipient's name; may be empty.
    pub name: String,
    /// Lower goes first.
    pub priority: i64,
    /// When it became due.
    pub due_at: UtcMillis,
    /// When it was due for the first time; how long it is retried counts from here.
    pub first_due_at: UtcMillis,
    /// How often it has been tried before.
    pub attempts: i64,
    /// When it was last started.
    pub started_at: Option<UtcMillis>,
    /// A link of its own, as in a confirmation.
    pub link: Option<String>,
    /// The subscriber; none: the address is no subscriber's.
    pub subscriber: Option<PublicId>,
    /// The state of its issue.
    pub issue_state: Option<String>,
}

impl ClaimedRow {
    /// Whether it belongs to an issue, or corrects one.
    pub fn is_of_issue(&self) -> bool {
        self.issue_id.is_some() || self.kind == "correction"
    }
}

impl Session {
    /// Whether a delivery is queued and due; where a priority is given, one that goes before those of that priority.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_due_delivery(&mut self, now: UtcMillis, before: Option<i64>) -> Result<bool, StoreError> {
        Ok(fetch_one!(self, READY as (i64,), now, before.unwrap_or(i64::MAX))?.0 > 0)
    }

    /// When the next deferred delivery is due.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_deferred(&mut self) -> Result<Option<UtcMillis>, StoreError> {
        Ok(fetch_one!(self, NEXT_DEFERRED as (Option<UtcMillis>,))?.0)
    }

    /// Queues up to `limit` deferred deliveries that are due; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_deferred(&mut self, now: UtcMillis, limit: i64) -> Result<u64, StoreError> {
        execute!(self, QUEUE_DEFERRED, now, limit)
    }

    /// Claims up to `limit` deliveries that are due, for `owner`: by priority, then the longest due first; of that mail
    /// alone, where one is given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_deliveries(
        &mut self,
        owner: &str,
        now: UtcMillis,
        limit: i64,
        mail: Option<i64>,
    ) -> Result<Vec<ClaimedRow>, StoreError> {
        self.claim(owner, now, limit, mail, None).await
    }

    /// The same of those alone that go before deliveries of that priority.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_before(
        &mut self,
        owner: &str,
        now: UtcMillis,
        limit: i64,
        priority: i64,
    ) -> Result<Vec<ClaimedRow>, StoreError> {
        self.claim(owner, now, limit, None, Some(priority)).await
    }

    async fn claim(
        &mut self,
        owner: &str,
        now: UtcMillis,
        limit: i64,
        mail: Option<i64>,
        before: Option<i64>,
    ) -> Result<Vec<ClaimedRow>, StoreError> {
        let (mail, before) = (mail.unwrap_or_default(), before.unwrap_or(i64::MAX));
        let mut rows = match self.marker() {
            Some(marker) => {
                let asked = Asked { owner: owner.to_owned(), now, limit, mail, before };
                marker.in_time(move |connection| claim(connection, CLAIM.sqlite, &asked)).await?
            }
            None => fetch_all!(self, CLAIM as ClaimedRow, owner, now, limit, mail, before)?,
        };
        rows.sort_by_key(|row| (row.priority, row.due_at, row.id));
        Ok(rows)
    }
}
