//! What is told of an issue beyond its counts: how fast it goes, what was put off and why, and who is left out beforehand.

use super::query::{fetch_all, fetch_one, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

/// How many of the deliveries that are such as `$which` says wait before an issue or are under way: by the index of what is not
/// sent, and by that of what is owned; `coalesce` keeps the issues' own index, with all that they ever sent, out of it.
macro_rules! waiting_before {
    ($which:literal) => {
        concat!(
            "select (select count(*) from deliveries d
                 where d.state not in ('claimed', 'sending', 'sent') and d.state in ('queued', 'deferred') and d.issue_id < $1",
            $which,
            ") + (select count(*) from deliveries d
                 where d.state not in ('claimed', 'sending', 'sent') and d.state in ('queued', 'deferred') and d.issue_id is null",
            $which,
            ") + (select count(*) from deliveries d where d.owner is not null and coalesce(d.issue_id, 0) < $1",
            $which,
            ")"
        )
    };
}

queries! {
    // Answers differ in their last words alone, as in how many seconds to wait: the first ones, with the codes, tell them
    // apart. What waits for its turn in the spread has not been put off.
    DEFERRALS = {
        sqlite
        "select e.domain, min(e.answer) as reason, count(*) as deliveries, min(e.due_at) as due_at from (
             select lower(substr(d.address, instr(d.address, '@') + 1)) as domain, coalesce(d.answer, '') as answer, d.due_at
             from deliveries d where d.issue_id = $1 and d.state not in ('claimed', 'sending', 'sent')
               and d.state = 'deferred' and d.attempts > 0) e
         group by e.domain, substr(e.answer, 1, 10) order by count(*) desc, e.domain, 2 limit $2"
        postgres
        "select e.domain, min(e.answer) as reason, count(*) as deliveries, min(e.due_at) as due_at from (
             select lower(split_part(d.address, '@', 2)) collate \"C\" as domain, coalesce(d.answer, '') as answer, d.due_at
             from deliveries d where d.issue_id = $1 and d.state not in ('claimed', 'sending', 'sent')
               and d.state = 'deferred' and d.attempts > 0) e
         group by e.domain, substr(e.answer, 1, 10) order by count(*) desc, e.domain, 2 limit $2"
    };
    PACE = {
        "select min(started_at) as first_start, max(finished_at) as last_end,
                count(case when finished_at >= $2 then 1 end) as lately
         from deliveries where issue_id = $1 and started_at is not null"
    };
    LAST_DUE = {
        "select max(due_at) from deliveries
         where issue_id = $1 and state not in ('claimed', 'sending', 'sent') and state in ('queued', 'deferred')"
    };
    WAITING_AT = {
        "select count(*) from deliveries
         where issue_id = $1 and state in ('queued', 'claimed', 'sending', 'deferred') and lower(address) like $2"
    };
    WAITING_BEFORE = { waiting_before!("") };
    WAITING_BEFORE_AT = { waiting_before!(" and lower(d.address) like $2") };
    // Those who have not left, by what keeps a digest from them now; `''`: nothing does.
    BARS = {
        "select case when s.state <> 'confirmed' then s.state
                     when exists (select 1 from suppressions x where x.address_hash = s.address_hash) then 'suppressed'
                     when b.state = 'paused' and b.paused_until > $2 then 'paused'
                     else '' end as bar, count(*)
         from subscriptions b join subscribers s on s.id = b.subscriber_id
         where b.digest = $1 and b.state <> 'left' group by 1 order by 1"
    };
    AT_DOMAIN = {
        "select count(*) from live_subscriptions l where l.digest = $1 and l.since <= $2 and lower(l.email) like $3"
    };
    QUOTA_ROWS = {
        "select minute, taken from quotas where scope = $1 and minute >= $2 and minute > 0 order by minute"
    };
    QUOTA_TAKEN = {
        "select cast(coalesce(sum(taken), 0) as bigint) from quotas where scope = $1 and minute >= $2 and minute > 0"
    };
}

/// Deliveries to one domain that were put off for one reason.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DeferralRow {
    /// The domain of the addresses.
    pub domain: String,
    /// One of the answers.
    pub reason: String,
    /// How many.
    pub deliveries: i64,
    /// When the first of them is tried again.
    pub due_at: UtcMillis,
}

/// How an issue has gone so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PaceRow {
    /// When its first delivery was started.
    pub first_start: Option<UtcMillis>,
    /// When its last one so far was finished.
    pub last_end: Option<UtcMillis>,
    /// How many have been finished lately.
    pub lately: i64,
}

impl Session {
    /// What of an issue was put off, by domain and reason; the most first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deferrals(&mut self, issue: i64, limit: i64) -> Result<Vec<DeferralRow>, StoreError> {
        fetch_all!(self, DEFERRALS as DeferralRow, issue, limit)
    }

    /// How an issue has gone; `since` is from when on something was lately. Reads all its deliveries.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_pace(&mut self, issue: i64, since: UtcMillis) -> Result<PaceRow, StoreError> {
        let row = fetch_one!(self, PACE as PaceRow, issue, since)?;
        let (first, last) = self.folded_pace(issue).await?;
        let first_start = row.first_start.into_iter().chain(first).min();
        Ok(PaceRow { first_start, last_end: row.last_end.max(last), ..row })
    }

    /// When the last of an issue's deliveries that wait is due: what was put off, and what a relay kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_due(&mut self, issue: i64) -> Result<Option<UtcMillis>, StoreError> {
        Ok(fetch_one!(self, LAST_DUE as (Option<UtcMillis>,), issue)?.0)
    }

    /// How many deliveries of an issue wait to go to a domain.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waiting_at(&mut self, issue: i64, domain: &str) -> Result<i64, StoreError> {
        Ok(fetch_one!(self, WAITING_AT as (i64,), issue, format!("%@{}", domain.to_lowercase()))?.0)
    }

    /// How many deliveries of issues before that one, and mails of no issue, wait or are under way; none given: of all issues.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waiting_before(&mut self, issue: Option<i64>) -> Result<i64, StoreError> {
        Ok(fetch_one!(self, WAITING_BEFORE as (i64,), issue.unwrap_or(i64::MAX))?.0)
    }

    /// The same of those to a domain alone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waiting_before_at(&mut self, issue: Option<i64>, domain: &str) -> Result<i64, StoreError> {
        let address = format!("%@{}", domain.to_lowercase());
        Ok(fetch_one!(self, WAITING_BEFORE_AT as (i64,), issue.unwrap_or(i64::MAX), address)?.0)
    }

    /// How many of those who have not left a digest are barred from it now, by what bars them: `pending`, `unsubscribed`,
    /// `bounced`, `complained`, `suppressed` or `paused`; with the empty word, those whom nothing bars.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn barred(&mut self, digest: &str, now: UtcMillis) -> Result<Vec<(String, i64)>, StoreError> {
        fetch_all!(self, BARS as (String, i64), digest, now)
    }

    /// How many whom a digest may be mailed to have their address at a domain.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audience_at(&mut self, digest: &str, now: UtcMillis, domain: &str) -> Result<i64, StoreError> {
        Ok(fetch_one!(self, AT_DOMAIN as (i64,), digest, now, format!("%@{}", domain.to_lowercase()))?.0)
    }

    /// How many places of a quota have been taken in each of the last so many minutes, by the minute since 1970.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn quota_rows(
        &mut self,
        scope: &str,
        minutes: i64,
        now: UtcMillis,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let minute = now.0.div_euclid(60_000);
        fetch_all!(self, QUOTA_ROWS as (i64, i64), scope, minute.saturating_sub(minutes))
    }

    /// How many places of a quota have been taken in the last so many minutes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn quota_taken(&mut self, scope: &str, minutes: i64, now: UtcMillis) -> Result<u64, StoreError> {
        let minute = now.0.div_euclid(60_000);
        let (taken,) = fetch_one!(self, QUOTA_TAKEN as (i64,), scope, minute.saturating_sub(minutes))?;
        Ok(u64::try_from(taken).unwrap_or_default())
    }
}
