//! Withdrawals: an article taken out of an issue that is frozen, and the mails that go out instead.

use super::query::{execute, fetch_all, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    ARTICLES_OF_ISSUE = {
        "select article_id, canonical, topic, url, title, withdrawn_at from issue_articles where issue_id = $1 order by position"
    };
    WITHDRAW_ARTICLE = {
        "update issue_articles set withdrawn_at = $3 where issue_id = $1 and canonical = $2 and withdrawn_at is null"
    };
    SET_SUBJECT = { "update issues set subject = $2 where id = $1" };
    // Also what replaced another mail before.
    REPLACE_MAIL = { "update mails set replaced_by = $2 where id = $1 or replaced_by = $1" };
    // What corrects the old one corrects the new one.
    REPLACE_CORRECTED = {
        "insert into correction_mails (correction_id, of_mail, mail_id)
         select correction_id, $2, mail_id from correction_mails where of_mail = $1"
    };
    REPLACE_VARIANT = { "update issue_variants set mail_id = $3 where issue_id = $1 and mail_id = $2" };
    // A mail that is replaced by itself is not sent any more at all.
    EMPTY_MAIL = { "update mails set replaced_by = id where id = $1" };
    CANCEL_UNSTARTED = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $3"
        where "issue_id = $1 and mail_id in (select m.id from mails m where m.id = $2 or m.replaced_by = $2)
           and state in ('queued', 'claimed', 'held', 'deferred', 'uncertain')"
    };
}

/// An article as an issue has it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IssueArticleRow {
    /// The article's row id.
    pub article_id: i64,
    /// The address that copies of the story share.
    pub canonical: String,
    /// The topic's id.
    pub topic: String,
    /// Where it can be read; none: it has no page of its own.
    pub url: Option<String>,
    /// Its title.
    pub title: String,
    /// When it was taken out.
    pub withdrawn_at: Option<UtcMillis>,
}

impl Session {
    /// All articles that an issue was frozen with, in reading order; the same story from several sources for each of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn articles_of_issue(&mut self, issue: i64) -> Result<Vec<IssueArticleRow>, StoreError> {
        fetch_all!(self, ARTICLES_OF_ISSUE as IssueArticleRow, issue)
    }

    /// Marks a story of an issue as withdrawn, all copies of it. `false`: it was before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withdraw_article(&mut self, issue: i64, canonical: &str, now: UtcMillis) -> Result<bool, StoreError> {
        Ok(execute!(self, WITHDRAW_ARTICLE, issue, canonical, now)? > 0)
    }

    /// Gives an issue another subject, where the old one names what was withdrawn.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_subject(&mut self, issue: i64, subject: &str) -> Result<(), StoreError> {
        execute!(self, SET_SUBJECT, issue, subject)?;
        Ok(())
    }

    /// From the commit on, what is claimed of the mail `old` goes out as `new`, and no start with `old` is granted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replace_mail(&mut self, issue: i64, old: i64, new: i64) -> Result<(), StoreError> {
        execute!(self, REPLACE_MAIL, old, new)?;
        execute!(self, REPLACE_CORRECTED, old, new)?;
        execute!(self, REPLACE_VARIANT, issue, old, new)?;
        Ok(())
    }

    /// Cancels what has not been started of a mail that has nothing left in it. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn empty_mail(&mut self, issue: i64, mail: i64, now: UtcMillis) -> Result<u64, StoreError> {
        execute!(self, EMPTY_MAIL, mail)?;
        execute!(self, REPLACE_VARIANT, issue, mail, None::<i64>)?;
        execute!(self, CANCEL_UNSTARTED, issue, mail, now)
    }
}
