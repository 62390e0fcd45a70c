//! Listing pages to a document, by the selectors of the configuration.

use std::collections::HashSet;

use chrono_tz::Tz;
use scraper::{ElementRef, Html};
use url::Url;

use super::article::{Document, Found, Kind, ReadError};
use super::dates::{self, Moment};
use super::links::{canonical_url, resolve};
use super::text::{self, longest};
use super::{date_format, feed, html};
use crate::config::{Select, Selector};
use crate::domain::is_svg;

/// No more labels of one article than this are kept.
const MOST_CATEGORIES: usize = 10;
/// No more matches within an item than this are tried for one that says something.
const MOST_TRIED: usize = 20;
/// No more elements than this are looked through; those of items within items count for each of them.
const MOST_LOOKED_THROUGH: usize = 1_000_000;
/// Attributes in which pages keep the address of a picture until it is scrolled to.
const LAZY_SOURCES: &[&str] = &["src", "data-src", "data-lazy-src", "data-original", "srcset", "data-srcset"];

/// Reads a listing page. `base` is where it came from. Days are local in `timezone`: a day without a time is its
/// midnight there. What is listed twice is taken once.
///
/// # Errors
/// [`ReadError::NoItems`] when nothing matches the selector of the items, so that a site's new layout does not look
/// like "nothing new"; [`ReadError::NoArticles`] when no item has a title and a link.
pub fn read_page(
    bytes: &[u8],
    content_type: Option<&str>,
    base: &Url,
    select: &Select,
    timezone: Tz,
) -> Result<Document, ReadError> {
    if bytes.trim_ascii().is_empty() {
        return Err(ReadError::Empty);
    }
    read_tree(&html::parse(bytes, content_type), base, select, timezone)
}

/// As [`read_page`], for a page that is parsed already.
pub(super) fn read_tree(page: &Html, address: &Url, select: &Select, timezone: Tz) -> Result<Document, ReadError> {
    let reader = Reader {
        parts: Parts::compile(select)?,
        base: html::base(page, address),
        day_first: day_first(page),
        timezone,
    };
    let items = css(&select.item.css)?;
    let (mut count, mut looked_through, mut seen, mut articles) = (0, 0, HashSet::new(), Vec::new());
    for item in page.select(&items).take(feed::MOST_ARTICLES) {
        looked_through += item.descendent_elements().count();
        if count > 0 && looked_through > MOST_LOOKED_THROUGH {
            break;
        }
        count += 1;
        let found = reader.article(item);
        let key = found.url.as_deref().map(canonical_url);
        if let (Some(_), Some(key)) = (&found.title, key)
            && seen.insert(key)
        {
            articles.push(found);
        }
    }
    match (count, articles.is_empty()) {
        (0, _) => Err(ReadError::NoItems { selector: select.item.css.clone() }),
        (items, true) => Err(ReadError::NoArticles { items }),
        _ => Ok(Document {
            kind: Kind::Page,
            title: title(page),
            home: Some(address.as_str().to_owned()),
            repaired: false,
            articles,
        }),
    }
}

/// The title of a page.
fn title(page: &Html) -> Option<String> {
    let title = page.root_element().descendent_elements().find(|element| element.value().name() == "title")?;
    Some(html::text(title, longest::TITLE)).filter(|title| !title.is_empty())
}

/// Whether `04/11/2026` is a day in November: not on pages in American English.
pub(super) fn day_first(page: &Html) -> bool {
    !page.root_element().attr("lang").is_some_and(|lang| lang.eq_ignore_ascii_case("en-us"))
}

pub(super) fn css(text: &str) -> Result<scraper::Selector, ReadError> {
    scraper::Selector::parse(text).map_err(|_| ReadError::Selector { css: text.to_owned() })
}

/// A selector within an item.
struct Part {
    css: Option<scraper::Selector>,
    attribute: Option<String>,
}

impl Part {
    fn compile(selector: &Selector) -> Result<Self, ReadError> {
        let css = (!selector.css.trim().is_empty()).then(|| css(&selector.css)).transpose()?;
        Ok(Self { css, attribute: selector.attribute.clone() })
    }

    /// The first value that `read` makes of an element of the item.
    fn find<T>(&self, item: ElementRef<'_>, read: impl Fn(ElementRef<'_>) -> Option<T>) -> Option<T> {
        match &self.css {
            None => read(item),
            Some(css) => item.select(css).take(MOST_TRIED).find_map(read),
        }
    }

    /// What it says: the attribute that is named, else the text.
    fn text(&self, element: ElementRef<'_>, limit: usize) -> Option<String> {
        let text = match &self.attribute {
            Some(name) => text::one_line(element.attr(name)?, limit),
            None => html::text(element, limit),
        };
        Some(text).filter(|text| !text.is_empty())
    }
}

struct Parts {
    title: Part,
    link: Part,
    date: Option<(Part, Option<String>)>,
    excerpt: Option<Part>,
    author: Option<Part>,
    image: Option<Part>,
    category: Option<Part>,
}

impl Parts {
    fn compile(select: &Select) -> Result<Self, ReadError> {
        let optional = |selector: &Option<Selector>| selector.as_ref().map(Part::compile).transpose();
        Ok(Self {
            title: Part::compile(&select.title)?,
            link: Part::compile(&select.link)?,
            date: optional(&select.date)?.map(|part| (part, select.date_format.clone())),
            excerpt: optional(&select.excerpt)?,
            author: optional(&select.author)?,
            image: optional(&select.image)?,
            category: optional(&select.category)?,
        })
    }
}

struct Reader {
    parts: Parts,
    base: Url,
    day_first: bool,
    timezone: Tz,
}

impl Reader {
    fn article(&self, item: ElementRef<'_>) -> Found {
        let text = |part: &Part, limit| part.find(item, |element| part.text(element, limit));
        let optional = |part: &Option<Part>, limit| part.as_ref().and_then(|part| text(part, limit));
        let parts = &self.parts;
        let moment = parts
            .date
            .as_ref()
            .and_then(|(part, format)| part.find(item, |element| self.moment(part, element, format.as_deref())));
        Found {
            id: None,
            title: text(&parts.title, longest::TITLE),
            url: parts.link.find(item, |element| self.link(element)),
            published: moment.map(|moment| moment.in_zone(self.timezone)),
            excerpt: optional(&parts.excerpt, longest::EXCERPT),
            author: optional(&parts.author, longest::NAME),
            image: parts.image.as_ref().and_then(|part| part.find(item, |element| self.image(part, element))),
            categories: parts.category.as_ref().map(|part| categories(part, item)).unwrap_or_default(),
        }
    }

    /// The link of an element: the attribute that is named, else its `href`, else that of the first link in it.
    fn link(&self, element: ElementRef<'_>) -> Option<String> {
        if let Some(name) = &self.parts.link.attribute {
            return resolve(element.attr(name)?, Some(&self.base));
        }
        let own = element.attr("href").and_then(|href| resolve(href, Some(&self.base)));
        own.or_else(|| {
            element.descendent_elements().skip(1).find_map(|inner| resolve(inner.attr("href")?, Some(&self.base)))
        })
    }

    /// The picture of an element: the attribute that is named, else where pages keep it.
    fn image(&self, part: &Part, element: ElementRef<'_>) -> Option<String> {
        let first = |value: &str| {
            let address = resolve(value.trim().split(char::is_whitespace).next()?, Some(&self.base));
            address.filter(|address| !is_svg(address, ""))
        };
        match &part.attribute {
            Some(name) => element.attr(name).and_then(first),
            None => LAZY_SOURCES.iter().find_map(|name| first(element.attr(name)?)),
        }
    }

    /// The date of an element: in the format that is given; else its `datetime`, then any usual way in its text.
    fn moment(&self, part: &Part, element: ElementRef<'_>, format: Option<&str>) -> Option<Moment> {
        let written = part.text(element, 300);
        let machine = || element.attr("datetime").and_then(dates::parse);
        match format {
            Some(format) => written.and_then(|text| date_format::parse_with(&text, format)).or_else(machine),
            None => machine().or_else(|| usual(&written?, self.day_first)),
        }
    }
}

fn categories(part: &Part, item: ElementRef<'_>) -> Vec<String> {
    match &part.css {
        None => part.text(item, longest::NAME).into_iter().collect(),
        Some(css) => {
            item.select(css).filter_map(|element| part.text(element, longest::NAME)).take(MOST_CATEGORIES).collect()
        }
    }
}

/// A date in any usual way, words around it tolerated.
fn usual(text: &str, day_first: bool) -> Option<Moment> {
    let numbers = if day_first { ["%d/%m/%Y", "%m/%d/%Y"] } else { ["%m/%d/%Y", "%d/%m/%Y"] };
    let written =
        ["%Y-%m-%d", "%d.%m.%Y", "%d-%m-%Y", "%d %B %Y", "%d. %B %Y", "%B %d, %Y", "%B %d %Y", "%d %b %Y", "%b %d, %Y"];
    dates::parse(text)
        .or_else(|| numbers.iter().chain(&written).find_map(|format| date_format::parse_with(text, format)))
}
