//! One poll of a source: read it from the network, then record what it has.
//!
//! The two halves are apart, so that nothing waits for the network inside a transaction, and a preview can record what
//! it read in a transaction that it takes back.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use super::links::{fragment, title_key};
use super::{Document, Fetched, Fetcher, Found, Validators, canonical_url, read_source, tidy_excerpt, topic_of};
use crate::config::{Backlog, Config, Digest, Source};
use crate::domain::UtcMillis;
use crate::store::{ArticleRow, Put, Session, SourceRow, Store, StoreError};

/// Longest excerpt that is kept, in characters.
const EXCERPT_CHARS: usize = 320;

/// What a poll of one source gave, in the shape that `collect --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Polled {
    /// The source's id.
    pub source: String,
    /// How it went.
    pub status: PollStatus,
    /// How many articles were not known.
    pub new: usize,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
}

/// How a poll went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PollStatus {
    /// There are new articles.
    New,
    /// The source was read, and has nothing new.
    Unchanged,
    /// The source could not be read.
    Failed,
}

impl PollStatus {
    /// The word it is stored and shown as.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// What the network gave for one source.
#[derive(Clone, Debug)]
pub struct Read<'c> {
    source: &'c Source,
    known: Option<SourceRow>,
    answer: Result<Answer, String>,
}

#[derive(Clone, Debug)]
enum Answer {
    NotModified,
    Document(Box<Document>, Validators),
}

/// Reads sources from the network, all at once, each within `limit`; stores nothing.
///
/// # Errors
/// When the store cannot say what is known of them. A source that fails is no error: it is in its [`Read`].
pub async fn read_sources<'c>(
    config: &'c Config,
    sources: &[&'c Source],
    store: &Store,
    fetcher: &Fetcher,
    limit: Duration,
) -> Result<Vec<Read<'c>>, StoreError> {
    let mut session = store.read().await?;
    let mut known = Vec::with_capacity(sources.len());
    for source in sources {
        // After a change of address its validators say nothing.
        known.push(session.source(&source.id).await?.filter(|row| row.url == source.url().as_str()));
    }
    // Nobody keeps a connection of the store while the network is waited for.
    drop(session);
    let reads = sources.iter().zip(known).map(|(source, known)| async move {
        let validators = known
            .as_ref()
            .map(|row| Validators { etag: row.etag.clone(), last_modified: row.last_modified.clone() })
            .unwrap_or_default();
        let answer = tokio::time::timeout(limit, read_one(config, source, fetcher, &validators))
            .await
            .unwrap_or_else(|_| Err(format!("{} did not answer within {} seconds", source.url(), limit.as_secs())));
        Read { source, known, answer }
    });
    Ok(join_all(reads).await)
}

async fn read_one(config: &Config, source: &Source, fetcher: &Fetcher, known: &Validators) -> Result<Answer, String> {
    match fetcher.get(source.url(), known).await.map_err(|error| error.to_string())? {
        Fetched::NotModified => Ok(Answer::NotModified),
        Fetched::Body(body) => {
            let zone = digests_of(config, source).next().map_or(chrono_tz::UTC, Digest::timezone);
            // Reading is bounded, but not by the clock alone: it must not hold up the other sources.
            let (source, validators) = (source.clone(), body.validators.clone());
            let document = tokio::task::spawn_blocking(move || read_source(&source, &body, zone)).await;
            let document = document.map_err(|_| "the reader failed".to_owned())?.map_err(|error| error.to_string())?;
            Ok(Answer::Document(Box::new(document), validators))
        }
    }
}

/// The digests that take from a source.
fn digests_of<'c>(config: &'c Config, source: &Source) -> impl Iterator<Item = &'c Digest> {
    config.digests.iter().filter(|digest| digest.sources.contains(&source.id))
}

impl Read<'_> {
    /// Records what was read: articles, the source's state, and the first contact of each digest that takes from it,
    /// at which its backlog is dropped for that digest.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(self, session: &mut Session, config: &Config, now: UtcMillis) -> Result<Polled, StoreError> {
        let source = self.source;
        let mut row = self.known.unwrap_or_else(|| SourceRow {
            source: source.id.clone(),
            url: source.url().to_string(),
            title: None,
            etag: None,
            last_modified: None,
            polled_at: None,
            succeeded_at: None,
            status: String::new(),
            failures: 0,
            error: None,
        });
        let mut new = 0;
        let status = match self.answer {
            Ok(answer) => {
                if let Answer::Document(document, validators) = answer {
                    for article in article_rows(source, &document) {
                        new += usize::from(session.put_article(&article, now).await? == Put::New);
                    }
                    row.title = document.title;
                    (row.etag, row.last_modified) = (validators.etag, validators.last_modified);
                }
                first_contacts(session, config, source, now).await?;
                (row.succeeded_at, row.failures, row.error) = (Some(now), 0, None);
                if new > 0 { PollStatus::New } else { PollStatus::Unchanged }
            }
            Err(error) => {
                row.failures += 1;
                row.error = Some(error);
                PollStatus::Failed
            }
        };
        row.polled_at = Some(now);
        row.status = status.as_str().to_owned();
        session.put_source(&row).await?;
        Ok(Polled { source: source.id.clone(), status, new, error: row.error })
    }
}

async fn first_contacts(
    session: &mut Session,
    config: &Config,
    source: &Source,
    now: UtcMillis,
) -> Result<(), StoreError> {
    for digest in digests_of(config, source) {
        if !session.first_contact(&digest.id, &source.id, now).await? {
            continue;
        }
        let (since, undated) = match source.backlog.unwrap_or(config.collect.backlog) {
            Backlog::All => continue,
            Backlog::None => (UtcMillis(i64::MAX), true),
            Backlog::Period => (now.minus(digest.schedule.period(now)), false),
            Backlog::Since(day) => (crate::schedule::start_of_day(day, digest.timezone()), false),
        };
        session.drop_backlog(&digest.id, &source.id, since, undated, now).await?;
    }
    Ok(())
}

/// A document's articles as the store keeps them.
fn article_rows(source: &Source, document: &Document) -> Vec<ArticleRow> {
    // Some sites give every item the same id, or the same address; then it tells nothing.
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for id in document.articles.iter().filter_map(|found| found.id.as_deref()) {
        *uses.entry(id).or_default() += 1;
    }
    // One story that is there twice is no reason to tell apart what is at its address.
    let mut addresses: HashMap<String, HashSet<_>> = HashMap::new();
    for found in &document.articles {
        if let Some(url) = found.url.as_deref() {
            let title = worded(found).map(|(title, _)| title_key(&title));
            addresses.entry(canonical_url(url)).or_default().insert((fragment(url), title));
        }
    }
    let home = document.home.as_deref().map(canonical_url);
    let is_its_own = |canonical: &str| {
        addresses.get(canonical).is_some_and(|stories| stories.len() == 1) && home.as_deref() != Some(canonical)
    };
    document
        .articles
        .iter()
        .filter_map(|found| {
            let id = found.id.as_deref().filter(|id| uses.get(id) == Some(&1));
            article_row(source, found, id, is_its_own)
        })
        .collect()
}

fn article_row(
    source: &Source,
    found: &Found,
    id: Option<&str>,
    is_its_own: impl Fn(&str) -> bool,
) -> Option<ArticleRow> {
    let (title, excerpt) = worded(found)?;
    // What the title says already is not said again below it.
    let excerpt = if excerpt == title { String::new() } else { excerpt };
    let (url, canonical) = match &found.url {
        Some(url) => {
            let canonical = canonical_url(url);
            // Items that lead to one page, or to the front page, are told apart by their ids, or by their titles.
            let own = if is_its_own(&canonical) {
                canonical
            } else {
                format!("{canonical}#{}", id.or_else(|| fragment(url)).unwrap_or(&title))
            };
            (Some(url.clone()), own)
        }
        None => (None, format!("{}#{}", source.id, id.unwrap_or(&title))),
    };
    Some(ArticleRow {
        source: source.id.clone(),
        guid: id.map_or_else(|| canonical.clone(), str::to_owned),
        url,
        canonical,
        title,
        published_at: found.published,
        excerpt,
        author: found.author.clone(),
        image: found.image.clone(),
        topic: topic_of(&source.topics, found).unwrap_or(&source.id).to_owned(),
    })
}

/// Its title, which may be the beginning of its excerpt, and its excerpt.
fn worded(found: &Found) -> Option<(String, String)> {
    let excerpt = found.excerpt.as_deref().map(|text| tidy_excerpt(text, EXCERPT_CHARS)).unwrap_or_default();
    let title = found.title.clone().filter(|title| !title.is_empty()).or_else(|| {
        let start = tidy_excerpt(&excerpt, 80);
        (!start.is_empty()).then_some(start)
    })?;
    Some((title, excerpt))
}
