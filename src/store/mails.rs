//! Mails: an issue, or another kind of mail, rendered for one variant and encoded, with markers where the slots are.

use super::query::{execute, fetch_all, fetch_one, fetch_optional, queries};
use super::{Session, StoreError};
use crate::domain::{DeliveryState, UtcMillis};

queries! {
    INSERT_MAIL = {
        "insert into mails (issue_id, kind, digest, topics, locale, subject, html, body_text, mime, marker, salt, fingerprint, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning id"
    };
    MAIL = {
        "select id, issue_id, kind, digest, topics, locale, subject, html, body_text, mime, marker, salt from mails where id = $1"
    };
    MESSAGE_OF_ISSUE = { "select mime from mails where issue_id = $1 and replaced_by is null order by id limit 1" };
    MAIL_BY_FINGERPRINT = { "select id from mails where fingerprint = $1 order by id limit 1" };
    CANCEL_MAIL = {
        deliveries set "state = 'cancelled', owner = null, finished_at = $2"
        where "mail_id = $1 and state in ('queued', 'claimed', 'held', 'deferred', 'uncertain')"
    };
    // Octets are counted in another way on each.
    LONGEST_HTML = {
        sqlite "select coalesce(max(length(cast(html as blob))), 0) from mails where issue_id = $1"
        postgres "select coalesce(max(octet_length(html)), 0)::bigint from mails where issue_id = $1"
    };
    FOLLOW_MAIL = { "select address, state, answer from deliveries where mail_id = $1 order by id" };
}

/// A mail to be stored.
#[derive(Clone, Debug)]
pub struct NewMail<'a> {
    /// The issue that it renders; none for confirmations and test sends.
    pub issue: Option<i64>,
    /// `digest`, `test`, `review`, or the name of a letter's template.
    pub kind: &'a str,
    /// The digest's id.
    pub digest: Option<&'a str>,
    /// The topics that it shows, as subscriptions spell them.
    pub topics: &'a str,
    /// The locale that it is written in.
    pub locale: &'a str,
    /// Its subject.
    pub subject: &'a str,
    /// Its HTML, with markers.
    pub html: &'a str,
    /// Its text, with markers.
    pub text: &'a str,
    /// The whole message, encoded, with markers.
    pub mime: &'a str,
    /// What its markers begin with.
    pub marker: &'a str,
    /// Random; the Message-IDs are made of it.
    pub salt: &'a str,
    /// A hash of its content, by which another session finds it again; none for mails that are made once.
    pub fingerprint: Option<&'a str>,
}

/// A stored mail.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MailRow {
    /// Row id.
    pub id: i64,
    /// The issue that it renders.
    pub issue_id: Option<i64>,
    /// `digest`, `test`, `review`, or the name of a letter's template.
    pub kind: String,
    /// The digest's id.
    pub digest: Option<String>,
    /// The topics that it shows.
    pub topics: String,
    /// The locale that it is written in.
    pub locale: String,
    /// Its subject.
    pub subject: String,
    /// Its HTML, with markers.
    pub html: String,
    /// Its text, with markers.
    pub body_text: String,
    /// The whole message, encoded, with markers.
    pub mime: String,
    /// What its markers begin with.
    pub marker: String,
    /// Random; the Message-IDs are made of it.
    pub salt: String,
}

/// How a delivery of a mail stands.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Followed {
    /// The address.
    pub address: String,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub state: DeliveryState,
    /// What the relay said last.
    pub answer: Option<String>,
}

impl Session {
    /// How many octets the longest HTML of an issue's mails has; 0 where it has none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn longest_html(&mut self, issue: i64) -> Result<i64, StoreError> {
        Ok(fetch_one!(self, LONGEST_HTML as (i64,), issue)?.0)
    }

    /// The message of one of an issue's mails, with markers: all are from the same sender.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn message_of_issue(&mut self, issue: i64) -> Result<Option<String>, StoreError> {
        Ok(fetch_optional!(self, MESSAGE_OF_ISSUE as (String,), issue)?.map(|(mime,)| mime))
    }

    /// Stores a mail; gives its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_mail(&mut self, mail: &NewMail<'_>, now: UtcMillis) -> Result<i64, StoreError> {
        let row = fetch_one!(
            self,
            INSERT_MAIL as (i64,),
            mail.issue,
            mail.kind,
            mail.digest,
            mail.topics,
            mail.locale,
            mail.subject,
            mail.html,
            mail.text,
            mail.mime,
            mail.marker,
            mail.salt,
            mail.fingerprint,
            now
        )?;
        Ok(row.0)
    }

    /// A mail by its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mail(&mut self, id: i64) -> Result<Option<MailRow>, StoreError> {
        fetch_optional!(self, MAIL as MailRow, id)
    }

    /// The mail that was stored with this fingerprint.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mail_by_fingerprint(&mut self, fingerprint: &str) -> Result<Option<i64>, StoreError> {
        Ok(fetch_optional!(self, MAIL_BY_FINGERPRINT as (i64,), fingerprint)?.map(|row| row.0))
    }

    /// Stops the deliveries of a mail that have not gone out. Says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_mail(&mut self, mail: i64, now: UtcMillis) -> Result<u64, StoreError> {
        execute!(self, CANCEL_MAIL, mail, now)
    }

    /// How the deliveries of a mail stand, for whoever waits for a test send.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn follow_mail(&mut self, mail: i64) -> Result<Vec<Followed>, StoreError> {
        fetch_all!(self, FOLLOW_MAIL as Followed, mail)
    }
}
