//! Which of a digest's new articles an issue has, and in which order.

use std::collections::{BTreeSet, HashMap};

use crate::config::{Config, Digest};
use crate::domain::UtcMillis;
use crate::schedule::local_day;
use crate::store::NewArticle;

use super::{IssueArticle, IssueContent, Section};

/// The new articles of a digest, each story once, in reading order.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// By section, then the newest first.
    pub articles: Vec<NewArticle>,
    /// Row ids of further copies of those stories, from other sources.
    pub duplicates: Vec<i64>,
}

impl Selection {
    /// Orders the new articles of a digest: by section (those of the configuration first), then by date, the newest
    /// first, then as their source has them. Of a story that several sources have, the copy of the source that the
    /// digest names first is taken.
    pub fn of(mut new: Vec<NewArticle>, digest: &Digest) -> Self {
        let source_rank = |source: &str| digest.sources.iter().position(|id| id == source).unwrap_or(usize::MAX);
        new.sort_by_key(|article| (source_rank(&article.source), article.id));
        let mut seen = HashMap::new();
        let mut duplicates = Vec::new();
        new.retain(|article| {
            let first = *seen.entry(article.canonical.clone()).or_insert(article.id) == article.id;
            if !first {
                duplicates.push(article.id);
            }
            first
        });
        let section_rank = |topic: &str| digest.sections.iter().position(|id| id == topic).unwrap_or(usize::MAX);
        new.sort_by(|a, b| {
            let key = |article: &NewArticle| (section_rank(&article.topic), article.topic.clone());
            let date = |article: &NewArticle| article.published_at.unwrap_or(article.first_seen_at);
            let place = |article: &NewArticle| (source_rank(&article.source), article.id);
            key(a).cmp(&key(b)).then(date(b).cmp(&date(a))).then(place(a).cmp(&place(b)))
        });
        Self { articles: new, duplicates }
    }

    /// The topics that have articles.
    pub fn topics(&self) -> BTreeSet<&str> {
        self.articles.iter().map(|article| article.topic.as_str()).collect()
    }
}

/// Puts articles that are in reading order into the form that is rendered: the first `max_articles` with excerpt in
/// their sections, the rest by title.
pub fn content(
    articles: impl IntoIterator<Item = IssueArticle>,
    config: &Config,
    digest: &Digest,
    number: Option<i64>,
    now: UtcMillis,
) -> IssueContent {
    let mut sections: Vec<Section> = Vec::new();
    let mut listed = Vec::new();
    for (position, article) in articles.into_iter().enumerate() {
        if position >= digest.max_articles {
            listed.push(article);
            continue;
        }
        match sections.last_mut() {
            Some(section) if section.topic == article.topic => section.articles.push(article),
            _ => sections.push(Section {
                topic: article.topic.clone(),
                title: config.topic_title(&article.topic),
                articles: vec![article],
            }),
        }
    }
    IssueContent {
        digest: digest.id.clone(),
        title: digest.title.clone(),
        number,
        date: local_day(now, digest.timezone()),
        sections,
        listed,
    }
}

/// An article as readers see it, with its day in the digest's zone.
pub fn issue_article(article: &NewArticle, digest: &Digest) -> IssueArticle {
    IssueArticle {
        topic: article.topic.clone(),
        source: article.source_title.clone(),
        title: article.title.clone(),
        url: article.url.clone(),
        published: article.published_at,
        date: article.published_at.map(|at| local_day(at, digest.timezone())),
        excerpt: article.excerpt.clone(),
        author: article.author.clone(),
        image: article.image.clone(),
    }
}
