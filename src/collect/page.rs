//! Listing pages: the articles that CSS selectors find on an HTML page.

use chrono_tz::Tz;
use scraper::ElementRef;
use url::Url;

use super::html;
use super::links::resolve;
use super::text::{longest, one_line};
use super::{Document, Found, Kind, ReadError, dates};
use crate::config::{Select, Selector};
use crate::domain::UtcMillis;

/// More items than this of one page are not read.
const MOST_ITEMS: usize = 2_000;

/// A selector of the configuration, ready to be used.
struct Part {
    css: Option<scraper::Selector>,
    attribute: Option<String>,
}

impl Part {
    fn new(selector: &Selector) -> Result<Self, ReadError> {
        let css = (!selector.css.is_empty()).then(|| css(&selector.css)).transpose()?;
        Ok(Self { css, attribute: selector.attribute.clone() })
    }

    fn optional(selector: Option<&Selector>) -> Result<Option<Self>, ReadError> {
        selector.map(Self::new).transpose()
    }

    /// The first element that it finds in an item; without CSS the item itself.
    fn element<'p>(&self, item: ElementRef<'p>) -> Option<ElementRef<'p>> {
        match &self.css {
            Some(css) => item.select(css).next(),
            None => Some(item),
        }
    }

    /// The attribute that it names, else `usual`, else the text.
    fn read(&self, item: ElementRef<'_>, usual: Option<&str>, limit: usize) -> Option<String> {
        let element = self.element(item)?;
        let text = match self.attribute.as_deref().or(usual) {
            Some(attribute) => one_line(element.attr(attribute)?, limit),
            None => html::text(element, limit),
        };
        (!text.is_empty()).then_some(text)
    }
}

pub(super) fn css(text: &str) -> Result<scraper::Selector, ReadError> {
    scraper::Selector::parse(text).map_err(|_| ReadError::Selector { css: text.to_owned() })
}

/// Reads a listing page at `address`. Dates without a time are noon of that day in `zone`, so that they show as that day
/// wherever a digest is read.
///
/// # Errors
/// [`ReadError::NoItems`] when nothing matches: a site's new layout must not look like "nothing new".
pub fn read_page(
    bytes: &[u8],
    content_type: Option<&str>,
    address: &Url,
    select: &Select,
    zone: Tz,
) -> Result<Document, ReadError> {
    if bytes.is_empty() {
        return Err(ReadError::Empty);
    }
    let page = html::parse(bytes, content_type);
    let base = html::base(&page, address);
    let item = css(&select.item.css)?;
    let reader = Reader {
        title: Part::new(&select.title)?,
        link: Part::new(&select.link)?,
        date: Part::optional(select.date.as_ref())?,
        date_format: select.date_format.as_deref(),
        excerpt: Part::optional(select.excerpt.as_ref())?,
        author: Part::optional(select.author.as_ref())?,
        image: Part::optional(select.image.as_ref())?,
        category: Part::optional(select.category.as_ref())?,
        base,
        zone,
    };
    let mut items = 0;
    let mut articles = Vec::new();
    for item in page.select(&item).take(MOST_ITEMS) {
        items += 1;
        articles.extend(reader.article(item));
    }
    match (items, articles.is_empty()) {
        (0, _) => Err(ReadError::NoItems { selector: select.item.css.clone() }),
        (items, true) => Err(ReadError::NoArticles { items }),
        _ => Ok(Document {
            kind: Kind::Page,
            title: title(bytes, content_type),
            home: Some(address.to_string()),
            repaired: false,
            articles,
        }),
    }
}

/// The page's own name.
pub(super) fn title(bytes: &[u8], content_type: Option<&str>) -> Option<String> {
    let text = super::decode::html(&bytes[..bytes.len().min(200_000)], content_type).text;
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = super::text::from_html(text.get(start..end)?, longest::TITLE);
    (!title.is_empty()).then_some(title)
}

struct Reader<'s> {
    title: Part,
    link: Part,
    date: Option<Part>,
    date_format: Option<&'s str>,
    excerpt: Option<Part>,
    author: Option<Part>,
    image: Option<Part>,
    category: Option<Part>,
    base: Url,
    zone: Tz,
}

impl Reader<'_> {
    fn article(&self, item: ElementRef<'_>) -> Option<Found> {
        let title = self.title.read(item, None, longest::TITLE)?;
        let link = self.link.read(item, Some("href"), longest::ID)?;
        let url = resolve(&link, Some(&self.base))?;
        let read = |part: &Option<Part>, limit| part.as_ref().and_then(|part| part.read(item, None, limit));
        let image = self.image.as_ref().and_then(|part| part.read(item, Some("src"), longest::ID));
        Some(Found {
            id: None,
            title: Some(title),
            url: Some(url),
            published: self.published(item),
            excerpt: read(&self.excerpt, longest::EXCERPT),
            author: read(&self.author, longest::NAME),
            image: image.and_then(|image| resolve(&image, Some(&self.base))),
            categories: read(&self.category, longest::NAME).into_iter().collect(),
        })
    }

    fn published(&self, item: ElementRef<'_>) -> Option<UtcMillis> {
        let part = self.date.as_ref()?;
        if let Some(format) = self.date_format {
            return dates::parse_with(&part.read(item, None, longest::NAME)?, format).map(|at| at.in_zone(self.zone));
        }
        let stamped = part.element(item).and_then(|element| element.attr("datetime")).and_then(dates::parse);
        let written = || dates::parse(&part.read(item, None, longest::NAME)?);
        stamped.or_else(written).map(|at| at.in_zone(self.zone))
    }
}
