//! The deliverer's side of the queue: claims, and the marks of starts and results, many in one statement.

use serde::Serialize;

use super::query::{execute, fetch_all, fetch_one, queries};
use super::{Session, StoreError};
use crate::domain::{DeliveryState, PublicId, UtcMillis};

queries! {
    READY = {
        "select count(*) from (select 1 from deliveries where state = 'queued' and due_at <= $1 limit 1) x"
    };
    NEXT_DEFERRED = { "select min(due_at) from deliveries where state = 'deferred'" };
    QUEUE_DEFERRED = {
        "update deliveries set state = 'queued' where state = 'deferred' and id in
             (select d.id from deliveries d where d.state = 'deferred' and d.due_at <= $1 order by d.due_at limit $2)"
    };
    // PostgreSQL has writers beside each other: without `skip locked` they would wait for one another's rows, and
    // without the outer predicate take the same ones. The order is that of the index, so that nothing is sorted.
    CLAIM = {
        sqlite
        "update deliveries set state = 'claimed', owner = $1 where state = 'queued' and id in
             (select d.id from deliveries d where d.state = 'queued' and d.due_at <= $2 and ($4 = 0 or d.mail_id = $4)
              order by d.priority, d.due_at, d.id limit $3)
         returning id, mail_id, issue_id, kind, digest, address, name, priority, due_at, first_due_at, attempts, link,
             (select s.public_id from subscribers s where s.id = deliveries.subscriber_id) as subscriber"
        postgres
        "with next as (select d.id from deliveries d where d.state = 'queued' and d.due_at <= $2
                       and ($4 = 0 or d.mail_id = $4)
                       order by d.priority, d.due_at, d.id limit $3 for update skip locked)
         update deliveries set state = 'claimed', owner = $1 from next
         where deliveries.id = next.id and deliveries.state = 'queued'
         returning deliveries.id, mail_id, issue_id, kind, digest, address, name, priority, due_at, first_due_at, attempts,
             link, (select s.public_id from subscribers s where s.id = deliveries.subscriber_id) as subscriber"
    };
    // `expected` and `owner`: what has been cancelled, freed or taken over is left alone. A start also looks once more at
    // the subscriber, and comes to `cancelled` when they do not want it any more: leaving cannot cancel what is being
    // sent, or what a layout beside it has not committed, and either may be queued afterwards. A start that
    // is marked twice, since its first answer was lost, is granted twice. A result that comes late, when the start has
    // been freed already, still counts; `token` is the start that it belongs to.
    MARK = {
        sqlite
        "update deliveries set
             state = e.next,
             owner = case when e.next = 'sending' then $2 end,
             attempts = attempts + case when state = 'claimed' and e.next <> 'cancelled' then e.tries else 0 end,
             due_at = coalesce(e.due_at, deliveries.due_at),
             started_at = case when e.next = 'cancelled' then deliveries.started_at
                               else coalesce(e.started_at, deliveries.started_at) end,
             finished_at = case when e.next = 'cancelled' then e.started_at else e.finished_at end,
             relay = coalesce(e.relay, deliveries.relay),
             answer = coalesce(e.answer, deliveries.answer)
         from (select value ->> 'id' as id, value ->> 'expected' as expected, value ->> 'next' as asked,
                      value ->> 'token' as token, value ->> 'tries' as tries, value ->> 'due_at' as due_at,
                      value ->> 'started_at' as started_at, value ->> 'finished_at' as finished_at,
                      value ->> 'relay' as relay, value ->> 'answer' as answer,
                      case when value ->> 'next' <> 'sending' or exists (
                 select 1 from startable s where s.id = value ->> 'id' and s.since <= value ->> 'started_at')
                      then value ->> 'next' else 'cancelled' end as next
               from json_each($1)) e
         where deliveries.id = e.id and (
             deliveries.state = e.expected and deliveries.owner = $2
             or e.asked = 'sending' and deliveries.state = 'sending' and deliveries.owner = $2
                and deliveries.started_at = e.started_at
             or e.expected = 'sending' and deliveries.started_at = e.token
                and (deliveries.state in ('uncertain', 'queued') or deliveries.state = 'cancelled' and e.next = 'sent'))
         returning id, state"
        postgres
        "update deliveries set
             state = e.next,
             owner = case when e.next = 'sending' then $2 end,
             attempts = attempts + case when state = 'claimed' and e.next <> 'cancelled' then e.tries else 0 end,
             due_at = coalesce(e.due_at, deliveries.due_at),
             started_at = case when e.next = 'cancelled' then deliveries.started_at
                               else coalesce(e.started_at, deliveries.started_at) end,
             finished_at = case when e.next = 'cancelled' then e.started_at else e.finished_at end,
             relay = coalesce(e.relay, deliveries.relay),
             answer = coalesce(e.answer, deliveries.answer)
         from (select r.id, r.expected, r.next as asked, r.token, r.tries, r.due_at, r.started_at, r.finished_at, r.relay, r.answer,
                      case when r.next <> 'sending' or exists (
                 select 1 from startable s where s.id = r.id and s.since <= r.started_at)
                      then r.next else 'cancelled' end as next
               from json_to_recordset($1::text::json) as r (id bigint, expected text, next text, token bigint,
                   tries bigint, due_at bigint, started_at bigint, finished_at bigint, relay text, answer text)) e
         where deliveries.id = e.id and (
             deliveries.state = e.expected and deliveries.owner = $2
             or e.asked = 'sending' and deliveries.state = 'sending' and deliveries.owner = $2
                and deliveries.started_at = e.started_at
             or e.expected = 'sending' and deliveries.started_at = e.token
                and (deliveries.state in ('uncertain', 'queued') or deliveries.state = 'cancelled' and e.next = 'sent'))
         returning deliveries.id, deliveries.state"
    };
    FREE_ALL = {
        "update deliveries set state = case when state = 'claimed' then 'queued' else $1 end, owner = null
         where state in ('claimed', 'sending')"
    };
    FREE_OWNER = {
        "update deliveries set state = case when state = 'claimed' then 'queued' else $2 end, owner = null
         where state in ('claimed', 'sending') and owner = $1"
    };
    // A list of keys is bound in its own way on each.
    RELEASE = {
        sqlite
        "update deliveries set state = 'queued', owner = null where state = 'claimed' and owner = $1
             and id not in (select value from json_each($2))"
        postgres
        "update deliveries set state = 'queued', owner = null where state = 'claimed' and owner = $1
             and id not in (select e.value::bigint from json_array_elements_text($2::text::json) as e (value))"
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
    /// A link of its own, as in a confirmation.
    pub link: Option<String>,
    /// The subscriber; none: the address is no subscriber's.
    pub subscriber: Option<PublicId>,
}

/// What is to be recorded of one delivery: its start, or a result.
#[derive(Clone, Debug, Serialize)]
pub struct Mark {
    /// The delivery's row id.
    pub id: i64,
    /// The state that it must be in, with this owner.
    pub expected: DeliveryState,
    /// The state that it comes to.
    pub next: DeliveryState,
    /// For a result: the `started_at` of the start that it belongs to.
    pub token: Option<i64>,
    /// 1: it counts as an attempt where it was only claimed so far.
    pub tries: i64,
    /// When it is due again.
    pub due_at: Option<i64>,
    /// For a start: when.
    pub started_at: Option<i64>,
    /// For a final result: when.
    pub finished_at: Option<i64>,
    /// Which relay took or refused it.
    pub relay: Option<String>,
    /// The relay's words.
    pub answer: Option<String>,
}

impl Session {
    /// Whether a delivery is queued and due.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_due_delivery(&mut self, now: UtcMillis) -> Result<bool, StoreError> {
        Ok(fetch_one!(self, READY as (i64,), now)?.0 > 0)
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
        let mut rows = fetch_all!(self, CLAIM as ClaimedRow, owner, now, limit, mail.unwrap_or_default())?;
        rows.sort_by_key(|row| (row.priority, row.due_at, row.id));
        Ok(rows)
    }

    /// Records starts and results in one statement. Gives the deliveries that took their mark, with their new state:
    /// a start that is not among them must not be made.
    ///
    /// # Errors
    /// When the database fails: then none is recorded, or all are and the answer was lost. It can be repeated.
    pub async fn mark_deliveries(&mut self, owner: &str, marks: &[Mark]) -> Result<Vec<(i64, String)>, StoreError> {
        let json = serde_json::to_string(marks).unwrap_or_default();
        fetch_all!(self, MARK as (i64, String), json, owner)
    }

    /// Frees what any deliverer had claimed, and puts what any had started into `started`. For whoever has the store's
    /// deliverer lock, before it claims. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn free_all_deliveries(&mut self, started: DeliveryState) -> Result<u64, StoreError> {
        execute!(self, FREE_ALL, started.as_str())
    }

    /// The same for what one dead deliverer had.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn free_deliveries_of(&mut self, owner: &str, started: DeliveryState) -> Result<u64, StoreError> {
        execute!(self, FREE_OWNER, owner, started.as_str())
    }

    /// Gives back what `owner` has claimed and not started, but for those `in_hand`. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_deliveries(&mut self, owner: &str, in_hand: &[i64]) -> Result<u64, StoreError> {
        let json = serde_json::to_string(in_hand).unwrap_or_default();
        execute!(self, RELEASE, owner, json)
    }
}
