//! The archive: the whole issues as they were frozen, and which of them anybody may see.

use super::query::{execute, fetch_all, fetch_one, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::{PublicId, UtcMillis};

queries! {
    PUT_PAGE = {
        "insert into issue_pages (issue_id, locale, articles, content) values ($1, $2, $3, $4)
         on conflict (issue_id) do update set locale = excluded.locale, articles = excluded.articles, content = excluded.content"
    };
    PAGE = { "select issue_id, locale, articles, content from issue_pages where issue_id = $1" };
    PAGES = {
        "select p.issue_id, p.locale, p.articles, p.content from issue_pages p join issues i on i.id = p.issue_id
         where i.digest = $1 and i.number between $2 and $3"
    };
    WITHDRAWALS = {
        "select e.issue_id, e.at from issue_events e join issues i on i.id = e.issue_id
         where i.digest = $1 and i.number between $2 and $3 and e.event = 'withdrawn' order by e.id"
    };
    ARCHIVED = {
        "select id, public_id, number, subject, issue_date, composed_at, articles, changed_at from archived_issues
         where digest = $1 and number < $2 order by number desc limit $3"
    };
    // What was cancelled on its way is kept for those who have it, and is not shown off.
    LATEST = {
        "select a.id, a.public_id, a.number, a.subject, a.issue_date, a.composed_at, a.articles, a.changed_at
         from archived_issues a join issues i on i.id = a.id
         where a.digest = $1 and i.state <> 'cancelled' order by a.number desc limit 1"
    };
    NEWER = {
        "select id, public_id, number, subject, issue_date, composed_at, articles, changed_at from archived_issues
         where digest = $1 and number > $2 order by number limit 1"
    };
    IS_ARCHIVED = { "select count(*) from archived_issues where id = $1" };
    ARCHIVED_COUNT = { "select count(*), min(issue_date) from archived_issues where digest = $1" };
    NUMBER_OF = { "select number from issues where public_id = $1 and digest = $2" };
}

/// The whole issue, to be frozen for the archive.
#[derive(Clone, Copy, Debug)]
pub struct NewPage<'a> {
    /// The locale that it is in.
    pub locale: &'a str,
    /// How many articles it has.
    pub articles: i64,
    /// Its content, as the composer writes and reads it.
    pub content: &'a str,
}

/// A whole issue as it was frozen.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PageRow {
    /// The issue's row id.
    pub issue_id: i64,
    /// The locale that it is in.
    pub locale: String,
    /// How many articles it has.
    pub articles: i64,
    /// Its content, as the composer writes and reads it.
    pub content: String,
}

/// An issue that anybody may see.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ArchivedRow {
    /// Row id.
    pub id: i64,
    /// What leaves the house for it.
    pub public_id: PublicId,
    /// Counted from 1 for each digest.
    pub number: i64,
    /// Its subject.
    pub subject: String,
    /// Its day in the digest's zone, as `2026-11-23`.
    pub issue_date: String,
    /// When it was composed.
    pub composed_at: UtcMillis,
    /// How many articles it has.
    pub articles: i64,
    /// When an article was last withdrawn.
    pub changed_at: Option<UtcMillis>,
}

impl Session {
    /// Whether an issue is in the archive: somebody has received it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_archived(&mut self, issue: i64) -> Result<bool, StoreError> {
        Ok(fetch_one!(self, IS_ARCHIVED as (i64,), issue)?.0 > 0)
    }

    /// Freezes the whole issue for the archive, or what is left of it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_page(&mut self, issue: i64, page: &NewPage<'_>) -> Result<(), StoreError> {
        execute!(self, PUT_PAGE, issue, page.locale, page.articles, page.content)?;
        Ok(())
    }

    /// The whole issue as it was frozen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn page(&mut self, issue: i64) -> Result<Option<PageRow>, StoreError> {
        fetch_optional!(self, PAGE as PageRow, issue)
    }

    /// The whole issues of a digest with numbers from `first` to `last`, in any order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pages_between(&mut self, digest: &str, first: i64, last: i64) -> Result<Vec<PageRow>, StoreError> {
        fetch_all!(self, PAGES as PageRow, digest, first, last)
    }

    /// When articles of those issues were withdrawn, each with the row id of its issue, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withdrawals_between(
        &mut self,
        digest: &str,
        first: i64,
        last: i64,
    ) -> Result<Vec<(i64, UtcMillis)>, StoreError> {
        fetch_all!(self, WITHDRAWALS as (i64, UtcMillis), digest, first, last)
    }

    /// The issues of a digest that anybody may see, with numbers below `before`; the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn archived_issues(
        &mut self,
        digest: &str,
        before: i64,
        limit: i64,
    ) -> Result<Vec<ArchivedRow>, StoreError> {
        fetch_all!(self, ARCHIVED as ArchivedRow, digest, before, limit)
    }

    /// The last issue of a digest that newcomers are shown.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn latest_archived(&mut self, digest: &str) -> Result<Option<ArchivedRow>, StoreError> {
        fetch_optional!(self, LATEST as ArchivedRow, digest)
    }

    /// The next issue after that number which anybody may see.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newer_issue(&mut self, digest: &str, number: i64) -> Result<Option<ArchivedRow>, StoreError> {
        fetch_optional!(self, NEWER as ArchivedRow, digest, number)
    }

    /// How many issues of a digest anybody may see, and the day of the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn archived_count(&mut self, digest: &str) -> Result<(i64, Option<String>), StoreError> {
        fetch_one!(self, ARCHIVED_COUNT as (i64, Option<String>), digest)
    }

    /// The number of an issue of the digest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_number(&mut self, digest: &str, issue: &PublicId) -> Result<Option<i64>, StoreError> {
        Ok(fetch_optional!(self, NUMBER_OF as (Option<i64>,), issue, digest)?.and_then(|row| row.0))
    }
}
