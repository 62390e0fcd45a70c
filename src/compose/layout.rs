//! Laying out an issue: its deliveries are put into the queue in chunks, each in a short transaction.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::config::Digest;
use crate::domain::{IssueState, Locale, PublicId, UtcMillis};
use crate::store::{Choice, Durability, IssueMail, IssueRow, Place};

use super::composer::{AT_ONCE, locale_of, new_mail, note_made};
use super::frozen::is_as_read;
use super::variants::{Key, variant};
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
        let made = self.store.read().await?.issue_mails(issue.id).await?.len();
        if after == 0 && made >= AT_ONCE {
            // Composing has left some to do: all mails are there before the first goes out.
            self.add_missing(issue, digest, after..i64::MAX).await?;
        }
        loop {
            let Some(upto) = self.store.read().await?.chunk_end(after, CHUNK).await? else { break };
            self.add_missing(issue, digest, after..upto).await?;
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
        session.laid_out(issue.id, after, self.clock.now()).await?;
        session.commit().await?;
        Ok(())
    }

    /// Decides the mails of all who are still to be laid out.
    pub(super) async fn add_all_missing(&self, issue: &IssueRow, digest: &Digest) -> Result<(), ComposeError> {
        let goes_on = matches!(issue.state, IssueState::Sending | IssueState::Held) && issue.laid_out_at.is_none();
        if goes_on { self.add_missing(issue, digest, issue.layout_after..i64::MAX).await } else { Ok(()) }
    }

    /// Decides the mails of all choices of subscribers with such ids that have none.
    async fn add_missing(&self, issue: &IssueRow, digest: &Digest, ids: Range<i64>) -> Result<(), ComposeError> {
        loop {
            let missing = self.store.read().await?.missing_variants(issue.id, &digest.id, ids.start, ids.end).await?;
            if missing.is_empty() {
                return Ok(());
            }
            for choices in missing.chunks(AT_ONCE) {
                self.add_variants(issue, digest, choices).await?;
            }
        }
    }

    /// Decides the mails of choices that came up after the issue was composed, or for which none was rendered then, from what
    /// was frozen with it.
    async fn add_variants(&self, issue: &IssueRow, digest: &Digest, choices: &[Choice]) -> Result<(), ComposeError> {
        let mut reader = self.store.read().await?;
        let known = reader.issue_mails(issue.id).await?;
        let frozen = self.frozen(&mut reader, issue, digest).await?;
        drop(reader);
        let digest = &frozen.digest;
        let available = select::topics(&frozen.articles);
        let key = |mail: &IssueMail| Some((mail.topics.clone(), Locale::parse(&mail.locale).ok()?));
        let mut ids: BTreeMap<Key, i64> = known.iter().filter_map(|mail| Some((key(mail)?, mail.id))).collect();
        let (mut decided, mut mails) = (Vec::new(), BTreeMap::new());
        for choice in choices {
            let topics = variant(&choice.topics, &available, digest.when_topics_are_empty);
            let key = topics.map(|topics| (topics, locale_of(&choice.locale, digest)));
            if let Some(key) = &key
                && !ids.contains_key(key)
                && !mails.contains_key(key)
                && let Some(mail) = self.rendered_of(&frozen, &key.0, &key.1)?
            {
                mails.insert(key.clone(), mail);
                tokio::task::yield_now().await;
            }
            decided.push((choice, key));
        }
        let now = self.clock.now();
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&digest.id).await?;
        if !is_as_read(&mut session, issue.id, &known, frozen.articles.len()).await? {
            // An article has been withdrawn in the meantime: the choices are still missing, and are decided anew.
            return Ok(());
        }
        note_made(&mut session, issue.id, mails.values()).await?;
        for (key, mail) in mails {
            let salt = PublicId::new(&*self.random);
            let mail = new_mail(Some(issue.id), "digest", digest, &key.0, &key.1, &mail, salt.as_str());
            let id = session.insert_mail(&mail, now).await?;
            ids.insert(key, id);
        }
        for (choice, key) in decided {
            session.put_variant(issue.id, choice, key.and_then(|key| ids.get(&key).copied())).await?;
        }
        session.commit().await?;
        Ok(())
    }
}
