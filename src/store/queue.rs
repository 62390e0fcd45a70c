//! The deliverer's side of the queue: claims, and the marks of starts and results, many in one statement.

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::marker::{Asked, Field, claim};
use super::query::{execute, fetch_all, fetch_one, queries};
use super::{Connection, Session, StoreError};
use crate::domain::{DeliveryState, PublicId, UtcMillis};

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
             (select i.state from issues i where i.id = deliveries.issue_id) as issue_state"
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
             (select i.state from issues i where i.id = deliveries.issue_id) as issue_state"
    };
    // `expected` and `owner`: what has been cancelled, freed or taken over is left alone. A start also looks once more at
    // the subscriber: leaving cannot cancel what is being sent, or what a layout beside it has not committed, and either
    // may be queued afterwards. And it looks at the issue, of which nothing is started once it is held or cancelled, and
    // at the mail, which may have been replaced. A start that is marked twice, since its first answer was lost, is granted
    // twice. A result that comes late, when the start has been freed already, still counts; `token` is the start that it
    // belongs to. So does that of a start which the database has lost with its power. Whoever was erased while a message went
    // out has no address any more: it is not tried again, and the relay's words, which may name them, are not kept. On SQLite
    // one row for each mark is bound, which costs a fraction of reading them out of JSON; `MARKS_OF` makes the text for more than this one.
    MARK = {
        sqlite
        "update deliveries set
             state = case when deliveries.address = '' and e.next not in ('sent', 'failed') then 'cancelled' else e.next end,
             owner = case when e.next = 'sending' then deliveries.owner end,
             attempts = attempts + case when deliveries.state = 'claimed' then e.tries else 0 end,
             due_at = coalesce(e.due_at, deliveries.due_at),
             first_due_at = coalesce(e.first_due_at, deliveries.first_due_at),
             started_at = coalesce(e.started_at, deliveries.started_at),
             finished_at = case when deliveries.address = '' then coalesce(e.finished_at, deliveries.started_at) else e.finished_at end,
             relay = coalesce(e.relay, deliveries.relay),
             answer = case when deliveries.address <> '' then coalesce(e.answer, deliveries.answer) end
         from (select ? as me, column1 as id, column2 as expected, column3 as next, column4 as token, column5 as tries,
                      column6 as due_at, column7 as first_due_at, column8 as started_at, column9 as finished_at,
                      column10 as relay, column11 as answer, column12 as mail
               from (values (?,?,?,?,?,?,?,?,?,?,?,?))) e
         where deliveries.id = e.id and (
             deliveries.owner = e.me and deliveries.state = e.expected and (
                 e.next <> 'sending' or exists (
                     select 1 from startable s where s.id = deliveries.id and s.since <= e.started_at)
                 and (deliveries.started_at is null or deliveries.started_at < e.started_at)
                 and deliveries.mail_id = e.mail
                 and (select m.replaced_by from mails m where m.id = deliveries.mail_id) is null
                 and coalesce((select i.state from issues i where i.id = deliveries.issue_id), '') not in ('held', 'cancelled'))
             or deliveries.owner = e.me and deliveries.state = 'sending' and e.next = 'sending'
                and deliveries.started_at = e.started_at
             or deliveries.owner = e.me and deliveries.state = 'claimed' and e.expected = 'sending' and e.next = 'sent'
             or e.expected = 'sending' and deliveries.started_at = e.token
                and (deliveries.state in ('uncertain', 'queued', 'held') or deliveries.state = 'cancelled' and e.next = 'sent'))
         returning id, state"
        postgres
        "update deliveries set
             state = case when deliveries.address = '' and e.next not in ('sent', 'failed') then 'cancelled' else e.next end,
             owner = case when e.next = 'sending' then deliveries.owner end,
             attempts = attempts + case when deliveries.state = 'claimed' then e.tries else 0 end,
             due_at = coalesce(e.due_at, deliveries.due_at),
             first_due_at = coalesce(e.first_due_at, deliveries.first_due_at),
             started_at = coalesce(e.started_at, deliveries.started_at),
             finished_at = case when deliveries.address = '' then coalesce(e.finished_at, deliveries.started_at) else e.finished_at end,
             relay = coalesce(e.relay, deliveries.relay),
             answer = case when deliveries.address <> '' then coalesce(e.answer, deliveries.answer) end
         from json_to_recordset($2::text::json) as e (id bigint, expected text, next text, token bigint, tries bigint,
                   due_at bigint, first_due_at bigint, started_at bigint, finished_at bigint, relay text, answer text, mail bigint)
         where deliveries.id = e.id and (
             deliveries.owner = $1 and deliveries.state = e.expected and (
                 e.next <> 'sending' or exists (
                     select 1 from startable s where s.id = deliveries.id and s.since <= e.started_at)
                 and (deliveries.started_at is null or deliveries.started_at < e.started_at)
                 and deliveries.mail_id = e.mail
                 and (select m.replaced_by from mails m where m.id = deliveries.mail_id) is null
                 and coalesce((select i.state from issues i where i.id = deliveries.issue_id), '') not in ('held', 'cancelled'))
             or deliveries.owner = $1 and deliveries.state = 'sending' and e.next = 'sending'
                and deliveries.started_at = e.started_at
             or deliveries.owner = $1 and deliveries.state = 'claimed' and e.expected = 'sending' and e.next = 'sent'
             or e.expected = 'sending' and deliveries.started_at = e.token
                and (deliveries.state in ('uncertain', 'queued', 'held') or deliveries.state = 'cancelled' and e.next = 'sent'))
         returning deliveries.id, deliveries.state"
    };
    // What becomes of a start that was not granted, where it is nobody else's by now. With a further mail in its place, it
    // is claimed anew.
    REFUSED = {
        "update deliveries set owner = null,
             state = case when e.next in ('cancelled', 'held') then e.next else 'queued' end,
             finished_at = case when e.next = 'cancelled' then $3 else deliveries.finished_at end
         from (select d.id, case
                   when not exists (select 1 from startable s where s.id = d.id and s.since <= $3) then 'cancelled'
                   when m.replaced_by = m.id then 'cancelled'
                   else coalesce(i.state, '') end as next
               from deliveries d join mails m on m.id = d.mail_id left join issues i on i.id = d.issue_id
               where d.id = $2) e
         where deliveries.id = e.id and deliveries.owner = $1 and deliveries.state = 'claimed'
         returning deliveries.id, deliveries.state"
    };
}

/// How many rows the statement for so many marks has: few different ones, so that each is prepared only once.
fn rows_for(marks: usize) -> usize {
    if marks <= 4 { marks.max(1) } else { marks.next_multiple_of(marks.next_power_of_two() / 4) }
}

/// The text of `MARK` on SQLite for so many marks.
fn marks_of(marks: usize) -> &'static Arc<str> {
    const ROW: &str = "(?,?,?,?,?,?,?,?,?,?,?,?)";
    static TEXTS: [OnceLock<Arc<str>>; MOST_MARKS + 1] = [const { OnceLock::new() }; MOST_MARKS + 1];
    let rows = rows_for(marks);
    TEXTS[rows.min(MOST_MARKS)].get_or_init(|| MARK.sqlite.replace(ROW, &vec![ROW; rows].join(",")).into())
}

/// What that takes, row by row; those that no mark fills are empty.
fn fields<'m>(owner: &'m str, marks: &'m [Mark]) -> impl Iterator<Item = Field<'m>> {
    let rows = marks.iter().map(Mark::fields).chain(std::iter::repeat([Field::Number(None); 12]));
    std::iter::once(Field::Text(Some(owner))).chain(rows.take(rows_for(marks.len())).flatten())
}

/// `MARK` on the connection of SQLite's that has no thread of its own.
fn mark_on(connection: &rusqlite::Connection, owner: &str, marks: &[Mark]) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare_cached(marks_of(marks.len()))?;
    statement.query_map(rusqlite::params_from_iter(fields(owner, marks)), |row| row.try_into())?.collect()
}

/// The most marks in one statement.
pub const MOST_MARKS: usize = 512;

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

/// What is to be recorded of one delivery: its start, or a result.
#[derive(Clone, Debug, Serialize)]
pub struct Mark {
    /// The delivery's row id.
    pub id: i64,
    /// The state that it must be in, with this owner.
    pub expected: DeliveryState,
    /// The state that it comes to.
    pub next: DeliveryState,
    /// For a start: the mail that is to go out.
    pub mail: Option<i64>,
    /// For a result: the `started_at` of the start that it belongs to.
    pub token: Option<i64>,
    /// 1: it counts as an attempt where it was only claimed so far.
    pub tries: i64,
    /// When it is due again.
    pub due_at: Option<i64>,
    /// From when on it counts how long it is tried, where that changes.
    pub first_due_at: Option<i64>,
    /// For a start: when.
    pub started_at: Option<i64>,
    /// For a final result: when.
    pub finished_at: Option<i64>,
    /// Which relay took or refused it.
    pub relay: Option<String>,
    /// The relay's words.
    pub answer: Option<String>,
}

impl Mark {
    /// A mark that changes the state alone.
    pub fn of(id: i64, expected: DeliveryState, next: DeliveryState) -> Self {
        Self {
            id,
            expected,
            next,
            mail: None,
            token: None,
            tries: 0,
            due_at: None,
            first_due_at: None,
            started_at: None,
            finished_at: None,
            relay: None,
            answer: None,
        }
    }

    fn fields(&self) -> [Field<'_>; 12] {
        [
            Field::Number(Some(self.id)),
            Field::Text(Some(self.expected.as_str())),
            Field::Text(Some(self.next.as_str())),
            Field::Number(self.token),
            Field::Number(Some(self.tries)),
            Field::Number(self.due_at),
            Field::Number(self.first_due_at),
            Field::Number(self.started_at),
            Field::Number(self.finished_at),
            Field::Text(self.relay.as_deref()),
            Field::Text(self.answer.as_deref()),
            Field::Number(self.mail),
        ]
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

    /// Records starts and results, up to [`MOST_MARKS`] in one statement. Gives the deliveries that took their mark, with their new state:
    /// a start that is not among them must not be made.
    ///
    /// # Errors
    /// When the database fails: then none is recorded, or all are and the answer was lost. It can be repeated.
    pub async fn mark_deliveries(&mut self, owner: &str, marks: &[Mark]) -> Result<Vec<(i64, String)>, StoreError> {
        let mut all = Vec::with_capacity(marks.len());
        for marks in marks.chunks(MOST_MARKS) {
            all.extend(self.mark_some(owner, marks).await?);
        }
        Ok(all)
    }

    async fn mark_some(&mut self, owner: &str, marks: &[Mark]) -> Result<Vec<(i64, String)>, StoreError> {
        let mut taken = match self.marker() {
            Some(marker) => match marker.at_once(|connection| mark_on(connection, owner, marks)) {
                Some(taken) => taken?,
                None => {
                    let (owner, marks) = (owner.to_owned(), marks.to_vec());
                    marker.in_time(move |connection| mark_on(connection, &owner, &marks)).await?
                }
            },
            None => self.mark_within(owner, marks).await?,
        };
        if taken.len() < marks.len() {
            for start in marks.iter().filter(|mark| mark.next == DeliveryState::Sending) {
                if !taken.iter().any(|(id, _)| *id == start.id) {
                    taken.extend(fetch_all!(self, REFUSED as (i64, String), owner, start.id, start.started_at)?);
                }
            }
        }
        Ok(taken)
    }

    /// Marks on the driver's connection: in a transaction of SQLite's, or on PostgreSQL.
    async fn mark_within(&mut self, owner: &str, marks: &[Mark]) -> Result<Vec<(i64, String)>, StoreError> {
        let taken = match self.connection() {
            Connection::Sqlite(connection) => {
                let text = AssertSqlSafe(Arc::clone(marks_of(marks.len())));
                let query = sqlx::query_as::<sqlx::Sqlite, (i64, String)>(text);
                let bound = fields(owner, marks).fold(query, |query, field| match field {
                    Field::Number(number) => query.bind(number),
                    Field::Text(text) => query.bind(text),
                });
                bound.fetch_all(connection).await
            }
            Connection::Postgres(connection) => {
                // Locks are taken in the order of the ids, as by all who change many deliveries.
                let mut marks: Vec<&Mark> = marks.iter().collect();
                marks.sort_by_key(|mark| mark.id);
                let json = serde_json::to_string(&marks).unwrap_or_default();
                sqlx::query_as(MARK.postgres).bind(owner).bind(json).fetch_all(connection).await
            }
        };
        taken.map_err(|source| StoreError::Query { query: MARK.name, source })
    }
}
