//! Laying out an issue: its deliveries are put into the queue in chunks, each in a short transaction.

use crate::config::Digest;
use crate::domain::{PublicId, UtcMillis};
use crate::store::{Choice, Durability, IssueMail, IssueRow, Place};

use super::composer::{locale_of, new_mail, note_shortened};
use super::variants::variant;
use super::{ComposeError, Composer, select};

/// How many subscribers one transaction looks at: leaving never waits for longer than this takes.
const CHUNK: i64 = 5_000;

/// Where digests stand in the queue: behind confirmations and test sends.
pub const DIGEST_PRIORITY: i64 = 20;

/// Where in the queue the issue stands. One that somebody asked for out of schedule is not spread over time.
fn place(issue: &IssueRow, digest: &Digest, now: UtcMillis) -> Place {
    let spread = issue.scheduled_at.map(|_| digest.spread).unwrap_or_default();
    let from = if spread.is_zero() { now } else { issue.composed_at };
    Place { priority: DIGEST_PRIORITY, from, spread_ms: i64::try_from(spread.as_millis()).unwrap_or(i64::MAX) }
}

impl Composer {
    /// Lays out whatever is left of an issue. Any process may do it, also after another has died in the middle.
    ///
    /// # Errors
    /// When the store fails; what is laid out stays, and the next call goes on from there.
    pub async fn lay_out(&self, issue: &IssueRow, digest: &Digest) -> Result<(), ComposeError> {
        let mut after = issue.layout_after;
        loop {
            let mut reader = self.store.read().await?;
            let Some(upto) = reader.chunk_end(after, CHUNK).await? else { break };
            let missing = reader.missing_variants(issue.id, &digest.id, after, upto).await?;
            drop(reader);
            for choice in missing {
                self.add_variant(issue, digest, &choice).await?;
            }
            let now = self.clock.now();
            let mut session = self.store.write(Durability::Full).await?;
            let place = place(issue, digest, now);
            if !session.lay_out(issue.id, &digest.id, after..upto, &place, now).await? {
                return Ok(());
            }
            if !session.missing_variants(issue.id, &digest.id, after, upto).await?.is_empty() {
                // Somebody has chosen anew since the look above; without a mail decided they would have been passed over.
                continue;
            }
            session.commit().await?;
            after = upto;
        }
        let mut session = self.store.write(Durability::Full).await?;
        session.laid_out(issue.id, self.clock.now()).await?;
        session.commit().await?;
        Ok(())
    }

    /// Decides the mail of a choice that came up after the issue was composed, from what was frozen with it.
    async fn add_variant(&self, issue: &IssueRow, digest: &Digest, choice: &Choice) -> Result<(), ComposeError> {
        let mut reader = self.store.read().await?;
        let mails = reader.issue_mails(issue.id).await?;
        let frozen = self.frozen(&mut reader, issue, digest).await?;
        drop(reader);
        let digest = &frozen.digest;
        let available = select::topics(&frozen.articles);
        let locale = locale_of(&choice.locale, digest);
        let now = self.clock.now();
        let topics = variant(&choice.topics, &available, digest.when_topics_are_empty);
        let same = |mail: &&IssueMail| Some(&mail.topics) == topics.as_ref() && mail.locale == locale.as_str();
        let known = mails.iter().find(same).map(|mail| mail.id);
        let rendered = match &topics {
            Some(topics) if known.is_none() => {
                self.rendered_of(&frozen, topics, &locale)?.map(|rendered| (topics, rendered))
            }
            _ => None,
        };
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&digest.id).await?;
        if session.issue_articles(issue.id).await?.len() != frozen.articles.len() {
            // An article has been withdrawn in the meantime: the choice is still missing, and is decided anew.
            return Ok(());
        }
        let mail = match &rendered {
            None => known,
            Some((topics, rendered)) => {
                let salt = PublicId::new(&*self.random);
                let mail = new_mail(Some(issue.id), "digest", digest, topics, &locale, rendered, salt.as_str());
                note_shortened(&mut session, issue.id, std::iter::once(rendered)).await?;
                Some(session.insert_mail(&mail, now).await?)
            }
        };
        session.put_variant(issue.id, choice, mail).await?;
        session.commit().await?;
        Ok(())
    }
}
