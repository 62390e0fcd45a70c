//! Corrections: a mail to exactly those who have received an issue, once for each.

use super::query::{execute, fetch_all, fetch_one, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    ADD_CORRECTION = {
        "insert into corrections (issue_id, fingerprint, body, mail_id, layout_after, created_at) values ($1, $2, $3, $4, 0, $5)
         on conflict (issue_id, fingerprint) do nothing returning id"
    };
    CORRECTION = {
        "select id, issue_id, mail_id, layout_after, laid_out_at from corrections where issue_id = $1 and fingerprint = $2"
    };
    OPEN_CORRECTIONS = {
        "select c.id, c.issue_id, c.mail_id, c.layout_after, c.laid_out_at
         from corrections c where c.laid_out_at is null order by c.id"
    };
    CORRECTION_CHUNK_END = {
        "select max(c.subscriber_id) from (
             select d.subscriber_id from deliveries d where d.issue_id = $1 and d.subscriber_id > $2
             order by d.subscriber_id limit $3) c"
    };
    MAILS_OF_ISSUE = { "select id, topics, locale, subject from mails where issue_id = $1 order by id" };
    SET_CORRECTION_MAIL = {
        "insert into correction_mails (correction_id, of_mail, mail_id) values ($1, $2, $3)
         on conflict (correction_id, of_mail) do update set mail_id = excluded.mail_id"
    };
    CORRECTIONS_WITH_TEXT = { "select id, mail_id, body from corrections where issue_id = $1 and body is not null order by id" };
    CORRECTION_MAILS = { "select of_mail, mail_id from correction_mails where correction_id = $1" };
    NAME_CORRECTION_ANEW = { "update corrections set mail_id = $2 where id = $1" };
    // To the address that has received the issue. Whoever has paused since has not left.
    LAY_OUT_CORRECTION = {
        "insert into deliveries (mail_id, kind, digest, subscriber_id, address, name, state, priority, due_at, first_due_at,
                                 attempts, correction_id)
         select coalesce((select m.mail_id from correction_mails m where m.correction_id = c.id and m.of_mail = d.mail_id),
                         c.mail_id), 'correction', l.digest, l.subscriber_id, l.email, l.name, 'queued', $4, $5, $5, 0, c.id
         from corrections c
         join deliveries d on d.issue_id = c.issue_id and d.kind = 'digest' and d.state = 'sent'
         join live_subscriptions l on l.subscriber_id = d.subscriber_id and l.digest = d.digest
         where c.id = $1 and d.subscriber_id > $2 and d.subscriber_id <= $3
         order by d.subscriber_id
         on conflict do nothing"
    };
    CORRECTION_AT = { "update corrections set layout_after = $2 where id = $1" };
    CORRECTION_LAID_OUT = { "update corrections set laid_out_at = $2 where id = $1" };
    CORRECTION_TOTALS = {
        "select c.folded + (select count(*) from deliveries d where d.correction_id = c.id) from corrections c where c.id = $1"
    };
}

/// A correction of an issue.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct CorrectionRow {
    /// Row id.
    pub id: i64,
    /// The issue that it corrects.
    pub issue_id: i64,
    /// Its mail in the language of the digest.
    pub mail_id: i64,
    /// The last subscriber that has been looked at.
    pub layout_after: i64,
    /// When the last one was laid out.
    pub laid_out_at: Option<UtcMillis>,
}

/// A correction with its text, from which its mails can be made anew.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct CorrectionText {
    /// Row id.
    pub id: i64,
    /// Its mail in the language of the digest.
    pub mail_id: i64,
    /// Its paragraphs, with an empty line between them.
    pub body: String,
}

/// A mail of an issue, as its readers know it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MailOfIssue {
    /// Row id.
    pub id: i64,
    /// The topics that it shows.
    pub topics: String,
    /// The locale that it is written in.
    pub locale: String,
    /// Its subject.
    pub subject: String,
}

impl Session {
    /// All mails of an issue, those that have been replaced among them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mails_of_issue(&mut self, issue: i64) -> Result<Vec<MailOfIssue>, StoreError> {
        fetch_all!(self, MAILS_OF_ISSUE as MailOfIssue, issue)
    }

    /// Says which mail of a correction goes to those who received a mail of the issue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_correction_mail(&mut self, correction: i64, of_mail: i64, mail: i64) -> Result<(), StoreError> {
        execute!(self, SET_CORRECTION_MAIL, correction, of_mail, mail)?;
        Ok(())
    }

    /// Which mail of a correction goes to those who received which mail of the issue, where that is not its mail for all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn correction_mails(&mut self, correction: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        fetch_all!(self, CORRECTION_MAILS as (i64, i64), correction)
    }

    /// The corrections of an issue whose text is known, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn corrections_with_text(&mut self, issue: i64) -> Result<Vec<CorrectionText>, StoreError> {
        fetch_all!(self, CORRECTIONS_WITH_TEXT as CorrectionText, issue)
    }

    /// Gives a correction another mail for all who have none of their own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn name_correction_anew(&mut self, correction: i64, mail: i64) -> Result<(), StoreError> {
        execute!(self, NAME_CORRECTION_ANEW, correction, mail)?;
        Ok(())
    }

    /// Records a correction; its fingerprint is that of the text, and `mail` goes to those for whom there is no other. Gives its
    /// id; none where the issue has the same one already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_correction(
        &mut self,
        issue: i64,
        fingerprint: &str,
        body: &str,
        mail: i64,
        now: UtcMillis,
    ) -> Result<Option<i64>, StoreError> {
        Ok(fetch_optional!(self, ADD_CORRECTION as (i64,), issue, fingerprint, body, mail, now)?.map(|(id,)| id))
    }

    /// The correction of an issue with that text.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn correction(&mut self, issue: i64, fingerprint: &str) -> Result<Option<CorrectionRow>, StoreError> {
        fetch_optional!(self, CORRECTION as CorrectionRow, issue, fingerprint)
    }

    /// The corrections that are not laid out whole, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_corrections(&mut self) -> Result<Vec<CorrectionRow>, StoreError> {
        fetch_all!(self, OPEN_CORRECTIONS as CorrectionRow)
    }

    /// The last of the next `size` subscribers whom an issue went to, after the subscriber `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn correction_chunk_end(&mut self, issue: i64, after: i64, size: i64) -> Result<Option<i64>, StoreError> {
        Ok(fetch_one!(self, CORRECTION_CHUNK_END as (Option<i64>,), issue, after, size)?.0)
    }

    /// Queues the correction to those of a chunk who have received the issue and not left; to nobody twice.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lay_out_correction(
        &mut self,
        correction: i64,
        chunk: std::ops::Range<i64>,
        priority: i64,
        now: UtcMillis,
    ) -> Result<u64, StoreError> {
        let laid = execute!(self, LAY_OUT_CORRECTION, correction, chunk.start, chunk.end, priority, now)?;
        execute!(self, CORRECTION_AT, correction, chunk.end)?;
        Ok(laid)
    }

    /// Marks that a correction is laid out whole; else, that its layout begins again, since further people may have
    /// received the issue by then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_correction(&mut self, correction: i64, whole: bool, now: UtcMillis) -> Result<(), StoreError> {
        match whole {
            true => execute!(self, CORRECTION_LAID_OUT, correction, now)?,
            false => execute!(self, CORRECTION_AT, correction, 0_i64)?,
        };
        Ok(())
    }

    /// To how many a correction has been queued.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn correction_recipients(&mut self, correction: i64) -> Result<i64, StoreError> {
        Ok(fetch_one!(self, CORRECTION_TOTALS as (i64,), correction)?.0)
    }
}
