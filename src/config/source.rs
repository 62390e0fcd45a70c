//! The settings of the sources, of what an article's topic is, and of how topics are called.

use std::time::Duration;

use chrono::NaiveDate;
use url::Url;

use super::local_text::LocalText;

/// `[collect]`.
#[derive(Clone, Debug)]
pub struct Collect {
    /// Whether sources may be on this machine or a private network.
    pub allow_private_networks: bool,
    /// What a digest takes at its first contact with a source.
    pub backlog: Backlog,
}

/// What a digest takes of what a source has at their first contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// What was published within one period of the digest before now, and what has no date.
    Period,
    /// Everything.
    All,
    /// Nothing.
    None,
    /// What was published on that day or later, in the digest's zone, and what has no date.
    Since(NaiveDate),
}

/// `[[source]]`.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// The feed or the page.
    pub kind: SourceKind,
    /// Which topic an article belongs to.
    pub topics: TopicRules,
    /// How often `serve` reads it.
    pub poll: Duration,
    /// Its own backlog, before that of `[collect]`.
    pub backlog: Option<Backlog>,
}

impl Source {
    /// The address it is read from.
    pub fn url(&self) -> &Url {
        match &self.kind {
            SourceKind::Feed(url) | SourceKind::Page { url, .. } => url,
        }
    }
}

/// Where a source's articles are found.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// RSS, Atom or JSON Feed.
    Feed(Url),
    /// An HTML listing page.
    Page {
        /// Its address.
        url: Url,
        /// Where on the page the articles are.
        select: Box<Select>,
    },
}

/// Where on a listing page the parts of an article are.
#[derive(Clone, Debug)]
pub struct Select {
    /// One match for each article.
    pub item: Selector,
    /// The title, within the item.
    pub title: Selector,
    /// The link; without `@attribute`, its `href`.
    pub link: Selector,
    /// The date.
    pub date: Option<Selector>,
    /// How the date is written, in `strftime` directives as `%d/%m/%Y`; none: usual ways are tried.
    pub date_format: Option<String>,
    /// The excerpt.
    pub excerpt: Option<Selector>,
    /// The author.
    pub author: Option<Selector>,
    /// The picture; without `@attribute`, its `src`.
    pub image: Option<Selector>,
    /// A label such as "Feature", for topic rules on `category`.
    pub category: Option<Selector>,
}

/// A CSS selector with an optional attribute, as in `a.more@href`. The CSS has been tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The CSS; empty: the item itself.
    pub css: String,
    /// The attribute to read instead of the text.
    pub attribute: Option<String>,
}

/// Which topic an article belongs to: the first rule that matches.
#[derive(Clone, Debug, Default)]
pub struct TopicRules(pub Vec<TopicRule>);

/// A rule: all of its matchers must match; none: it always does.
#[derive(Clone, Debug)]
pub struct TopicRule {
    /// On the title.
    pub title: Option<Matcher>,
    /// On the address.
    pub url: Option<Matcher>,
    /// On any category.
    pub category: Option<Matcher>,
    /// The topic that it gives.
    pub topic: String,
}

/// Words that must occur, whole and in any case, or a `/regex/`.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// These words, in this order, beside each other.
    Words(String),
    /// This expression somewhere.
    Regex(regex::Regex),
}

/// `[[topic]]`.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its id, as sources and sections name it.
    pub id: String,
    /// How people see it.
    pub title: LocalText,
    /// A sentence on it; may be empty.
    pub description: LocalText,
}
