//! The layout of an issue: who gets which of its mails, laid out into the queue in chunks.

use super::query::{execute, fetch_all, fetch_one, queries};
use super::{Session, StoreError};
use crate::domain::UtcMillis;

queries! {
    AUDIENCE = {
        "select l.topics, l.locale, count(*) as people from live_subscriptions l
         where l.digest = $1 and l.since <= $2 group by l.topics, l.locale order by l.topics, l.locale"
    };
    PUT_VARIANT = {
        "insert into issue_variants (issue_id, topics, locale, mail_id) values ($1, $2, $3, $4) on conflict do nothing"
    };
    ISSUE_MAILS = { "select id, topics, locale from mails where issue_id = $1 and kind = 'digest' and replaced_by is null order by id" };
    CHUNK_END = {
        "select max(c.id) from (select s.id from subscribers s where s.id > $1 order by s.id limit $2) c"
    };
    MISSING_VARIANTS = {
        "select distinct l.topics, l.locale from live_subscriptions l
         where l.digest = $2 and l.subscriber_id > $3 and l.subscriber_id <= $4
           and not exists (select 1 from issue_variants v
                           where v.issue_id = $1 and v.topics = l.topics and v.locale = l.locale)"
    };
    // Whose turn comes later within the spread waits aside, so that claims don't walk over them. The multiplier scatters
    // ids that follow each other evenly over the time.
    LAY_OUT = {
        "insert into deliveries (mail_id, issue_id, kind, digest, subscriber_id, address, name, state, priority, due_at,
                                 first_due_at, attempts)
         select v.mail_id, v.issue_id, 'digest', l.digest, l.subscriber_id, l.email, l.name, 
                case when $7 + (l.subscriber_id * 48271 % 99991) * $8 / 99991 > $6 then 'deferred' else 'queued' end,
                $5, $7 + (l.subscriber_id * 48271 % 99991) * $8 / 99991,
                $7 + (l.subscriber_id * 48271 % 99991) * $8 / 99991, 0
         from live_subscriptions l
         join issue_variants v on v.issue_id = $1 and v.topics = l.topics and v.locale = l.locale
         where l.digest = $2 and l.subscriber_id > $3 and l.subscriber_id <= $4 and l.since <= $6
           and v.mail_id is not null
         order by l.subscriber_id
         on conflict (issue_id, subscriber_id) do nothing"
    };
    LAID_OUT_TO = {
        "update issues set layout_after = $2, recipients = recipients + $3 where id = $1 and layout_after < $2"
    };
    // The mark may have been set back since the last chunk.
    LAID_OUT = { "update issues set laid_out_at = $3 where id = $1 and laid_out_at is null and layout_after = $2" };
    STILL_SENDING = { "select count(*) from issues where id = $1 and state = 'sending' and laid_out_at is null and layout_after = $2" };
}

/// A choice of topics and a locale, and how many people have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, sqlx::FromRow)]
pub struct Audience {
    /// The topics as subscriptions spell them: `*`, or sorted ids with commas between.
    pub topics: String,
    /// The locale; `''` is the digest's own.
    pub locale: String,
    /// How many people.
    pub people: i64,
}

/// A choice of topics and a locale, as subscribers have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::FromRow)]
pub struct Choice {
    /// The topics as subscriptions spell them.
    pub topics: String,
    /// The locale; `''` is the digest's own.
    pub locale: String,
}

/// Where in the queue the deliveries of an issue stand.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What is smaller goes first.
    pub priority: i64,
    /// When the first of them is due.
    pub from: UtcMillis,
    /// Over how many milliseconds they are spread from then on.
    pub spread_ms: i64,
}

/// A mail of an issue, by what it shows.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IssueMail {
    /// The mail's row id.
    pub id: i64,
    /// The topics that it shows.
    pub topics: String,
    /// The locale that it is written in.
    pub locale: String,
}

impl Session {
    /// Who would get the digest now: confirmed, active, not suppressed; by choice.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audience(&mut self, digest: &str, now: UtcMillis) -> Result<Vec<Audience>, StoreError> {
        fetch_all!(self, AUDIENCE as Audience, digest, now)
    }

    /// Decides which mail a choice gets; `None`: nothing of the issue is for them. The first decision stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_variant(&mut self, issue: i64, choice: &Choice, mail: Option<i64>) -> Result<(), StoreError> {
        execute!(self, PUT_VARIANT, issue, &choice.topics, &choice.locale, mail)?;
        Ok(())
    }

    /// The mails of an issue that have not been replaced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn issue_mails(&mut self, issue: i64) -> Result<Vec<IssueMail>, StoreError> {
        fetch_all!(self, ISSUE_MAILS as IssueMail, issue)
    }

    /// The last subscriber id of the chunk of `size` that follows `after`; `None`: nobody follows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn chunk_end(&mut self, after: i64, size: i64) -> Result<Option<i64>, StoreError> {
        Ok(fetch_one!(self, CHUNK_END as (Option<i64>,), after, size)?.0)
    }

    /// The choices in a chunk for which no mail of the issue has been decided.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn missing_variants(
        &mut self,
        issue: i64,
        digest: &str,
        after: i64,
        upto: i64,
    ) -> Result<Vec<Choice>, StoreError> {
        fetch_all!(self, MISSING_VARIANTS as Choice, issue, digest, after, upto)
    }

    /// Lays out the deliveries of one chunk, and moves the issue's mark. `false`: the issue is not being sent any
    /// more, or another process has laid out this chunk.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lay_out(
        &mut self,
        issue: i64,
        digest: &str,
        chunk: std::ops::Range<i64>,
        place: &Place,
        now: UtcMillis,
    ) -> Result<bool, StoreError> {
        self.lock_digest(digest).await?;
        if fetch_one!(self, STILL_SENDING as (i64,), issue, chunk.start)?.0 == 0 {
            return Ok(false);
        }
        self.queues();
        let laid = execute!(
            self,
            LAY_OUT,
            issue,
            digest,
            chunk.start,
            chunk.end,
            place.priority,
            now,
            place.from,
            place.spread_ms
        )?;
        execute!(self, LAID_OUT_TO, issue, chunk.end, i64::try_from(laid).unwrap_or(i64::MAX))?;
        Ok(true)
    }

    /// Marks that the whole issue is laid out, up to the subscriber `upto`, unless it has to come back to somebody.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn laid_out(&mut self, issue: i64, upto: i64, now: UtcMillis) -> Result<(), StoreError> {
        execute!(self, LAID_OUT, issue, upto, now)?;
        Ok(())
    }
}
