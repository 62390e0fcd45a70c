//! Which of a digest's new articles an issue has, and in which order.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::collect::story_key;
use crate::config::{Config, Digest};
use crate::domain::{Locale, UtcMillis};
use crate::schedule::local_day;
use crate::store::{NewArticle, Session, StoreError};

use super::variants::has_topic;
use super::{Intro, IssueArticle, IssueContent, Section};

/// How many articles each section keeps with excerpt where there are more than `max_articles`, before any has more.
const KEPT: usize = 2;

/// The new articles of a digest, in reading order.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Each story once: by section, then the newest first.
    pub articles: Vec<NewArticle>,
    /// Further copies of those stories, from other sources: another topic may have them for its readers.
    pub copies: Vec<NewArticle>,
}

impl Selection {
    /// What is new to a digest: not in an issue of it and not dropped, nor a copy of such a story.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(session: &mut Session, digest: &Digest) -> Result<Self, StoreError> {
        let mut new = session.new_articles(&digest.id).await?;
        let addresses: BTreeSet<&str> = new.iter().map(|article| address(&article.story.canonical)).collect();
        let had = session.had_at(&digest.id, addresses).await?;
        let had: HashSet<_> = had.iter().filter_map(|(url, title)| story_key(url.as_deref(), title)).collect();
        new.retain(|article| key(article).is_none_or(|key| !had.contains(&key)));
        Ok(Self::of(new, digest))
    }

    /// Orders the new articles of a digest: by section (those of the configuration first), then by date, the newest
    /// first, then as their source has them. Of a story that several sources have, the copy of the source that the
    /// digest names first is taken.
    pub fn of(mut new: Vec<NewArticle>, digest: &Digest) -> Self {
        let source_rank = |source: &str| digest.sources.iter().position(|id| id == source).unwrap_or(usize::MAX);
        new.sort_by_key(|article| (source_rank(&article.source_id), article.id));
        name_alike(&mut new);
        let mut seen = HashSet::new();
        let (mut articles, mut copies): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|article| seen.insert(article.story.canonical.clone()));
        for list in [&mut articles, &mut copies] {
            list.sort_by(|a, b| {
                let key =
                    |article: &NewArticle| (section_rank(digest, &article.story.topic), article.story.topic.clone());
                let date = |article: &NewArticle| article.story.published_at.unwrap_or(article.first_seen_at);
                let place = |article: &NewArticle| (source_rank(&article.source_id), article.id);
                key(a).cmp(&key(b)).then(date(b).cmp(&date(a))).then(place(a).cmp(&place(b)))
            });
        }
        Self { articles, copies }
    }

    /// Those stories first, then the further copies, as readers see them.
    pub fn all(&self, digest: &Digest) -> Vec<IssueArticle> {
        let zone = digest.timezone();
        self.articles.iter().chain(&self.copies).map(|article| IssueArticle::from_row(&article.story, zone)).collect()
    }
}

/// The page of a canonical address: where several stories are on one, what tells them apart comes behind it.
fn address(canonical: &str) -> &str {
    canonical.split('#').next().unwrap_or_default()
}

fn key(article: &NewArticle) -> Option<(String, String)> {
    story_key(article.story.url.as_deref(), &article.story.title)
}

/// Gives all copies of a story the canonical address of the first one.
fn name_alike(new: &mut [NewArticle]) {
    let (mut addresses, mut keys) = (HashMap::<String, String>::new(), HashMap::<(String, String), String>::new());
    for article in new {
        let key = key(article);
        let own = &article.story.canonical;
        let first = addresses.get(own).or_else(|| keys.get(key.as_ref()?)).unwrap_or(own).clone();
        addresses.entry(own.clone()).or_insert_with(|| first.clone());
        if let Some(key) = key {
            keys.entry(key).or_insert_with(|| first.clone());
        }
        article.story.canonical = first;
    }
}

/// The topics that articles have.
pub fn topics(articles: &[IssueArticle]) -> BTreeSet<&str> {
    articles.iter().map(|article| article.topic.as_str()).collect()
}

/// The articles of a variant, each story once: where its copy is of another topic, the next one that is of these.
/// `all` has the stories first, in reading order, then the further copies.
pub fn of_variant(all: &[IssueArticle], variant: &str, digest: &Digest) -> Vec<IssueArticle> {
    let mut seen = HashSet::new();
    let mut articles: Vec<IssueArticle> = all
        .iter()
        .filter(|article| has_topic(variant, &article.topic))
        .filter(|article| seen.insert(article.canonical.clone()))
        .cloned()
        .collect();
    // Stable: only copies, which came last, move, to the end of their section.
    articles.sort_by(|a, b| {
        let key = |article: &IssueArticle| (section_rank(digest, &article.topic), article.topic.clone());
        key(a).cmp(&key(b))
    });
    articles
}

fn section_rank(digest: &Digest, topic: &str) -> usize {
    digest.sections.iter().position(|id| id == topic).unwrap_or(usize::MAX)
}

/// How many articles each section of those sizes has with excerpt, `most` in all: its first two, as far as that goes, and
/// what is left goes to the sections in their order.
pub(crate) fn places(sizes: &[usize], most: usize) -> Vec<usize> {
    let mut places = vec![0; sizes.len()];
    let mut left = most;
    for least in (1..=KEPT).chain([usize::MAX]) {
        for (have, size) in places.iter_mut().zip(sizes) {
            let more = (*size).min(least).saturating_sub(*have).min(left);
            *have += more;
            left -= more;
        }
    }
    places
}

/// Puts articles that are in reading order into the form that is rendered in a locale: `max_articles` of them with excerpt in
/// their sections, the rest by title.
pub fn content(
    articles: impl IntoIterator<Item = IssueArticle>,
    config: &Config,
    (digest, locale): (&Digest, &Locale),
    number: Option<i64>,
    now: UtcMillis,
) -> IssueContent {
    let mut sections: Vec<Section> = Vec::new();
    for article in articles {
        match sections.last_mut() {
            Some(section) if section.topic == article.topic => section.articles.push(article),
            _ => sections.push(Section {
                topic: article.topic.clone(),
                title: config.topic_title(&article.topic, locale, &digest.locale),
                articles: vec![article],
            }),
        }
    }
    let sizes: Vec<usize> = sections.iter().map(|section| section.articles.len()).collect();
    let mut listed = Vec::new();
    for (section, places) in sections.iter_mut().zip(places(&sizes, digest.max_articles)) {
        listed.extend(section.articles.drain(places..));
    }
    sections.retain(|section| !section.articles.is_empty());
    IssueContent {
        digest: digest.id.clone(),
        title: digest.title.clone(),
        number,
        date: local_day(now, digest.timezone()),
        intro: digest.intro.as_ref().map(|intro| Intro::of(intro, locale, &digest.locale)),
        sections,
        listed,
    }
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn each_section_keeps_its_first_two_before_any_has_more() {
        for (sizes, most, expected) in [
            (vec![24, 12, 4], 20, vec![16, 2, 2]),
            (vec![24, 12, 1], 20, vec![17, 2, 1]),
            (vec![3, 9], 20, vec![3, 9]),
            (vec![3, 9, 9], 5, vec![2, 2, 1]),
            (vec![9, 9, 9], 2, vec![1, 1, 0]),
            (vec![9], 4, vec![4]),
            (vec![], 4, vec![]),
        ] {
            assert_eq!(places(&sizes, most), expected, "{sizes:?} of {most}");
        }
    }
}
