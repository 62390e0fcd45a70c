//! `[[source]]` and `[[topic]]`.

use std::time::Duration;

use super::local_text::local_line;
use super::site::{backlog, duration};
use crate::config::error::Place;
use crate::config::nearest::nearest;
use crate::config::reader::{Field, Table};
use crate::config::source::{Select, Selector, Source, SourceKind, Topic, TopicRule, TopicRules};
use crate::config::{keys, select, urls, values};

/// The topics that are declared, and those tables that could be read.
pub struct Topics {
    pub read: Vec<Topic>,
    /// Every id, also of a table with something wrong in it.
    pub ids: Vec<String>,
}

/// The sources that could be read, and what digests may name.
pub struct Sources {
    pub read: Vec<Source>,
    /// Every id, also of a source with something wrong in it.
    pub ids: Vec<String>,
    /// Every topic that a rule gives.
    pub topics: Vec<String>,
    /// Whether there are sources whose id could not be read.
    pub unsure_ids: bool,
    /// Whether there are sources whose topics could not be read.
    pub unsure_topics: bool,
}

pub fn topics(root: &Table<'_>) -> Topics {
    let mut seen = Vec::new();
    let mut read = Vec::new();
    for table in root.tables("topic", keys::TOPIC) {
        let id = super::id(&table, "topic", &mut seen);
        let line = |name| table.given(name).and_then(|field| local_line(&field));
        let (title, description) = (line("title"), line("description").unwrap_or_default());
        let Some(id) = id else { continue };
        let title = title.unwrap_or_else(|| values::as_words(&id).into());
        read.push(Topic { id, title, description });
    }
    Topics { read, ids: seen.into_iter().map(|(id, _)| id).collect() }
}

pub fn sources(root: &Table<'_>, topics: &Topics) -> Sources {
    let mut seen: Vec<(String, Place)> = Vec::new();
    let tables = root.tables("source", keys::SOURCE);
    let unsure_ids = tables.is_empty() || !tables.iter().all(Table::has_id);
    let (read, ids, given) = (Vec::new(), Vec::new(), Vec::new());
    let mut sources = Sources { read, ids, topics: given, unsure_ids, unsure_topics: unsure_ids };
    if tables.is_empty() && root.field("source").is_none() {
        root.wrong("source", "is missing; add a [[source]] with an id and the address of a feed");
    }
    for table in tables {
        let id = super::id(&table, "source", &mut seen);
        let kind = kind(&table);
        let rules = rules(&table, id.as_deref(), topics);
        let poll = duration(&table, "poll", Duration::from_secs(1)).unwrap_or(Duration::from_secs(3600));
        let backlog = table.given("backlog").and_then(|field| backlog(&field));
        match &rules {
            Some(rules) => sources.topics.extend(rules.0.iter().map(|rule| rule.topic.clone())),
            None => sources.unsure_topics = true,
        }
        if let (Some(id), Some(kind), Some(topics)) = (id, kind, rules) {
            sources.read.push(Source { id, kind, topics, poll, backlog });
        }
    }
    sources.ids = seen.into_iter().map(|(id, _)| id).collect();
    sources.topics.sort();
    sources.topics.dedup();
    sources
}

fn kind(table: &Table<'_>) -> Option<SourceKind> {
    let feed = table.given("feed");
    let page = table.given("page");
    match (&feed, &page) {
        (Some(_), Some(page)) => page.fail("is given beside `feed`; keep one of the two"),
        (None, None) => {
            table.wrong("feed", "is missing; give the address of a feed, or of a listing page as `page` with `select`");
        }
        (Some(_), None) if table.field("select").is_some() => {
            table.wrong("select", "is for a `page`, and this source has a `feed`; remove one of the two");
        }
        _ => {}
    }
    let select = table.field("select").and_then(|field| field.table(keys::SELECT)).map(|table| selectors(&table));
    if page.is_some() && feed.is_none() && table.field("select").is_none() {
        let remedy = "say where the articles are, as in select = { item = \"article\", title = \"h3\", link = \"a\" }";
        table.wrong("select", format!("is missing; {remedy}"));
    }
    match (feed, page) {
        (Some(feed), None) => feed.parse(urls::web).map(SourceKind::Feed),
        (None, Some(page)) => {
            let url = page.parse(urls::web);
            Some(SourceKind::Page { url: url?, select: Box::new(select??) })
        }
        _ => None,
    }
}

fn selectors(table: &Table<'_>) -> Option<Select> {
    let optional = |name| table.given(name).and_then(|field| field.parse(select::selector));
    let within = |name: &'static str, remedy: &str| -> Option<Selector> {
        table.required(name, remedy)?.parse(select::selector)
    };
    let item = table.required("item", "give what matches each article, as in item = \"article\"");
    let item = item.and_then(|field| field.parse(select::item_selector));
    let title = within("title", "give where the title is within the item, as in title = \"h3\"");
    let link = within("link", "give where the link is within the item, as in link = \"a@href\"");
    let date_format = table.given("date_format").and_then(|field| field.parse(select::date_format));
    if let (Some(field), None) = (table.given("date_format"), table.given("date")) {
        field.fail("is given without `date`; say where the date is, as in date = \".date\"");
    }
    let (date, excerpt, author) = (optional("date"), optional("excerpt"), optional("author"));
    let (image, category) = (optional("image"), optional("category"));
    Some(Select { item: item?, title: title?, link: link?, date, date_format, excerpt, author, image, category })
}

/// The rules of a source. They always end with one that takes every article: without one of its own, the topic is
/// called as the source.
fn rules(table: &Table<'_>, id: Option<&str>, topics: &Topics) -> Option<TopicRules> {
    let rules = match (table.given("topic"), table.field("topics")) {
        (Some(_), Some(field)) => {
            field.fail("is given beside `topic`; keep one of the two");
            return None;
        }
        (Some(field), None) => {
            vec![TopicRule { title: None, url: None, category: None, topic: topic_of(&field, topics)? }]
        }
        (None, Some(field)) => list(&field, topics)?,
        (None, None) => Vec::new(),
    };
    Some(TopicRules(total(rules, id?)))
}

fn list(field: &Field<'_>, topics: &Topics) -> Option<Vec<TopicRule>> {
    let mut rules: Vec<Option<TopicRule>> = Vec::new();
    for item in field.items()? {
        if rules.last().is_some_and(|rule| rule.as_ref().is_some_and(takes_all)) {
            item.fail("comes after a rule that takes every article; put that one last");
        }
        rules.push(item.table(keys::RULE).and_then(|table| rule(&table, topics)));
    }
    rules.into_iter().collect()
}

fn rule(table: &Table<'_>, topics: &Topics) -> Option<TopicRule> {
    let matcher = |name| match table.field(name) {
        Some(field) => field.parse(select::matcher).map(Some),
        None => Some(None),
    };
    let (title, url, category) = (matcher("title"), matcher("url"), matcher("category"));
    let topic =
        table.required("topic", "say which topic it gives, as in { category = \"feature\", topic = \"features\" }");
    let topic = topic.and_then(|field| topic_of(&field, topics));
    Some(TopicRule { title: title?, url: url?, category: category?, topic: topic? })
}

fn takes_all(rule: &TopicRule) -> bool {
    rule.title.is_none() && rule.url.is_none() && rule.category.is_none()
}

fn total(mut rules: Vec<TopicRule>, id: &str) -> Vec<TopicRule> {
    if rules.last().is_some_and(takes_all) {
        return rules;
    }
    rules.push(TopicRule { title: None, url: None, category: None, topic: id.to_owned() });
    rules
}

/// A topic that a source gives. It needs no `[[topic]]`; but one that is nearly the id of such a table is a slip.
fn topic_of(field: &Field<'_>, topics: &Topics) -> Option<String> {
    let topic = field.parse(values::id)?;
    if !topics.ids.contains(&topic)
        && let Some(near) = nearest(&topic, topics.ids.iter().map(String::as_str))
    {
        field.fail(format!("no [[topic]] has the id `{topic}`; did you mean `{near}`?"));
    }
    Some(topic)
}
