//! The marks of starts and results, many in one statement.

use std::sync::{Arc, OnceLock};

use rusqlite::{Transaction, TransactionBehavior};
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::marker::Field;
use super::query::{fetch_all, queries};
use super::{Connection, Session, StoreError};
use crate::domain::DeliveryState;

queries! {
    // `expected` and `owner`: what has been cancelled, freed or taken over is left alone. A start also looks once more at
    // the subscriber: leaving cannot cancel what is being sent, or what a layout beside it has not committed, and either
    // may be queued afterwards. And it looks at the issue, of which nothing is started once it is held or cancelled, or
    // while mails of it have what was withdrawn, and at the mail, which may have been replaced. A start that is marked twice, since its first answer was lost, is granted
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
                 and not exists (select 1 from stopped_issues i where i.id = deliveries.issue_id))
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
                 and not exists (select 1 from stopped_issues i where i.id = deliveries.issue_id))
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
               from deliveries d join mails m on m.id = d.mail_id left join stopped_issues i on i.id = d.issue_id
               where d.id = $2) e
         where deliveries.id = e.id and deliveries.owner = $1 and deliveries.state = 'claimed'
         returning deliveries.id, deliveries.state"
    };
    // The two marks that nearly every message takes, as far as nothing is unusual about them: `MARK` grants all that these
    // grant, and changes the same. Between two messages of one connection they cost SQLite less than `MARK`, which puts its
    // rows together first.
    QUICK_START = {
        "update deliveries set state = 'sending', attempts = attempts + 1, started_at = $1, finished_at = null, relay = $2
         where id = $3 and owner = $4 and mail_id = $5 and state = 'claimed' and address <> ''
           and (started_at is null or started_at < $1)
           and exists (select 1 from startable s where s.id = deliveries.id and s.since <= $1)
           and (select m.replaced_by from mails m where m.id = deliveries.mail_id) is null
           and not exists (select 1 from stopped_issues i where i.id = deliveries.issue_id)"
    };
    QUICK_SENT = {
        "update deliveries set state = 'sent', owner = null, finished_at = $1, relay = $2, answer = $3
         where id = $4 and owner = $5 and state = 'sending' and address <> ''"
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

/// Marks on the connection of SQLite's that has no thread of its own.
fn mark_on(connection: &rusqlite::Connection, owner: &str, marks: &[Mark]) -> rusqlite::Result<Vec<(i64, String)>> {
    if let Some(taken) = mark_quickly(connection, owner, marks)? {
        return Ok(taken);
    }
    let mut statement = connection.prepare_cached(marks_of(marks.len()))?;
    statement.query_map(rusqlite::params_from_iter(fields(owner, marks)), |row| row.try_into())?.collect()
}

/// Marks one or two that have a quick statement, if each of them takes its mark so; else none.
fn mark_quickly(
    connection: &rusqlite::Connection,
    owner: &str,
    marks: &[Mark],
) -> rusqlite::Result<Option<Vec<(i64, String)>>> {
    let quick: Option<Vec<_>> = marks.iter().take(FEW + 1).map(|mark| mark.quick(owner)).collect();
    let Some(quick) = quick.filter(|quick| quick.len() <= FEW) else { return Ok(None) };
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for (text, fields) in quick {
        if connection.prepare_cached(text)?.execute(rusqlite::params_from_iter(fields))? == 0 {
            return Ok(None);
        }
    }
    transaction.commit()?;
    Ok(Some(marks.iter().map(|mark| (mark.id, mark.next.as_str().to_owned())).collect()))
}

/// For more marks than these one statement for all costs less than one for each.
const FEW: usize = 2;

/// The most marks in one statement.
pub const MOST_MARKS: usize = 512;

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

    /// The quick statement for it on SQLite, if there is one, and what that takes.
    fn quick<'m>(&'m self, owner: &'m str) -> Option<(&'static str, [Field<'m>; 5])> {
        use Field::{Number, Text};
        let (id, owner) = (Number(Some(self.id)), Text(Some(owner)));
        match self {
            Self {
                expected: DeliveryState::Claimed,
                next: DeliveryState::Sending,
                mail: mail @ Some(_),
                token: None,
                tries: 1,
                due_at: None,
                first_due_at: None,
                started_at: started_at @ Some(_),
                finished_at: None,
                relay: Some(relay),
                answer: None,
                ..
            } => Some((QUICK_START.sqlite, [Number(*started_at), Text(Some(relay)), id, owner, Number(*mail)])),
            Self {
                expected: DeliveryState::Sending,
                next: DeliveryState::Sent,
                due_at: None,
                first_due_at: None,
                started_at: None,
                finished_at: finished_at @ Some(_),
                relay: Some(relay),
                answer: Some(answer),
                ..
            } => Some((QUICK_SENT.sqlite, [Number(*finished_at), Text(Some(relay)), Text(Some(answer)), id, owner])),
            _ => None,
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
