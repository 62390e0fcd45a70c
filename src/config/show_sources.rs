//! `[[source]]` in the effective configuration.

use serde::Serialize;

use super::source::{Backlog, Matcher, Select, Selector, Source, SourceKind, TopicRule};
use super::values::write_duration;

#[derive(Serialize)]
pub(super) struct SourceShown<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
    topics: Vec<Rule<'a>>,
    poll: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    select: Option<SelectShown<'a>>,
}

#[derive(Serialize)]
struct Rule<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    topic: &'a str,
}

#[derive(Serialize)]
struct SelectShown<'a> {
    item: String,
    title: String,
    link: String,
    date: String,
    date_format: &'a str,
    excerpt: String,
    author: String,
    image: String,
    category: String,
}

impl<'a> SourceShown<'a> {
    pub(super) fn of(source: &'a Source) -> Self {
        let (feed, page, select) = match &source.kind {
            SourceKind::Feed(url) => (Some(url.as_str()), None, None),
            SourceKind::Page { url, select } => (None, Some(url.as_str()), Some(select_shown(select))),
        };
        let topics = source.topics.0.iter().map(rule).collect();
        let backlog = source.backlog.map(backlog);
        Self { id: &source.id, feed, page, topics, poll: write_duration(source.poll), backlog, select }
    }
}

fn rule(rule: &TopicRule) -> Rule<'_> {
    let matcher = |matcher: &Option<Matcher>| {
        matcher.as_ref().map(|matcher| match matcher {
            Matcher::Words(words) => words.clone(),
            Matcher::Regex(regex) => format!("/{regex}/"),
        })
    };
    Rule { title: matcher(&rule.title), url: matcher(&rule.url), category: matcher(&rule.category), topic: &rule.topic }
}

fn select_shown(select: &Select) -> SelectShown<'_> {
    let optional = |part: &Option<Selector>| part.as_ref().map(selector).unwrap_or_default();
    SelectShown {
        item: selector(&select.item),
        title: selector(&select.title),
        link: selector(&select.link),
        date: optional(&select.date),
        date_format: select.date_format.as_deref().unwrap_or_default(),
        excerpt: optional(&select.excerpt),
        author: optional(&select.author),
        image: optional(&select.image),
        category: optional(&select.category),
    }
}

fn selector(selector: &Selector) -> String {
    match &selector.attribute {
        Some(attribute) => format!("{}@{attribute}", selector.css),
        None => selector.css.clone(),
    }
}

pub(super) fn backlog(backlog: Backlog) -> String {
    match backlog {
        Backlog::Period => "period".to_owned(),
        Backlog::All => "all".to_owned(),
        Backlog::None => "none".to_owned(),
        Backlog::Since(day) => day.to_string(),
    }
}
