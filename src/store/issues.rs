//! Issues and their frozen articles.

use super::query::{execute, fetch_all, fetch_one, fetch_optional, queries};
use super::{NewArticle, Session, StoreError, StoryRow};
use crate::domain::{IssueState, PublicId, UtcMillis};

/// Issues as an [`IssueRow`] has them: those that the rest of the statement says.
macro_rules! issues {
    ($which:literal) => {
        concat!(
            "select id, public_id, digest, issue_key, number, state, reason, subject, issue_date, scheduled_at, composed_at,
                    layout_after, laid_out_at, finished_at, folded_at, recipients, shortened, shortened_by,
                    template_error, outdated_upto from issues ",
            $which
        )
    };
}

queries! {
    INSERT_ISSUE = {
        "insert into issues (public_id, digest, issue_key, number, state, reason, subject, issue_date, scheduled_at,
                             composed_at, layout_after, finished_at, recipients)
         values ($1, $2, $3,
                 case when $4 = 'skipped' then null else
                     (select coalesce(max(i.number), 0) + 1 from issues i where i.digest = $2) end,
                 $4, $5, $6, $7, $8, $9, 0, $10, 0)
         on conflict (digest, issue_key) do nothing returning id, number"
    };
    FORGET_SKIPPED_AFTER = {
        "delete from issues where digest = $1 and state = 'skipped' and scheduled_at is not null and composed_at > $2"
    };
    INSERT_ISSUE_ARTICLE = {
        "insert into issue_articles (issue_id, digest, article_id, claimed_article, claimed_canonical, canonical,
                                     position, listed, topic, source, url, title, published_at, excerpt, author, image)
         values ($1, $2, $3, $3, $4, $15, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         on conflict do nothing"
    };
    NEXT_NUMBER = { "select coalesce(max(number), 0) + 1 from issues where digest = $1" };
    ISSUE = { issues!("where id = $1") };
    ISSUE_BY_KEY = { issues!("where digest = $1 and issue_key = $2") };
    ISSUES = { issues!("order by id desc") };
    // One that reached nobody has no page to link to.
    LATEST_SENT_ISSUE = {
        issues!("where digest = $1 and state = 'sent' and first_sent_at is not null order by id desc limit 1")
    };
    // What the operator may have to hear of: the issues of the last days, and those that wait.
    ISSUES_TO_WATCH = { issues!("where composed_at >= $1 or state = 'held' order by id") };
    // Of several processes one gets each.
    TAKE_PINGS = {
        "update issues set pinged_at = $1 where pinged_at is null and scheduled_at is not null and finished_at >= $2
             and state in ('sent', 'skipped', 'cancelled') returning digest"
    };
    // The most stays.
    NOTE_SHORTENED = { "update issues set shortened = $2, shortened_by = $3 where id = $1 and shortened_by < $3" };
    // The first stays: it is told once.
    NOTE_TEMPLATE_ERROR = { "update issues set template_error = $2 where id = $1 and template_error is null" };
    TOPIC_COUNTS = {
        "select a.topic, count(distinct a.canonical) from issue_articles a join issues i on i.id = a.issue_id
         where i.digest = $1 and i.composed_at >= $2 and i.state in ('sending', 'sent') group by a.topic"
    };
    OPEN_ISSUES = { issues!("where state = 'sending' order by id") };
    ISSUE_ARTICLES = {
        "select topic, source, url, canonical, title, published_at, excerpt, author, image from issue_articles
         where issue_id = $1 and withdrawn_at is null order by position"
    };
    IS_FINISHED = {
        "select count(*) from issues where id = $1 and state = 'sending' and laid_out_at is not null
         and not exists (select 1 from deliveries d where d.issue_id = issues.id
                         and d.state not in ('claimed', 'sending', 'sent') and d.state in ('queued', 'held', 'deferred', 'uncertain'))
         and not exists (select 1 from deliveries d where d.owner is not null and +d.issue_id = issues.id)"
    };
    // Whoever queues deliveries of an issue that is there locks its row. So what is asked after this has waited for them, which
    // one statement would not do: it goes on with what it saw when it began.
    LOCK_ISSUE = {
        sqlite "select id from issues where id = $1"
        postgres "select id from issues where id = $1 for no key update"
    };
    FINISH_ISSUE = {
        "update issues set state = 'sent', finished_at = $2, first_sent_at = coalesce(first_sent_at,
             case when exists (select 1 from deliveries d where d.issue_id = $1 and d.state = 'sent')
                  then cast($2 as bigint) end)
         where id = $1 and state = 'sending' and laid_out_at is not null
         and not exists (select 1 from deliveries d where d.issue_id = issues.id
                         and d.state not in ('claimed', 'sending', 'sent') and d.state in ('queued', 'held', 'deferred', 'uncertain'))
         and not exists (select 1 from deliveries d where d.owner is not null and +d.issue_id = issues.id)"
    };
}

/// An issue to be recorded.
#[derive(Clone, Debug)]
pub struct NewIssue<'a> {
    /// What leaves the house for it.
    pub public_id: &'a PublicId,
    /// The digest's id.
    pub digest: &'a str,
    /// With the digest the unique key: the period, or a key of its own.
    pub key: &'a str,
    /// `sending` or `skipped`.
    pub state: IssueState,
    /// Why it was skipped.
    pub reason: Option<&'a str>,
    /// Its subject; empty when skipped.
    pub subject: &'a str,
    /// Its day in the digest's zone, as `2026-11-23`.
    pub date: &'a str,
    /// The scheduled instant.
    pub scheduled_at: Option<UtcMillis>,
}

/// A recorded issue.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IssueRow {
    /// Row id; what the command line calls it.
    pub id: i64,
    /// What leaves the house for it.
    pub public_id: PublicId,
    /// The digest's id.
    pub digest: String,
    /// With the digest the unique key.
    pub issue_key: String,
    /// Counted from 1 for each digest; none when skipped.
    pub number: Option<i64>,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub state: IssueState,
    /// Why it was skipped, held or cancelled.
    pub reason: Option<String>,
    /// Its subject.
    pub subject: String,
    /// Its day in the digest's zone.
    pub issue_date: String,
    /// The scheduled instant.
    pub scheduled_at: Option<UtcMillis>,
    /// When it was composed.
    pub composed_at: UtcMillis,
    /// The last subscriber whose delivery has been laid out.
    pub layout_after: i64,
    /// When the last delivery was laid out.
    pub laid_out_at: Option<UtcMillis>,
    /// When its last delivery was finished.
    pub finished_at: Option<UtcMillis>,
    /// Since when its deliveries are totals alone.
    pub folded_at: Option<UtcMillis>,
    /// How many deliveries were laid out.
    pub recipients: i64,
    /// The most that was taken away from a mail of it, so that mail programs do not cut it off.
    pub shortened: Option<String>,
    /// How much that is, to be compared with what another mail loses.
    pub shortened_by: i64,
    /// What the operator's template failed with, where a mail of it was made by the built-in one.
    pub template_error: Option<String>,
    /// The last of its mails that still have what was withdrawn; while there is one, nothing of it is started.
    pub outdated_upto: Option<i64>,
}

/// An article to be frozen into an issue.
#[derive(Clone, Copy, Debug)]
pub struct NewIssueArticle<'a> {
    /// The article.
    pub article: &'a NewArticle,
    /// Whether it is a further copy of a story that is in the issue.
    pub is_copy: bool,
    /// Whether the whole issue shows it by its title alone.
    pub is_listed: bool,
    /// Counted from 0, in reading order.
    pub position: usize,
}

impl Session {
    /// Records an issue; gives its id and number. `None`: this digest has an issue of that key already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_issue(
        &mut self,
        issue: &NewIssue<'_>,
        now: UtcMillis,
    ) -> Result<Option<(i64, Option<i64>)>, StoreError> {
        let finished = (issue.state == IssueState::Skipped).then_some(now);
        fetch_optional!(
            self,
            INSERT_ISSUE as (i64, Option<i64>),
            issue.public_id,
            issue.digest,
            issue.key,
            issue.state.as_str(),
            issue.reason,
            issue.subject,
            issue.date,
            issue.scheduled_at,
            now,
            finished
        )
    }

    /// Forgets the periods of a digest that were skipped later than that: the clock was ahead then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_skipped_after(&mut self, digest: &str, at: UtcMillis) -> Result<(), StoreError> {
        execute!(self, FORGET_SKIPPED_AFTER, digest, at).map(|_| ())
    }

    /// Freezes an article into an issue. `false`: an issue of this digest has it, or its address, already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_issue_article(
        &mut self,
        issue: i64,
        digest: &str,
        a: &NewIssueArticle<'_>,
    ) -> Result<bool, StoreError> {
        let story = &a.article.story;
        let inserted = execute!(
            self,
            INSERT_ISSUE_ARTICLE,
            issue,
            digest,
            a.article.id,
            (!a.is_copy).then_some(&story.canonical),
            i64::try_from(a.position).unwrap_or(i64::MAX),
            i64::from(a.is_listed),
            &story.topic,
            &story.source,
            &story.url,
            &story.title,
            story.published_at,
            &story.excerpt,
            &story.author,
            &story.image,
            &story.canonical
        )?;
        Ok(inserted == 1)
    }

    /// The number that the digest's next issue will have.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_issue_number(&mut self, digest: &str) -> Result<i64, StoreError> {
        Ok(fetch_one!(self, NEXT_NUMBER as (i64,), digest)?.0)
    }

    /// An issue by its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue(&mut self, id: i64) -> Result<Option<IssueRow>, StoreError> {
        fetch_optional!(self, ISSUE as IssueRow, id)
    }

    /// The issue of a digest and period.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_by_key(&mut self, digest: &str, key: &str) -> Result<Option<IssueRow>, StoreError> {
        fetch_optional!(self, ISSUE_BY_KEY as IssueRow, digest, key)
    }

    /// All issues, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issues(&mut self) -> Result<Vec<IssueRow>, StoreError> {
        fetch_all!(self, ISSUES as IssueRow)
    }

    /// The latest issue of a digest that has gone out, to somebody at least.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn latest_sent_issue(&mut self, digest: &str) -> Result<Option<IssueRow>, StoreError> {
        fetch_optional!(self, LATEST_SENT_ISSUE as IssueRow, digest)
    }

    /// The issues composed since `since`, and those that are held whenever they were composed; the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issues_to_watch(&mut self, since: UtcMillis) -> Result<Vec<IssueRow>, StoreError> {
        fetch_all!(self, ISSUES_TO_WATCH as IssueRow, since)
    }

    /// Takes the periods that have finished, were cancelled or skipped since `since` and that no process has taken yet;
    /// gives the digest of each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_pings(&mut self, now: UtcMillis, since: UtcMillis) -> Result<Vec<String>, StoreError> {
        let rows = fetch_all!(self, TAKE_PINGS as (String,), now, since)?;
        Ok(rows.into_iter().map(|(digest,)| digest).collect())
    }

    /// How many stories of each topic a digest has had since then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn topic_counts(&mut self, digest: &str, since: UtcMillis) -> Result<Vec<(String, i64)>, StoreError> {
        fetch_all!(self, TOPIC_COUNTS as (String, i64), digest, since)
    }

    /// Notes what was taken away from a mail of an issue so that mail programs do not cut it off, unless `by`, how much that is,
    /// is no more than what is noted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_shortened(&mut self, issue: i64, what: &str, by: i64) -> Result<(), StoreError> {
        execute!(self, NOTE_SHORTENED, issue, what, by)?;
        Ok(())
    }

    /// Notes what the operator's template failed with on an issue, unless something is noted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_template_error(&mut self, issue: i64, error: &str) -> Result<(), StoreError> {
        execute!(self, NOTE_TEMPLATE_ERROR, issue, error)?;
        Ok(())
    }

    /// The issues that are being sent, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_issues(&mut self) -> Result<Vec<IssueRow>, StoreError> {
        fetch_all!(self, OPEN_ISSUES as IssueRow)
    }

    /// The frozen articles of an issue that are not withdrawn, in reading order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_articles(&mut self, issue: i64) -> Result<Vec<StoryRow>, StoreError> {
        fetch_all!(self, ISSUE_ARTICLES as StoryRow, issue)
    }

    /// Whether [`Session::finish_issue`] would mark it: what a reader asks first, so that nobody writes in vain.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_finished(&mut self, issue: i64) -> Result<bool, StoreError> {
        Ok(fetch_one!(self, IS_FINISHED as (i64,), issue)?.0 == 1)
    }

    /// Makes whoever queues deliveries of an issue again wait until this transaction ends, and waits for those who do.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn lock_issue(&mut self, issue: i64) -> Result<(), StoreError> {
        fetch_optional!(self, LOCK_ISSUE as (i64,), issue).map(|_| ())
    }

    /// Marks an issue `sent` when all of it is laid out and no delivery is open. Returns whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_issue(&mut self, issue: i64, now: UtcMillis) -> Result<bool, StoreError> {
        self.lock_issue(issue).await?;
        Ok(execute!(self, FINISH_ISSUE, issue, now)? == 1)
    }
}
