//! Guesses: the feed that a page names, or the selectors of its listing.

use std::collections::{BTreeSet, HashMap};

use scraper::{ElementRef, Html};
use url::Url;

use super::html;
use super::links::resolve;
use crate::config::{Select, Selector};

/// Elements that a listing wraps its items in, the more telling first.
const WRAPPERS: [&str; 6] = ["article", "li", "section", "div", "tr", "dl"];
const HEADINGS: [&str; 5] = ["h2", "h3", "h4", "h1", "h5"];

/// The media types of feeds.
const FEED_TYPES: [&str; 4] =
    ["application/rss+xml", "application/atom+xml", "application/feed+json", "application/json"];

/// The feeds that a page names in its head, the first first.
pub(super) fn feeds(page: &Html, address: &Url) -> Vec<Url> {
    let base = html::base(page, address);
    let named = page.root_element().descendent_elements().filter(|element| {
        let has = |attribute, words: &[&str]| {
            let value = element.attr(attribute).unwrap_or_default().to_ascii_lowercase();
            words.iter().any(|word| value.split([' ', ';']).any(|part| part == *word))
        };
        element.value().name() == "link" && has("rel", &["alternate"]) && has("type", &FEED_TYPES)
    });
    named.filter_map(|element| resolve(element.attr("href")?, Some(&base))?.parse().ok()).collect()
}

/// The selectors of the largest group of alike elements that have a heading and a link each; `None` where no group has
/// three.
pub(super) fn listing(page: &Html) -> Option<Select> {
    let mut groups: HashMap<String, Vec<ElementRef<'_>>> = HashMap::new();
    for element in page.root_element().descendent_elements() {
        let name = element.value().name();
        if WRAPPERS.contains(&name) && heading(element).is_some() && find(element, &|e| link(e).is_some()).is_some() {
            groups.entry(signature(element)).or_default().push(element);
        }
    }
    let rank = |key: &str| {
        let name = key.split('.').next().unwrap_or_default();
        WRAPPERS.len() - WRAPPERS.iter().position(|wrapper| *wrapper == name).unwrap_or(WRAPPERS.len())
    };
    let (item, members) = groups
        .into_iter()
        .map(|(key, members)| {
            // A wrapper around several of its kind is no item.
            let heads = |element: ElementRef<'_>| {
                element.descendent_elements().filter(|e| HEADINGS.contains(&e.value().name())).count()
            };
            let single: Vec<_> = members.into_iter().filter(|member| heads(*member) == 1).collect();
            (key, single)
        })
        .filter(|(_, members)| members.len() >= 3)
        .max_by_key(|(key, members)| {
            (members.len(), members.iter().filter(|m| date(**m).is_some()).count(), rank(key), key.clone())
        })?;
    let first = *members.first()?;
    let head = heading(first)?;
    let title = head.value().name().to_owned();
    let link = match find(head, &|e| link(e).is_some()) {
        Some(_) => format!("{title} a"),
        None => signature(find(first, &|e| link(e).is_some())?),
    };
    let date = members.iter().find_map(|member| date(*member));
    let date_format = members.iter().find_map(|member| date_format(*member));
    let excerpt = members.iter().find_map(|member| excerpt(*member));
    let plain = |css: String| Selector { css, attribute: None };
    Some(Select {
        item: plain(item),
        title: plain(title),
        link: Selector { css: link, attribute: Some("href".to_owned()) },
        date: date.map(plain),
        date_format,
        excerpt: excerpt.map(plain),
        author: None,
        image: members
            .iter()
            .any(|m| find(*m, &|e| e.value().name() == "img").is_some())
            .then(|| Selector { css: "img".to_owned(), attribute: Some("src".to_owned()) }),
        category: None,
    })
}

fn find<'p>(element: ElementRef<'p>, test: &dyn Fn(ElementRef<'p>) -> bool) -> Option<ElementRef<'p>> {
    element.descendent_elements().find(|inner| *inner != element && test(*inner))
}

fn heading(element: ElementRef<'_>) -> Option<ElementRef<'_>> {
    find(element, &|inner| HEADINGS.contains(&inner.value().name()))
}

fn link(element: ElementRef<'_>) -> Option<&str> {
    let href = element.attr("href").filter(|_| element.value().name() == "a")?;
    (!href.starts_with(['#', '?']) && !href.starts_with("mailto:")).then_some(href)
}

/// An element's name and first class, as a selector.
fn signature(element: ElementRef<'_>) -> String {
    let plain = |class: &&str| class.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let starts = |class: &&str| class.starts_with(|c: char| c.is_ascii_alphabetic());
    let numbered = |class: &&str| class.bytes().any(|b| b.is_ascii_digit());
    match element.value().classes().filter(plain).filter(starts).find(|class| !numbered(class)) {
        Some(class) => format!("{}.{class}", element.value().name()),
        None => element.value().name().to_owned(),
    }
}

fn date(item: ElementRef<'_>) -> Option<String> {
    if find(item, &|e| e.value().name() == "time").is_some() {
        return Some("time".to_owned());
    }
    let dated = find(item, &|e| e.value().classes().any(|class| class.to_ascii_lowercase().contains("date")));
    let dated =
        dated.or_else(|| find(item, &|e| written(&html::text(e, 60)).is_some() && e.child_elements().next().is_none()));
    dated.map(signature)
}

fn date_format(item: ElementRef<'_>) -> Option<String> {
    let time = find(item, &|e| e.value().name() == "time" && e.attr("datetime").is_some());
    match (time, date(item)) {
        (None, Some(_)) => item.descendent_elements().find_map(|e| written(&html::text(e, 60))),
        _ => None,
    }
}

/// The format of a date in numbers, the day first, as most of the world writes it; where a second number is beyond 12
/// the month is first.
fn written(text: &str) -> Option<String> {
    let word =
        text.split_whitespace().find(|word| word.len() >= 8 && word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mark = word.chars().find(|c| !c.is_ascii_digit()).filter(|c| "/.-".contains(*c))?;
    let numbers: Vec<&str> = word.split(mark).collect();
    let [a, b, c] = numbers.as_slice() else { return None };
    let is = |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    let small = |text: &str| is(text, 1) || is(text, 2);
    if is(a, 4) && small(b) && small(c) {
        Some(format!("%Y{mark}%m{mark}%d"))
    } else if small(a) && small(b) && is(c, 4) {
        let month_first = b.parse::<u32>().is_ok_and(|b| b > 12);
        Some(if month_first { format!("%m{mark}%d{mark}%Y") } else { format!("%d{mark}%m{mark}%Y") })
    } else {
        None
    }
}

fn excerpt(item: ElementRef<'_>) -> Option<String> {
    let telling = ["excerpt", "summary", "teaser", "standfirst", "description", "intro"];
    let named = find(item, &|e| {
        e.value().classes().any(|class| telling.iter().any(|word| class.to_ascii_lowercase().contains(word)))
    });
    let dates: BTreeSet<String> = date(item).into_iter().collect();
    let paragraph = || find(item, &|e| e.value().name() == "p" && !dates.contains(&signature(e)));
    named.or_else(paragraph).map(signature)
}
