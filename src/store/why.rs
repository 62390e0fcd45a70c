//! What each of the latest issues was to one subscriber.

use super::query::{fetch_all, queries};
use super::{Session, StoreError};
use crate::domain::{IssueState, UtcMillis};

queries! {
    // The mail of a variant is missing where none of its topics had an article. With the choice that they have now.
    ISSUES_FOR = {
        "select i.id, i.digest, i.number, i.state, i.reason, i.subject, i.composed_at, i.laid_out_at, i.layout_after,
                i.folded_at,
                d.state as delivery, d.started_at, d.finished_at, d.due_at, d.attempts, d.relay, d.answer,
                cast(case when v.issue_id is not null and v.mail_id is null then 1 else 0 end as bigint) as had_nothing
         from issues i
         left join deliveries d on d.issue_id = i.id and d.subscriber_id = $1
         left join subscriptions b on b.subscriber_id = $1 and b.digest = i.digest
         left join subscribers s on s.id = $1
         left join issue_variants v on v.issue_id = i.id and v.topics = b.topics and v.locale = coalesce(s.locale, '')
         where i.digest = $2 order by i.id desc limit $3"
    };
}

/// One issue, and what became of it for one subscriber.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IssueForRow {
    /// The issue's row id.
    pub id: i64,
    /// The digest's id.
    pub digest: String,
    /// Counted for each digest; none when skipped.
    pub number: Option<i64>,
    /// Where the issue stands.
    #[sqlx(try_from = "String")]
    pub state: IssueState,
    /// Why it was skipped, held or cancelled.
    pub reason: Option<String>,
    /// Its subject.
    pub subject: String,
    /// When it was composed.
    pub composed_at: UtcMillis,
    /// Since when its deliveries are totals alone.
    pub folded_at: Option<UtcMillis>,
    /// When the last delivery was laid out.
    pub laid_out_at: Option<UtcMillis>,
    /// The last subscriber whose delivery has been laid out.
    pub layout_after: i64,
    /// Where their delivery stands; none: they have none.
    pub delivery: Option<String>,
    /// When it was last started.
    pub started_at: Option<UtcMillis>,
    /// When it was finished.
    pub finished_at: Option<UtcMillis>,
    /// When it is, or was, due.
    pub due_at: Option<UtcMillis>,
    /// How often it was tried.
    pub attempts: Option<i64>,
    /// Which relay had it last.
    pub relay: Option<String>,
    /// The relay's last words on it.
    pub answer: Option<String>,
    /// 1: their topics had no article.
    pub had_nothing: i64,
}

impl Session {
    /// The latest issues of a digest as they were to a subscriber, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issues_for(
        &mut self,
        subscriber: i64,
        digest: &str,
        limit: i64,
    ) -> Result<Vec<IssueForRow>, StoreError> {
        fetch_all!(self, ISSUES_FOR as IssueForRow, subscriber, digest, limit)
    }
}
