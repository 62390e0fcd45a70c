//! Withdrawals: an article taken out of an issue that is frozen, and the mails that go out instead.

use super::query::{execute, fetch_all, queries};
use super::{IssueMail, Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    ARTICLES_OF_ISSUE = {
        "select article_id, canonical, topic, url, title, withdrawn_at from issue_articles where issue_id = $1 order by position"
    };
    WITHDRAW_ARTICLE = {
        "update issue_articles set withdrawn_at = $3 where issue_id = $1 and canonical = $2 and withdrawn_at is null"
    };
    SET_SUBJECT = { "update issues set subject = $2 where id = $1" };
    OUTDATE_MAILS = {
        "update issues set outdated_upto = (select max(m.id) from mails m where m.issue_id = $1 and m.kind = 'digest')
         where id = $1"
    };
    OUTDATED_MAILS = {
        "select m.id, m.topics, m.locale from issues i join mails m on m.issue_id = i.id
         where i.id = $1 and m.kind = 'digest' and m.replaced_by is null and m.id <= i.outdated_upto order by m.id limit $2"
    };
    MADE_ANEW = {
        "update issues set outdated_upto = null where id = $1 and not exists (
             select 1 from mails m where m.issue_id = $1 and m.kind = 'digest' and m.replaced_by is null
               and m.id <= issues.outdated_upto)"
    };
    OUTDATED_ISSUES = { "select id from issues where outdated_upto is not null order by id" };
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

    /// All mails that an issue has now are outdated: from the commit on nothing of it is started, until they are made anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outdate_mails(&mut self, issue: i64) -> Result<(), StoreError> {
        self.recalls();
        execute!(self, OUTDATE_MAILS, issue)?;
        Ok(())
    }

    /// The first mails of an issue that are outdated, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outdated_mails(&mut self, issue: i64, limit: usize) -> Result<Vec<IssueMail>, StoreError> {
        fetch_all!(self, OUTDATED_MAILS as IssueMail, issue, i64::try_from(limit).unwrap_or(i64::MAX))
    }

    /// Notes that no mail of an issue is outdated any more, where that is so.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn made_anew(&mut self, issue: i64) -> Result<(), StoreError> {
        execute!(self, MADE_ANEW, issue)?;
        Ok(())
    }

    /// The issues that have outdated mails.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outdated_issues(&mut self) -> Result<Vec<i64>, StoreError> {
        Ok(fetch_all!(self, OUTDATED_ISSUES as (i64,))?.into_iter().map(|row| row.0).collect())
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

    /// From the commit on, no start of a correction with the mail `old` is granted, and what is claimed of it goes out as `new`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replace_correction(&mut self, old: i64, new: i64) -> Result<(), StoreError> {
        execute!(self, REPLACE_MAIL, old, new)?;
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
