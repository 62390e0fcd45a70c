//! Composing: polls the sources, selects, renders the variants, and freezes the issue in one transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::collect::{Fetcher, Polled, Read, read_sources};
use crate::config::{Config, Digest, Source};
use crate::domain::{Clock, IssueState, Locale, PublicId, Random, UtcMillis};
use crate::render::{Fit, Frame, RenderedMail, Renderer, subject_in_any_case};
use crate::store::{Choice, Durability, NewIssue, NewIssueArticle, NewMail, Session, Store, StoreError};

use super::due::{HELD, period_key};
use super::links::{ClickUrl, Counted, linked};
use super::page::IssuePage;
use super::select::{Selection, content, of_variant, topics};
use super::variants::{ALL_TOPICS, Choices, Key};
use super::{ComposeError, IssueArticle, IssueContent};

/// How long all sources of a digest may take before an issue goes without those that have not answered.
const POLL_LIMIT: Duration = Duration::from_secs(60);

/// How often a freeze is tried again when another process was first.
const ATTEMPTS: usize = 5;

/// How many mails of an issue are rendered, and then stored in one transaction: a list with many topics has thousands, and neither
/// memory nor whoever waits for the store shall know of it.
pub(super) const AT_ONCE: usize = 32;

/// Makes issues. Cheap to clone.
#[derive(Clone)]
pub struct Composer {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where everything is kept.
    pub store: Store,
    /// The templates.
    pub renderer: Arc<Renderer>,
    /// The way to the sources.
    pub fetcher: Fetcher,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Makes the links that are counted.
    pub click_url: Arc<ClickUrl>,
}

/// Which issue of a digest is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The one of this scheduled instant. There is one at most.
    Period(UtcMillis),
    /// One out of schedule.
    Extra,
}

/// What came of composing.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The issue's row id.
    pub issue: i64,
    /// Whether this call made it: `false` when the period had its issue already.
    pub fresh: bool,
    /// How the polls of the sources went.
    pub polled: Vec<Polled>,
}

/// What the sources of a digest were read to have.
#[derive(Clone, Debug)]
pub struct Reading<'c>(pub(super) Vec<Read<'c>>);

impl Composer {
    /// Polls sources once and records what they have.
    ///
    /// # Errors
    /// When the store fails, or the clock has not been set. A source that fails is told in its [`Polled`].
    pub async fn collect(&self, only: Option<&str>) -> Result<Vec<Polled>, ComposeError> {
        self.time()?;
        self.record_all(self.read(|source| only.is_none_or(|id| source.id == id)).await?).await
    }

    /// Reads the sources of a digest from the network: for a preview, for an issue, or for one after the other. Stores nothing.
    ///
    /// # Errors
    /// When the store fails. A source that fails is told in its [`Polled`] when it is recorded.
    pub async fn read_for(&self, digest: &Digest) -> Result<Reading<'_>, ComposeError> {
        self.read(|source| digest.sources.contains(&source.id)).await.map(Reading)
    }

    /// Reads the sources that `wanted` names from the network; stores nothing.
    async fn read(&self, wanted: impl Fn(&Source) -> bool) -> Result<Vec<Read<'_>>, ComposeError> {
        let sources: Vec<_> = self.config.sources.iter().filter(|source| wanted(source)).collect();
        Ok(read_sources(&self.config, &sources, &self.store, &self.fetcher, POLL_LIMIT).await?)
    }

    /// Records what was read, each source in a transaction of its own: leaving must not wait for all of them.
    async fn record_all(&self, reads: Vec<Read<'_>>) -> Result<Vec<Polled>, ComposeError> {
        let mut polled = Vec::with_capacity(reads.len());
        for read in reads {
            let mut session = self.store.write(Durability::Full).await?;
            polled.push(read.record(&mut session, &self.config, self.clock.now()).await?);
            session.commit().await?;
        }
        Ok(polled)
    }

    /// Composes an issue: polls the digest's sources, takes what it has not had, renders the variants that most people
    /// need, and freezes all of it in one transaction. Where there are very many variants, the others are rendered of what was
    /// frozen as the issue is laid out. With too few articles, or nobody to get them, or while the digest is held, the issue is
    /// recorded as skipped and the articles wait.
    ///
    /// # Errors
    /// When the store fails or the clock has not been set; nothing is frozen then. A template of the operator's that fails gives
    /// way to the built-in one, which is noted with the issue.
    pub async fn compose(&self, digest: &Digest, occasion: Occasion) -> Result<Composed, ComposeError> {
        if let Occasion::Period(at) = occasion
            && let Some(issue) = self.store.read().await?.issue_by_key(&digest.id, &period_key(at)).await?
        {
            return Ok(Composed { issue: issue.id, fresh: false, polled: Vec::new() });
        }
        self.compose_of(digest, occasion, self.read_for(digest).await?).await
    }

    /// The same, with what the digest's sources were read to have: it is recorded first.
    ///
    /// # Errors
    /// As [`Composer::compose`].
    pub async fn compose_of(
        &self,
        digest: &Digest,
        occasion: Occasion,
        reading: Reading<'_>,
    ) -> Result<Composed, ComposeError> {
        let now = self.time()?;
        let mut session = self.store.write(Durability::Full).await?;
        self.see(&mut session, digest, now).await?;
        session.commit().await?;
        let polled = self.record_all(reading.0).await?;
        for _ in 0..ATTEMPTS {
            if let Some((issue, fresh)) = self.freeze(digest, occasion).await? {
                return Ok(Composed { issue, fresh, polled });
            }
        }
        Err(ComposeError::Contended { digest: digest.id.clone() })
    }

    /// One attempt. `None`: another process took an article, or the number, in the meantime.
    async fn freeze(&self, digest: &Digest, occasion: Occasion) -> Result<Option<(i64, bool)>, ComposeError> {
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let selection = Selection::read(&mut reader, digest).await?;
        let audience = reader.audience(&digest.id, now).await?;
        let number = reader.next_issue_number(&digest.id).await?;
        drop(reader);
        let public_id = PublicId::new(&*self.random);
        let content = self.content((digest, &digest.locale), &selection, Some(number), now);
        let all = selection.all(digest);
        let counted = digest.count_clicks.then(|| Counted::of(&public_id, &all, digest));
        let choices = Choices::of(audience, &topics(&all), digest);
        let reason = skip_reason(&selection, digest).or_else(|| nobody_reason(&choices));
        let keys = if reason.is_none() { choices.keys() } else { Vec::new() };
        let mails = self.mails(digest, &all, &keys, (number, now, counted.as_ref())).await?;

        let (key, scheduled_at) = match occasion {
            Occasion::Period(at) => (period_key(at), Some(at)),
            Occasion::Extra => (format!("extra:{public_id}"), None),
        };
        let (subject, failed) = match &reason {
            None => subject_in_any_case(&digest.subject, &content, &digest.locale)?,
            Some(_) => (String::new(), None),
        };
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&digest.id).await?;
        // It may have been held while this was under way.
        let is_held = session.hold(&digest.id).await?.is_some_and(|hold| hold.is_on(now));
        let reason = if is_held { Some(HELD.to_owned()) } else { reason };
        let issue = NewIssue {
            public_id: &public_id,
            digest: &digest.id,
            key: &key,
            state: if reason.is_some() { IssueState::Skipped } else { IssueState::Sending },
            reason: reason.as_deref(),
            subject: if reason.is_some() { "" } else { &subject },
            date: &content.date.to_string(),
            scheduled_at,
        };
        let Some((id, numbered)) = session.insert_issue(&issue, now).await? else {
            drop(session);
            let existing = self.store.read().await?.issue_by_key(&digest.id, &key).await?;
            return Ok(existing.map(|issue| (issue.id, false)));
        };
        if reason.is_none() {
            if numbered != Some(number) || !self.freeze_articles(&mut session, id, &content, &selection).await? {
                return Ok(None);
            }
            self.freeze_mails(&mut session, id, digest, &mails, &choices, now).await?;
            note_made(&mut session, id, mails.values()).await?;
            note_failed(&mut session, id, failed.as_ref()).await?;
            IssuePage::of(content, digest, &self.config).put(&mut session, id, &digest.locale).await?;
            for (url, place) in counted.iter().flat_map(Counted::places) {
                session.put_link(id, place, url).await?;
            }
        }
        session.commit().await?;
        Ok(Some((id, true)))
    }

    async fn freeze_articles(
        &self,
        session: &mut Session,
        issue: i64,
        content: &IssueContent,
        selection: &Selection,
    ) -> Result<bool, ComposeError> {
        let listed: HashSet<&str> = content.listed.iter().map(|article| article.canonical.as_str()).collect();
        for (position, article) in selection.articles.iter().chain(&selection.copies).enumerate() {
            let frozen = NewIssueArticle {
                article,
                is_copy: position >= selection.articles.len(),
                is_listed: listed.contains(article.story.canonical.as_str()),
                position,
            };
            if !session.insert_issue_article(issue, &content.digest, &frozen).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stores the mails, and decides the choices that get one of them, or nothing; the layout decides the others.
    async fn freeze_mails(
        &self,
        session: &mut Session,
        issue: i64,
        digest: &Digest,
        mails: &BTreeMap<&Key, RenderedMail>,
        choices: &Choices,
        now: UtcMillis,
    ) -> Result<(), ComposeError> {
        let mut ids = BTreeMap::new();
        for (key, mail) in mails {
            let salt = PublicId::new(&*self.random);
            let (topics, locale) = key;
            let mail = new_mail(Some(issue), "digest", digest, topics, locale, mail, salt.as_str());
            ids.insert(*key, session.insert_mail(&mail, now).await?);
        }
        for (audience, key) in &choices.0 {
            let mail = key.as_ref().map(|key| ids.get(key).copied());
            if mail == Some(None) {
                continue;
            }
            let choice = Choice { topics: audience.topics.clone(), locale: audience.locale.clone() };
            session.put_variant(issue, &choice, mail.flatten()).await?;
        }
        Ok(())
    }

    /// All of the issue, in a locale.
    pub(super) fn content(
        &self,
        (digest, locale): (&Digest, &Locale),
        selection: &Selection,
        number: Option<i64>,
        now: UtcMillis,
    ) -> IssueContent {
        let articles = of_variant(&selection.all(digest), ALL_TOPICS, digest);
        content(articles, &self.config, (digest, locale), number, now)
    }

    /// Renders the mails of the largest audiences.
    async fn mails<'k>(
        &self,
        digest: &Digest,
        all: &[IssueArticle],
        keys: &[&'k Key],
        (number, now, counted): (i64, UtcMillis, Option<&Counted>),
    ) -> Result<BTreeMap<&'k Key, RenderedMail>, ComposeError> {
        let mut mails = BTreeMap::new();
        for &key in keys.iter().take(AT_ONCE) {
            let (topics, locale) = key;
            let articles = of_variant(all, topics, digest);
            let content = content(articles, &self.config, (digest, locale), Some(number), now);
            let content = linked(content, digest, counted, &*self.click_url);
            mails.insert(key, self.renderer.digest_in_any_case(&content, &self.frame(digest, locale), &*self.random)?);
            tokio::task::yield_now().await;
        }
        Ok(mails)
    }

    pub(super) fn frame<'a>(&'a self, digest: &'a Digest, locale: &'a Locale) -> Frame<'a> {
        Frame { digest, config: &self.config, locale, test: false }
    }
}

/// The locale of a subscriber, or the digest's own where they have none that is known.
pub(super) fn locale_of(code: &str, digest: &Digest) -> Locale {
    Locale::parse(code).unwrap_or_else(|_| digest.locale.clone())
}

/// Notes for the operator what became of these mails of an issue: what a template failed with, and the most that was taken away
/// from one of them, where no other mail lost more.
pub(super) async fn note_made(
    session: &mut Session,
    issue: i64,
    mails: impl Iterator<Item = &RenderedMail> + Clone,
) -> Result<(), StoreError> {
    note_failed(session, issue, mails.clone().find_map(|mail| mail.failed.as_ref())).await?;
    match mails.filter_map(|mail| mail.shortened).max_by_key(Fit::extent) {
        Some(fit) => session.note_shortened(issue, &fit.to_string(), fit.extent()).await,
        None => Ok(()),
    }
}

/// Notes what a template of the operator's failed with on an issue, where it did.
pub(super) async fn note_failed(
    session: &mut Session,
    issue: i64,
    error: Option<&impl ToString>,
) -> Result<(), StoreError> {
    match error {
        Some(error) => session.note_template_error(issue, &error.to_string()).await,
        None => Ok(()),
    }
}

/// A rendered mail as the store takes it. The Message-IDs are made of `salt`, which is random.
pub fn new_mail<'a>(
    issue: Option<i64>,
    kind: &'a str,
    digest: &'a Digest,
    topics: &'a str,
    locale: &'a Locale,
    mail: &'a RenderedMail,
    salt: &'a str,
) -> NewMail<'a> {
    NewMail {
        issue,
        kind,
        digest: Some(&digest.id),
        topics,
        locale: locale.as_str(),
        subject: &mail.subject,
        html: &mail.html,
        text: &mail.text,
        mime: &mail.mime,
        marker: &mail.marker,
        salt,
        fingerprint: None,
    }
}

pub(super) fn skip_reason(selection: &Selection, digest: &Digest) -> Option<String> {
    match selection.articles.len() {
        0 => Some("nothing is new: every article has been in an issue of this digest, or was dropped".to_owned()),
        n if n < digest.min_articles => Some(format!(
            "{n} new of the {} that `min_articles` asks for; they wait for the next issue",
            digest.min_articles
        )),
        _ => None,
    }
}

pub(super) fn nobody_reason(choices: &Choices) -> Option<String> {
    (choices.people().0 == 0).then(|| {
        let why = if choices.0.is_empty() { "nobody is subscribed" } else { "nobody has chosen a topic that has news" };
        format!("{why}; the articles wait for the next issue")
    })
}
