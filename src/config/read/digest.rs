//! `[[digest]]`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;

use super::Scene;
use super::local_text::{local_line, local_text, locale};
use super::sender::own_sender;
use super::site::duration;
use super::source::{Sources, Topics};
use crate::config::Utm;
use crate::config::error::Place;
use crate::config::nearest::{listed, suggestion};
use crate::config::reader::{Table, shown};
use crate::config::settings::{Banner, Digest, Intro, Sender, WhenEmpty};
use crate::config::{keys, subject, urls, values};
use crate::schedule::{Holidays, Schedule};

pub fn digests(
    root: &Table<'_>,
    sources: &Sources,
    topics: &Topics,
    sender: Option<&Sender>,
    scene: &Scene<'_>,
) -> Vec<Digest> {
    let mut seen: Vec<(String, Place)> = Vec::new();
    let tables = root.tables("digest", keys::DIGEST);
    if tables.is_empty() && root.field("digest").is_none() {
        root.wrong("digest", "is missing; add a [[digest]] with an id, its sources and a schedule");
    }
    tables.iter().filter_map(|table| digest(table, &mut seen, sources, topics, sender, scene)).collect()
}

fn digest(
    table: &Table<'_>,
    seen: &mut Vec<(String, Place)>,
    sources: &Sources,
    topics: &Topics,
    sender: Option<&Sender>,
    scene: &Scene<'_>,
) -> Option<Digest> {
    let id = super::id(table, "digest", seen);
    let title = table.given("title").and_then(|field| field.line()).map(str::to_owned);
    let subject = table.given("subject").and_then(|field| {
        let text = field.text()?;
        let topics = topics.ids.iter().chain(&sources.topics).cloned().collect();
        let id = id.clone().unwrap_or_default();
        let title = title.clone().unwrap_or_else(|| values::as_words(&id));
        field.accept(subject::check(text, subject::Known { id, title, topics }))?;
        Some(text.to_owned())
    });
    let named_sources = named_sources(table, sources);
    let sections = sections(table, sources, topics);
    let schedule = schedule(table);
    let holidays = super::site::path(table, "holidays", scene.folder);
    let zone = schedule.as_ref().map_or(Tz::UTC, Schedule::timezone);
    let calendar = holidays.as_deref().and_then(|file| calendar(table, file, zone));
    let schedule = schedule.map(|schedule| match calendar {
        Some(calendar) => schedule.with_holidays(calendar),
        None => schedule,
    });
    let spread = duration(table, "spread", Duration::ZERO).unwrap_or_default();
    if let (Some(schedule), Some(field)) = (&schedule, table.given("spread"))
        && spread > schedule.shortest_period()
    {
        field.fail("is longer than the time between two issues; an issue must be out before the next begins");
    }
    let catch_up = duration(table, "catch_up", Duration::ZERO);
    let number = |name, range| table.field(name).and_then(|field| field.number(range));
    let min_articles = number("min_articles", 1..=1000).unwrap_or(1);
    let max_articles = number("max_articles", 1..=1000).unwrap_or(20);
    let banner = table.field("banner").and_then(|field| field.table(keys::BANNER)).and_then(|table| banner(&table));
    let intro = table.field("intro").and_then(|field| field.table(keys::INTRO)).and_then(|table| intro(&table));
    let when_topics_are_empty = table.given("when_topics_are_empty").and_then(|field| field.parse(when_empty));
    let template =
        table.given("template").and_then(|field| field.parse(|text| values::template(text, scene.templates)));
    let locale = table.given("locale").and_then(|field| field.parse(locale)).unwrap_or_default();
    let public = table.field("public").and_then(|field| field.boolean()).unwrap_or(true);
    let sender = match table.field("sender") {
        Some(field) => field.table(keys::OWN_SENDER).and_then(|table| own_sender(&table, sender, scene)),
        None => sender.cloned(),
    };
    let count_clicks = table.field("count_clicks").and_then(|field| field.boolean()).unwrap_or(false);
    let utm = table.field("utm").and_then(|field| field.table(keys::UTM)).map(|table| utm(&table));
    let (id, schedule) = (id?, schedule?);
    Some(Digest {
        title: title.unwrap_or_else(|| values::as_words(&id)),
        id,
        subject: subject.unwrap_or_else(|| subject::DEFAULT.to_owned()),
        sources: named_sources,
        sections,
        catch_up: catch_up.unwrap_or_else(|| default_catch_up(&schedule)),
        schedule,
        spread,
        holidays,
        min_articles,
        max_articles,
        banner,
        intro,
        when_topics_are_empty: when_topics_are_empty.unwrap_or_default(),
        theme: super::theme::theme(&table.table("theme", keys::THEME)),
        template: template.unwrap_or_else(|| values::BUILT_IN_TEMPLATE.to_owned()),
        locale,
        public,
        sender: sender?,
        utm: utm.filter(|utm| *utm != Utm::default()),
        count_clicks,
        ping_url: super::site::secret_url(table, "ping_url"),
    })
}

/// A quarter of the period, at most 48 hours. Of a schedule with periods of several lengths the shortest counts, so
/// that a late period never reaches into the next.
fn default_catch_up(schedule: &Schedule) -> Duration {
    (schedule.shortest_period() / 4).min(Duration::from_secs(48 * 3600))
}

fn schedule(table: &Table<'_>) -> Option<Schedule> {
    let zone = match table.given("timezone") {
        Some(field) => field.parse(values::timezone),
        None => Some(Tz::UTC),
    };
    let field = table.required("schedule", "say when it goes out, as in schedule = \"0 8 * * MON\"")?;
    let text = field.text()?;
    // The expression is looked at also when the zone is wrong.
    let schedule = field.accept(Schedule::parse(text, zone.unwrap_or(Tz::UTC)))?;
    zone.map(|_| schedule)
}

/// The days on which nothing comes out.
fn calendar(table: &Table<'_>, file: &Path, zone: Tz) -> Option<Arc<Holidays>> {
    let field = table.given("holidays")?;
    if !file.is_file() {
        field.fail(format!("there is no file {}; it must be a calendar in iCalendar form (.ics)", file.display()));
        return None;
    }
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()));
    let text = field.accept(text)?;
    let days = Holidays::parse(&text, zone).map_err(|error| format!("{}:{error}", file.display()));
    field.accept(days).map(Arc::new)
}

fn named_sources(table: &Table<'_>, sources: &Sources) -> Vec<String> {
    let known = || sources.ids.iter().map(String::as_str);
    let Some(field) = table.field("sources") else {
        table.wrong("sources", "is missing; name the sources that it collects from, as in sources = [\"news\"]");
        return Vec::new();
    };
    let Some(items) = field.items() else { return Vec::new() };
    let mut named: Vec<String> = Vec::new();
    if items.is_empty() {
        field.fail("is empty; name the sources that it collects from, as in sources = [\"news\"]");
    }
    for item in items {
        let Some(id) = item.text() else { continue };
        if named.iter().any(|other| other == id) {
            item.fail(format!("names the source `{id}` twice; remove one of them"));
        } else if known().any(|other| other == id) {
            named.push(id.to_owned());
        } else if !sources.unsure_ids {
            let near = suggestion(id, known(), || format!("the sources are {}", listed(known())));
            item.fail(format!("no [[source]] has the id `{}`{near}", shown(id)));
        }
    }
    named
}

fn sections(table: &Table<'_>, sources: &Sources, topics: &Topics) -> Vec<String> {
    let known = || {
        let given = sources.topics.iter().filter(|topic| !topics.ids.contains(topic));
        topics.ids.iter().chain(given).map(String::as_str)
    };
    let Some(items) = table.field("sections").and_then(|field| field.items()) else { return Vec::new() };
    let mut named: Vec<String> = Vec::new();
    for item in items {
        let Some(topic) = item.text() else { continue };
        if named.iter().any(|other| other == topic) {
            item.fail(format!("names the topic `{topic}` twice; remove one of them"));
        } else if known().any(|other| other == topic) {
            named.push(topic.to_owned());
        } else if !sources.unsure_topics {
            let near = suggestion(topic, known(), || format!("the topics are {}", listed(known())));
            item.fail(format!("no source gives the topic `{}`{near}", shown(topic)));
        }
    }
    named
}

fn banner(table: &Table<'_>) -> Option<Banner> {
    let text = table.required("text", "say what the banner reads, or leave it out");
    let text = text.and_then(|field| local_line(&field));
    let url = table.given("url").and_then(|field| field.parse(urls::link));
    let day = |name| table.given(name).and_then(|field| field.day());
    let (from, until) = (day("from"), day("until"));
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        table.wrong("until", "comes before `from`; the last day must not be before the first");
    }
    Some(Banner { text: text?, url, from, until })
}

fn utm(table: &Table<'_>) -> Utm {
    let value = |name| table.given(name).and_then(|field| field.line()).unwrap_or_default().to_owned();
    Utm { source: value("source"), medium: value("medium"), campaign: value("campaign") }
}

/// The longest intro, in characters: it may not crowd out the stories.
const LONGEST_INTRO: usize = 2000;

fn intro(table: &Table<'_>) -> Option<Intro> {
    let field = table.required("text", "say what the intro reads, or leave it out")?;
    let text = local_text(&field, |field| {
        let text = field.text()?.trim();
        if text.chars().count() > LONGEST_INTRO {
            field.fail(format!("is longer than {LONGEST_INTRO} characters; write less, and link to more"));
        }
        Some(text)
    })?;
    let by = table.given("by").and_then(|field| local_line(&field)).unwrap_or_default();
    Some(Intro { text, by })
}

fn when_empty(text: &str) -> Result<WhenEmpty, String> {
    match text.trim() {
        "skip" => Ok(WhenEmpty::Skip),
        "rest" => Ok(WhenEmpty::Rest),
        other => Err(format!(
            "cannot be `{}`; write `skip` to send nothing to whose topics have no news, or `rest` to send them the others",
            shown(other)
        )),
    }
}
