//! What an issue contains: its frozen articles in their sections, ready to be rendered.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::config;
use crate::domain::{Locale, UtcMillis};
use crate::schedule::local_day;
use crate::store::StoryRow;

/// An issue's content, in the order that readers see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueContent {
    /// The digest's id.
    pub digest: String,
    /// The digest's name.
    pub title: String,
    /// The issue's number, counted from 1 for each digest; in a preview the one that comes next.
    pub number: Option<i64>,
    /// The issue's day in the digest's zone.
    pub date: NaiveDate,
    /// What stands above the lead story.
    pub intro: Option<Intro>,
    /// Articles with excerpt, by topic. The first article of the first section is the lead story.
    pub sections: Vec<Section>,
    /// Articles beyond `max_articles`, by title alone.
    pub listed: Vec<IssueArticle>,
}

/// What stands above the lead story, in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intro {
    /// What it says; an empty line begins a paragraph.
    pub text: String,
    /// Who says it; may be empty.
    pub by: String,
}

impl Intro {
    /// The digest's, for a locale.
    pub(super) fn of(intro: &config::Intro, locale: &Locale, fallback: &Locale) -> Self {
        let said = |text: &config::LocalText| text.of(locale, fallback).to_owned();
        Self { text: said(&intro.text), by: said(&intro.by) }
    }
}

/// The articles of one topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The topic's id.
    pub topic: String,
    /// The topic's name.
    pub title: String,
    /// Its articles, the newest first.
    pub articles: Vec<IssueArticle>,
}

/// An article as an issue holds it: a frozen copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueArticle {
    /// The topic's id.
    pub topic: String,
    /// The name of the source that had it, as readers know it.
    pub source: String,
    /// Plain text, one line.
    pub title: String,
    /// An http or https address; none: it has no page of its own.
    pub url: Option<String>,
    /// What copies of the story share and no other story has; empty in pages of issues that were frozen without it.
    #[serde(default)]
    pub canonical: String,
    /// When it was published, where the source says so.
    #[serde(skip)]
    pub published: Option<UtcMillis>,
    /// Its publication day in the digest's zone.
    pub date: Option<NaiveDate>,
    /// Plain text; may be empty.
    pub excerpt: String,
    /// Who wrote it.
    pub author: Option<String>,
    /// The address of its picture.
    pub image: Option<String>,
}

impl IssueArticle {
    /// The story as readers see it, with its day in `zone`.
    pub fn from_row(row: &StoryRow, zone: Tz) -> Self {
        Self {
            topic: row.topic.clone(),
            source: row.source.clone(),
            title: row.title.clone(),
            url: row.url.clone(),
            canonical: row.canonical.clone(),
            published: row.published_at,
            date: row.published_at.map(|at| local_day(at, zone)),
            excerpt: row.excerpt.clone(),
            author: row.author.clone(),
            image: row.image.clone(),
        }
    }
}

impl IssueContent {
    /// The lead story.
    pub fn lead(&self) -> Option<&IssueArticle> {
        self.sections.first().and_then(|section| section.articles.first()).or(self.listed.first())
    }

    /// All articles in reading order, the listed ones last.
    pub fn articles(&self) -> impl Iterator<Item = &IssueArticle> {
        self.sections.iter().flat_map(|section| &section.articles).chain(&self.listed)
    }

    /// The same, to be changed.
    pub fn articles_mut(&mut self) -> impl Iterator<Item = &mut IssueArticle> {
        self.sections.iter_mut().flat_map(|section| &mut section.articles).chain(&mut self.listed)
    }
}
