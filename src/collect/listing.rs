//! Guesses where on a listing page the articles are.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use scraper::{ElementRef, Html};
use url::Url;

use super::article::Document;
use super::links::{canonical_url, resolve};
use super::parts::Items;
use super::{html, page, signature};
use crate::config::{Select, Selector};

/// Fewer repetitions than this make no list.
const FEWEST: usize = 3;
/// How many levels above a link its item may be.
const LEVELS: usize = 7;
/// How many kinds of element are tried as items, and on how many links they are based.
const MOST_TRIED: usize = 40;
const MOST_LINKS: usize = 2_000;
/// A text of this many letters may be a title.
const TITLE_LETTERS: usize = 12;

/// The best guess at the selectors of a page, and what they give.
pub(super) fn guess(page: &Html, address: &Url) -> Option<(Select, Document)> {
    let base = html::base(page, address);
    let mut best: Option<(f64, Select, Document)> = None;
    for css in candidates(page, &base) {
        let Ok(compiled) = page::css(&css) else { continue };
        let elements: Vec<ElementRef<'_>> = page.select(&compiled).take(200).collect();
        if elements.len() < FEWEST || are_nested(&elements) {
            continue;
        }
        let Some(select) = Items { elements: &elements, day_first: page::day_first(page) }.select(&css) else {
            continue;
        };
        let Ok(document) = page::read_tree(page, address, &select, Tz::UTC) else { continue };
        let score = score(&document, &elements);
        if document.articles.len() >= FEWEST && best.as_ref().is_none_or(|(known, ..)| score > *known) {
            best = Some((score, select, document));
        }
    }
    best.map(|(_, select, document)| (select, document))
}

/// The kinds of element that hold links to many different pages, the most frequent first.
fn candidates(page: &Html, base: &Url) -> Vec<String> {
    let mut kinds: HashMap<String, (usize, HashSet<String>)> = HashMap::new();
    let own = canonical_url(base.as_str());
    let all = page.root_element().descendent_elements().filter(|element| element.value().name() == "a");
    for (order, link) in all.take(MOST_LINKS).enumerate() {
        let Some(url) = link.attr("href").and_then(|href| resolve(href, Some(base))).map(|url| canonical_url(&url))
        else {
            continue;
        };
        if url == own || is_chrome(link) {
            continue;
        }
        let above = link.ancestors().filter_map(ElementRef::wrap).take(LEVELS);
        let item = std::iter::once(link)
            .chain(above)
            .take_while(|element| !matches!(element.value().name(), "body" | "html" | "main"));
        for element in item {
            let kind = kinds.entry(signature::with_parent(element)).or_insert((order, HashSet::new()));
            kind.1.insert(url.clone());
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().filter(|(_, (_, urls))| urls.len() >= FEWEST).collect();
    kinds.sort_by_key(|(css, (order, urls))| (std::cmp::Reverse(urls.len()), *order, css.clone()));
    kinds.into_iter().take(MOST_TRIED).map(|(css, _)| css).collect()
}

/// Whether a link belongs to the page's frame: menus, the foot, what stands aside.
fn is_chrome(link: ElementRef<'_>) -> bool {
    let names: Vec<&str> =
        link.ancestors().filter_map(ElementRef::wrap).map(|element| element.value().name()).collect();
    let in_article = names.iter().position(|name| matches!(*name, "article" | "main" | "li"));
    let framed = names.iter().position(|name| matches!(*name, "footer" | "aside" | "header"));
    names.contains(&"nav")
        || framed.is_some_and(|at| in_article.is_none_or(|article| at > article && names[article] == "li"))
}

/// Whether one of the elements is within another.
fn are_nested(elements: &[ElementRef<'_>]) -> bool {
    let ids: HashSet<_> = elements.iter().map(|element| element.id()).collect();
    elements.iter().any(|element| element.ancestors().any(|above| ids.contains(&above.id())))
}

/// How much a reading looks like a list of articles: titles, dates, excerpts, and one article in each item.
fn score(document: &Document, elements: &[ElementRef<'_>]) -> f64 {
    let articles = &document.articles;
    let share = |count: usize, of: usize| {
        f64::from(u32::try_from(count).unwrap_or(0)) / f64::from(u32::try_from(of.max(1)).unwrap_or(1))
    };
    let having = |test: &dyn Fn(&super::Found) -> bool| {
        share(articles.iter().filter(|found| test(found)).count(), articles.len())
    };
    let used = share(articles.len(), elements.len()).min(1.0);
    let headed =
        elements.iter().filter(|item| item.descendent_elements().any(|inner| is_heading(inner.value().name()))).count();
    let titled = having(&|found| found.title.as_ref().is_some_and(|title| title.chars().count() >= TITLE_LETTERS));
    3.0 * having(&|found| found.published.is_some())
        + 2.0 * having(&|found| found.excerpt.is_some())
        + 2.0 * share(headed, elements.len())
        + 2.0 * titled
        + 2.0 * used
        + 0.5 * having(&|found| found.image.is_some())
        + share(articles.len().min(10), 10)
}

/// Whether an element is a heading.
pub(super) fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

/// A selector for the text of what `css` matches.
pub(super) fn text_of(css: &str) -> Selector {
    Selector { css: css.to_owned(), attribute: None }
}

/// A selector for an attribute of what `css` matches.
pub(super) fn attribute_of(css: &str, attribute: &str) -> Selector {
    Selector { css: css.to_owned(), attribute: Some(attribute.to_owned()) }
}
