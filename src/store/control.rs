//! What an operator does to an issue: hold, resume, cancel, retry; and the record of all that was done with it.

use super::query::{execute, fetch_all, fetch_one, queries};
use super::{Session, StoreError};
use crate::domain::{DeliveryState, UtcMillis};

queries! {
    HOLD_ISSUE = { "update issues set state = 'held', reason = $2 where id = $1 and state = 'sending'" };
    UNDER_WAY = {
        "select coalesce((select s.state from stopped_issues s where s.id = i.id), i.state),
             (select count(*) from mails m where m.id = $2 and m.replaced_by is not null) as replaced
         from issues i where i.id = $1"
    };
    RESUME_ISSUE = { "update issues set state = 'sending', reason = null where id = $1 and state = 'held'" };
    CANCEL_ISSUE = {
        "update issues set state = 'cancelled', reason = $2, finished_at = null
         where id = $1 and state in ('draft', 'review', 'sending', 'held')"
    };
    REOPEN_ISSUE = { "update issues set state = 'sending', finished_at = null where id = $1 and state = 'sent'" };
    RECALL = {
        deliveries set "state = $2, owner = null, finished_at = $3"
        where "owner is not null and +issue_id = $1 and state = 'claimed'"
    };
    // The state is hidden from the planner as in `QUEUE_DEFERRED`.
    SET_ASIDE = {
        deliveries set "state = 'held'"
        where "state || '' = 'queued' and id in
             (select d.id from deliveries d
              where d.issue_id = $1 and d.state not in ('claimed', 'sending', 'sent') and d.state = 'queued' limit $2)
         and exists (select 1 from issues i where i.id = $1 and i.state = 'held')"
    };
    // How long it is retried counts from now on: the time that it was held is nobody's refusal.
    PUT_BACK = {
        deliveries set "state = 'queued', due_at = $3, first_due_at = $3"
        where "state || '' = 'held' and id in
             (select d.id from deliveries d
              where d.issue_id = $1 and d.state not in ('claimed', 'sending', 'sent') and d.state = 'held' limit $2)
         and exists (select 1 from issues i where i.id = $1 and i.state = 'sending' and i.outdated_upto is null)"
    };
    CANCEL_REST = {
        deliveries set "state = 'cancelled', finished_at = $3"
        where "state || '' in ('queued', 'held', 'deferred', 'uncertain') and id in
             (select d.id from deliveries d
              where d.issue_id = $1 and d.state not in ('claimed', 'sending', 'sent')
                and d.state in ('queued', 'held', 'deferred', 'uncertain') limit $2)
         and exists (select 1 from issues i where i.id = $1 and i.state = 'cancelled')"
    };
    // What was withdrawn shall be in no later issue either.
    FREE_ARTICLES = {
        "update issue_articles set claimed_article = null, claimed_canonical = null
         where issue_id = $1 and claimed_article is not null and withdrawn_at is null
           and exists (select 1 from issues i where i.id = $1 and i.first_sent_at is null)"
    };
    // What was started may have arrived: it is in the archive, for those who have it. What is with a relay has no result yet, and may
    // be uncertain in the end.
    CANCELLED = {
        "update issues set finished_at = $2, first_sent_at = coalesce(first_sent_at,
             case when exists (select 1 from deliveries d where d.issue_id = $1 and d.started_at is not null)
                  then cast($2 as bigint) end)
         where id = $1 and state = 'cancelled' and finished_at is null
         and not exists (select 1 from deliveries d where d.issue_id = issues.id
                         and d.state not in ('claimed', 'sending', 'sent') and d.state in ('queued', 'held', 'deferred', 'uncertain'))
         and not exists (select 1 from deliveries d where d.owner is not null and +d.issue_id = issues.id)"
    };
    UNSETTLED = {
        "select i.id from issues i
         where i.state = 'cancelled' and i.finished_at is null
            or i.state = 'held' and exists (select 1 from deliveries d where d.issue_id = i.id
                and d.state not in ('claimed', 'sending', 'sent') and d.state = 'queued')
            or i.state = 'sending' and i.outdated_upto is null and exists (select 1 from deliveries d where d.issue_id = i.id
                and d.state not in ('claimed', 'sending', 'sent') and d.state = 'held')
         order by i.id"
    };
    // Whoever has left, paused, bounced out or been suppressed since then is not mailed by a retry.
    RETRY_ISSUE = {
        deliveries set "state = 'queued', due_at = $2, first_due_at = $2, attempts = 0, finished_at = null"
        where "issue_id = $1 and state not in ('claimed', 'sending', 'sent') and state in ('failed', 'uncertain') and exists (
             select 1 from live_subscriptions l where l.subscriber_id = deliveries.subscriber_id
               and l.digest = deliveries.digest and l.since <= $2)"
    };
    // Nobody would ever find out about it, and the issue would never be finished.
    GIVE_UP_UNCERTAIN = {
        deliveries set "state = 'cancelled', finished_at = $2"
        where "issue_id = $1 and state not in ('claimed', 'sending', 'sent') and state = 'uncertain'"
    };
    RETRY_CORRECTIONS = {
        deliveries set "state = 'queued', due_at = $2, first_due_at = $2, attempts = 0, finished_at = null"
        where "correction_id in (select c.id from corrections c where c.issue_id = $1) and state in ('failed', 'uncertain')
           and exists (select 1 from startable s where s.id = deliveries.id and s.since <= $2)"
    };
    GIVE_UP_CORRECTIONS = {
        deliveries set "state = 'cancelled', finished_at = $2"
        where "correction_id in (select c.id from corrections c where c.issue_id = $1) and state = 'uncertain'"
    };
    // The corrections among them are found by having no issue of their own.
    UNCERTAIN_ISSUES = {
        "select i.id, i.digest, cast(sum(u.deliveries) as bigint) as deliveries, min(u.since) as since
         from issues i join (
             select d.issue_id, count(*) as deliveries, min(d.started_at) as since
             from issues o join deliveries d on d.issue_id = o.id
             where o.state in ('sending', 'held') and d.state not in ('claimed', 'sending', 'sent') and d.state = 'uncertain'
             group by d.issue_id
             union all
             select c.issue_id, count(*) as deliveries, min(d.started_at) as since
             from deliveries d join corrections c on c.id = d.correction_id
             where d.issue_id is null and d.state not in ('claimed', 'sending', 'sent') and d.state = 'uncertain'
             group by c.issue_id) u on u.issue_id = i.id
         group by i.id, i.digest order by i.id"
    };
    ADD_ISSUE_EVENT = {
        "insert into issue_events (issue_id, event, at, actor, note, subject) values ($1, $2, $3, $4, $5, $6) returning id"
    };
    ISSUE_EVENTS = {
        "select event, at, actor, note, subject from issue_events where issue_id = $1 order by id"
    };
}

/// Something that was done with an issue, to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewIssueEvent<'a> {
    /// `held`, `resumed`, `cancelled`, `retried`, `withdrawn` or `corrected`.
    pub event: &'a str,
    /// Who did it.
    pub actor: &'a str,
    /// Why.
    pub note: Option<&'a str>,
    /// What it was done to, as the title and address of an article.
    pub subject: Option<&'a str>,
}

/// Something that was done with an issue.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IssueEventRow {
    /// `held`, `resumed`, `cancelled`, `retried`, `withdrawn` or `corrected`.
    pub event: String,
    /// When.
    pub at: UtcMillis,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub note: Option<String>,
    /// What it was done to.
    pub subject: Option<String>,
}

/// An issue of which, or of whose corrections, it is not known what arrived.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct UncertainIssue {
    /// The issue.
    pub id: i64,
    /// Its digest.
    pub digest: String,
    /// How many deliveries wait.
    pub deliveries: i64,
    /// When the first of them was started.
    pub since: UtcMillis,
}

impl Session {
    /// Holds an issue that is being sent: from the commit on, no start of it is granted. Returns whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_issue(&mut self, issue: i64, reason: Option<&str>) -> Result<bool, StoreError> {
        self.recalls();
        Ok(execute!(self, HOLD_ISSUE, issue, reason)? == 1)
    }

    /// The state of an issue, which counts as held while mails of it have what was withdrawn, and whether that mail of it has been
    /// replaced.
    ///
    /// # Errors
    /// When the database fails, or has no such issue.
    pub async fn is_under_way(&mut self, issue: i64, mail: i64) -> Result<(String, bool), StoreError> {
        let (state, replaced) = fetch_one!(self, UNDER_WAY as (String, i64), issue, mail)?;
        Ok((state, replaced == 1))
    }

    /// Lets a held issue go on. Returns whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume_issue(&mut self, issue: i64) -> Result<bool, StoreError> {
        Ok(execute!(self, RESUME_ISSUE, issue)? == 1)
    }

    /// Stops an issue for good: from the commit on, no start of it is granted. Returns whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_issue(&mut self, issue: i64, reason: Option<&str>) -> Result<bool, StoreError> {
        self.recalls();
        Ok(execute!(self, CANCEL_ISSUE, issue, reason)? == 1)
    }

    /// Takes up again an issue that was sent, since some of its deliveries are to be tried again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reopen_issue(&mut self, issue: i64) -> Result<bool, StoreError> {
        Ok(execute!(self, REOPEN_ISSUE, issue)? == 1)
    }

    /// Queues an issue's failed and uncertain deliveries again, to those who still want them; what is uncertain of the others
    /// is cancelled. Says how many are queued.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retry_deliveries(&mut self, issue: i64, now: UtcMillis) -> Result<u64, StoreError> {
        self.queues();
        let queued = execute!(self, RETRY_ISSUE, issue, now)?;
        execute!(self, GIVE_UP_UNCERTAIN, issue, now)?;
        Ok(queued)
    }

    /// The same for the deliveries of its corrections. Says how many are queued, and how many are given up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retry_corrections(&mut self, issue: i64, now: UtcMillis) -> Result<(u64, u64), StoreError> {
        self.queues();
        let queued = execute!(self, RETRY_CORRECTIONS, issue, now)?;
        Ok((queued, execute!(self, GIVE_UP_CORRECTIONS, issue, now)?))
    }

    /// The issues that have uncertain deliveries, or whose corrections have; the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn uncertain_issues(&mut self) -> Result<Vec<UncertainIssue>, StoreError> {
        fetch_all!(self, UNCERTAIN_ISSUES as UncertainIssue)
    }

    /// Takes from all deliverers what they have claimed of an issue and not started, so that a start which looked at the
    /// issue before it was changed is over, or in vain. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recall(&mut self, issue: i64, to: DeliveryState, now: UtcMillis) -> Result<u64, StoreError> {
        self.recalls();
        execute!(self, RECALL, issue, to.as_str(), (to == DeliveryState::Cancelled).then_some(now))
    }

    /// Sets up to `limit` queued deliveries of a held issue aside. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_aside(&mut self, issue: i64, limit: i64) -> Result<u64, StoreError> {
        execute!(self, SET_ASIDE, issue, limit)
    }

    /// Queues again up to `limit` deliveries that were set aside, of an issue that goes on. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_back(&mut self, issue: i64, limit: i64, now: UtcMillis) -> Result<u64, StoreError> {
        self.queues();
        execute!(self, PUT_BACK, issue, limit, now)
    }

    /// Cancels up to `limit` open deliveries of a cancelled issue. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_rest(&mut self, issue: i64, limit: i64, now: UtcMillis) -> Result<u64, StoreError> {
        execute!(self, CANCEL_REST, issue, limit, now)
    }

    /// Ends the cancelling of an issue, where none of its deliveries is open or with a relay: where none was started, its articles
    /// are free for the next one, but for those that were withdrawn. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_cancelling(&mut self, issue: i64, now: UtcMillis) -> Result<u64, StoreError> {
        if execute!(self, CANCELLED, issue, now)? == 0 {
            return Ok(0);
        }
        execute!(self, FREE_ARTICLES, issue)
    }

    /// The issues whose deliveries do not follow their state yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unsettled_issues(&mut self) -> Result<Vec<i64>, StoreError> {
        Ok(fetch_all!(self, UNSETTLED as (i64,))?.into_iter().map(|row| row.0).collect())
    }

    /// Records what was done with an issue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_issue_event(
        &mut self,
        issue: i64,
        event: &NewIssueEvent<'_>,
        now: UtcMillis,
    ) -> Result<(), StoreError> {
        let NewIssueEvent { event, actor, note, subject } = event;
        fetch_one!(self, ADD_ISSUE_EVENT as (i64,), issue, event, now, actor, note, subject)?;
        Ok(())
    }

    /// What was done with an issue, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_events(&mut self, issue: i64) -> Result<Vec<IssueEventRow>, StoreError> {
        fetch_all!(self, ISSUE_EVENTS as IssueEventRow, issue)
    }
}
