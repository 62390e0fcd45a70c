//! Folding: the finished deliveries of old issues become totals, in chunks.

use super::query::{execute, fetch_all, fetch_one, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    ISSUES_TO_FOLD = {
        "select i.id, i.digest from issues i
         where i.state in ('sent', 'cancelled') and i.finished_at < $1
           and (exists (select 1 from deliveries d where d.issue_id = i.id)
                or exists (select 1 from corrections c join deliveries d on d.correction_id = c.id where c.issue_id = i.id))
         order by i.id"
    };
    // While anything of it is open, all is kept: what may still be sent, tried again or corrected needs to know who got what.
    BEGIN_FOLDING = {
        "update issues set folded_at = coalesce(folded_at, $3)
         where id = $1 and state in ('sent', 'cancelled') and finished_at < $2
           and not exists (select 1 from deliveries d where d.issue_id = $1
                           and d.state not in ('claimed', 'sending', 'sent') and d.state in ('queued', 'held', 'deferred', 'uncertain'))
           and not exists (select 1 from deliveries d where d.owner is not null and +d.issue_id = $1)
           and not exists (select 1 from corrections c where c.issue_id = $1 and c.laid_out_at is null)
           and not exists (select 1 from corrections c join deliveries d on d.correction_id = c.id
                           where c.issue_id = $1 and d.state not in ('sent', 'failed', 'cancelled'))"
    };
    FOLD_END = {
        "select max(c.subscriber_id) from (
             select d.subscriber_id from deliveries d where d.issue_id = $1 and d.subscriber_id is not null
             order by d.subscriber_id limit $2) c"
    };
    // Those of people who have been erased go with the first chunk.
    FOLD = {
        "insert into folded_deliveries (issue_id, state, deliveries, first_started_at, last_finished_at)
         select issue_id, state, count(*), min(started_at), max(finished_at) from deliveries
         where issue_id = $1 and (subscriber_id <= $2 or subscriber_id is null)
         group by issue_id, state
         on conflict (issue_id, state) do update set
             deliveries = folded_deliveries.deliveries + excluded.deliveries,
             first_started_at = case when excluded.first_started_at < folded_deliveries.first_started_at
                 then excluded.first_started_at
                 else coalesce(folded_deliveries.first_started_at, excluded.first_started_at) end,
             last_finished_at = case when excluded.last_finished_at > folded_deliveries.last_finished_at
                 then excluded.last_finished_at
                 else coalesce(folded_deliveries.last_finished_at, excluded.last_finished_at) end"
    };
    FOLDED_AWAY = { "delete from deliveries where issue_id = $1 and (subscriber_id <= $2 or subscriber_id is null)" };
    CORRECTION_TO_FOLD = {
        "select c.id from corrections c where c.issue_id = $1
           and exists (select 1 from deliveries d where d.correction_id = c.id) order by c.id limit 1"
    };
    FOLD_CORRECTION_END = {
        "select max(c.subscriber_id) from (
             select d.subscriber_id from deliveries d where d.correction_id = $1 and d.subscriber_id is not null
             order by d.subscriber_id limit $2) c"
    };
    FOLD_CORRECTION = {
        "update corrections set folded = folded + (select count(*) from deliveries d
             where d.correction_id = $1 and (d.subscriber_id <= $2 or d.subscriber_id is null)) where id = $1"
    };
    CORRECTION_FOLDED_AWAY = {
        "delete from deliveries where correction_id = $1 and (subscriber_id <= $2 or subscriber_id is null)"
    };
    FORGET_NOTICES = {
        "delete from deliveries where id in (
             select d.id from deliveries d
             where d.issue_id is null and d.correction_id is null and d.finished_at is not null and d.finished_at < $1
               and d.state in ('sent', 'failed', 'cancelled')
             order by d.finished_at limit $2)"
    };
    FOLDED_TOTALS = { "select state, deliveries from folded_deliveries where issue_id = $1" };
    FOLDED_PACE = { "select min(first_started_at), max(last_finished_at) from folded_deliveries where issue_id = $1" };
}

impl Session {
    /// The issues that were finished before then and have deliveries still, with their digest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issues_to_fold(&mut self, before: UtcMillis) -> Result<Vec<(i64, String)>, StoreError> {
        fetch_all!(self, ISSUES_TO_FOLD as (i64, String), before)
    }

    /// Folds up to `limit` deliveries of an issue, or of one of its corrections, and those of people who have been erased. Says
    /// how many: 0 when none is left, or the issue was not finished before then, or has anything open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fold_issue(
        &mut self,
        issue: i64,
        before: UtcMillis,
        limit: i64,
        now: UtcMillis,
    ) -> Result<u64, StoreError> {
        self.lock_issue(issue).await?;
        if execute!(self, BEGIN_FOLDING, issue, before, now)? == 0 {
            return Ok(0);
        }
        let end = fetch_one!(self, FOLD_END as (Option<i64>,), issue, limit)?.0.unwrap_or_default();
        execute!(self, FOLD, issue, end)?;
        let folded = execute!(self, FOLDED_AWAY, issue, end)?;
        if folded > 0 {
            return Ok(folded);
        }
        let Some((correction,)) = fetch_all!(self, CORRECTION_TO_FOLD as (i64,), issue)?.pop() else { return Ok(0) };
        let end = fetch_one!(self, FOLD_CORRECTION_END as (Option<i64>,), correction, limit)?.0.unwrap_or_default();
        execute!(self, FOLD_CORRECTION, correction, end)?;
        execute!(self, CORRECTION_FOLDED_AWAY, correction, end)
    }

    /// Forgets up to `limit` mails of no issue that were finished before then. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_notices(&mut self, before: UtcMillis, limit: i64) -> Result<u64, StoreError> {
        execute!(self, FORGET_NOTICES, before, limit)
    }

    /// How many deliveries of an issue have been folded in which state.
    pub(super) async fn folded_totals(&mut self, issue: i64) -> Result<Vec<(String, i64)>, StoreError> {
        fetch_all!(self, FOLDED_TOTALS as (String, i64), issue)
    }

    /// When the first of an issue's folded deliveries was started, and the last finished.
    pub(super) async fn folded_pace(
        &mut self,
        issue: i64,
    ) -> Result<(Option<UtcMillis>, Option<UtcMillis>), StoreError> {
        fetch_one!(self, FOLDED_PACE as (Option<UtcMillis>, Option<UtcMillis>), issue)
    }
}
