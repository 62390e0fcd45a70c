//! Guesses which parts of a listing's items are their title, link, date, excerpt, picture and label.

use std::collections::HashSet;

use scraper::ElementRef;

use super::listing::{attribute_of, is_heading, text_of};
use super::{date_format, dates, html, signature};
use crate::config::{Select, Selector};

/// How dates are written on pages, the likelier first.
const FORMATS: &[&str] = &[
    "%Y-%m-%d",
    "%d %B %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d. %B %Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%B %d %Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%B %Y",
];

/// Elements that repeat, one for each article.
pub(super) struct Items<'a, 'b> {
    pub elements: &'b [ElementRef<'a>],
    /// Whether `04/11/2026` is a day in November where nothing shows otherwise.
    pub day_first: bool,
}

/// Elements of one kind: the first of them in each item.
struct Kind<'a> {
    css: String,
    firsts: Vec<ElementRef<'a>>,
    texts: Vec<String>,
}

impl Kind<'_> {
    fn letters(&self) -> usize {
        self.texts.iter().map(|text| text.chars().count()).sum::<usize>() / self.texts.len().max(1)
    }

    fn is_called(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.css.to_ascii_lowercase().contains(name))
    }
}

impl<'a> Items<'a, '_> {
    /// The selectors of items that `css` matches, if they have titles and links.
    pub(super) fn select(&self, css: &str) -> Option<Select> {
        let kinds = self.kinds();
        let (title, link) = self.title_and_link(&kinds)?;
        let date = self.date(&kinds);
        let date_css = date.as_ref().map(|(selector, _)| selector.css.clone());
        let free =
            |kind: &&Kind<'a>| kind.css != title.css && Some(&kind.css) != date_css.as_ref() && !is_heading(&kind.css);
        let named = |names: &[&str], letters: std::ops::Range<usize>| {
            kinds.iter().filter(free).find(|kind| kind.is_called(names) && letters.contains(&kind.letters()))
        };
        let excerpt =
            named(&["excerpt", "summary", "description", "teaser", "intro", "standfirst", "snippet", "dek"], 25..2000)
                .or_else(|| {
                    kinds
                        .iter()
                        .filter(free)
                        .filter(|kind| kind.css == "p" || kind.css.starts_with("p."))
                        .find(|kind| kind.letters() >= 40)
                });
        let label = named(&["categor", "label", "badge", "kicker", "topic"], 2..40);
        let picture = kinds.iter().any(|kind| kind.css == "img" || kind.css.starts_with("img."));
        let author = named(&["author", "byline"], 3..60);
        let (date, date_format) = date.map_or((None, None), |(selector, format)| (Some(selector), format));
        Some(Select {
            item: text_of(css),
            title,
            link,
            date,
            date_format,
            excerpt: excerpt.map(|kind| text_of(&kind.css)),
            author: author.map(|kind| text_of(&kind.css)),
            image: picture.then(|| text_of("img")),
            category: label.map(|kind| text_of(&kind.css)),
        })
    }

    /// The kinds of element that most items have, in the order of the first items.
    fn kinds(&self) -> Vec<Kind<'a>> {
        let mut names: Vec<String> = Vec::new();
        for item in self.elements.iter().take(3) {
            for element in item.descendent_elements().skip(1).take(120) {
                for name in [signature::of(element), element.value().name().to_owned()] {
                    if !names.contains(&name) && names.len() < 80 {
                        names.push(name);
                    }
                }
            }
        }
        let most = self.elements.len().div_ceil(2);
        let kinds = names.into_iter().filter_map(|css| {
            let compiled = super::page::css(&css).ok()?;
            let firsts: Vec<_> = self.elements.iter().filter_map(|item| item.select(&compiled).next()).collect();
            let texts = firsts.iter().map(|element| html::text(*element, 400)).collect();
            (firsts.len() >= most).then_some(Kind { css, firsts, texts })
        });
        kinds.collect()
    }

    fn title_and_link(&self, kinds: &[Kind<'a>]) -> Option<(Selector, Selector)> {
        let enough = |kind: &&Kind<'a>| kind.letters() >= 8;
        let heading = kinds.iter().filter(enough).find(|kind| is_heading(&kind.css));
        let titled = || {
            kinds
                .iter()
                .filter(enough)
                .find(|kind| kind.is_called(&["title", "headline", "heading"]) && kind.css.contains('.'))
        };
        let itself = self.elements.first().is_some_and(|item| item.attr("href").is_some());
        if let Some(title) = heading.or_else(titled) {
            let in_title = format!("{} a", title.css);
            let link = if itself {
                attribute_of("", "href")
            } else if title.firsts.iter().all(|element| element.attr("href").is_some()) {
                attribute_of(&title.css, "href")
            } else if self.has_different_links(&in_title) {
                attribute_of(&in_title, "href")
            } else {
                attribute_of(&self.link(kinds)?, "href")
            };
            return Some((text_of(&title.css), link));
        }
        if itself {
            return Some((text_of(""), attribute_of("", "href")));
        }
        let link = self.link(kinds)?;
        Some((text_of(&link), attribute_of(&link, "href")))
    }

    /// The kind of link that leads elsewhere in each item.
    fn link(&self, kinds: &[Kind<'a>]) -> Option<String> {
        let links = kinds.iter().filter(|kind| kind.css == "a" || kind.css.starts_with("a."));
        links.map(|kind| kind.css.clone()).find(|css| self.has_different_links(css))
    }

    fn has_different_links(&self, css: &str) -> bool {
        let Ok(compiled) = super::page::css(css) else { return false };
        let links: Vec<&str> =
            self.elements.iter().filter_map(|item| item.select(&compiled).next()?.attr("href")).collect();
        let different: HashSet<&&str> = links.iter().collect();
        different.len() * 10 >= self.elements.len() * 7
    }

    /// Where the date is, and how it is written when no machine-readable one stands beside it.
    fn date(&self, kinds: &[Kind<'a>]) -> Option<(Selector, Option<String>)> {
        let machine = |kind: &&Kind<'a>| {
            kind.firsts.iter().all(|element| element.attr("datetime").and_then(dates::parse).is_some())
        };
        if let Some(kind) = kinds.iter().find(machine) {
            return Some((attribute_of(&kind.css, "datetime"), None));
        }
        let short = |kind: &&Kind<'a>| (4..=60).contains(&kind.letters());
        let called = kinds.iter().filter(|kind| kind.is_called(&["date", "time", "published", "posted", "meta"]));
        let dated = called.chain(kinds).filter(short).find_map(|kind| Some((kind, self.format(&kind.texts)?)));
        dated.map(|(kind, format)| (text_of(&kind.css), format))
    }

    /// The format that reads nearly all of these texts: `None` when they are no dates, `Some(None)` when they need none.
    fn format(&self, texts: &[String]) -> Option<Option<String>> {
        let reads = |format: &str| texts.iter().filter(|text| date_format::parse_with(text, format).is_some()).count();
        let enough = |count: usize| count * 10 >= texts.len() * 8;
        let (day_first, month_first) = (reads("%d/%m/%Y"), reads("%m/%d/%Y"));
        if enough(day_first.max(month_first)) {
            let day_first = if day_first == month_first { self.day_first } else { day_first > month_first };
            return Some(Some(if day_first { "%d/%m/%Y" } else { "%m/%d/%Y" }.to_owned()));
        }
        if let Some(format) = FORMATS.iter().find(|format| enough(reads(format))) {
            return Some(Some((*format).to_owned()));
        }
        enough(texts.iter().filter(|text| dates::parse(text).is_some()).count()).then_some(None)
    }
}
