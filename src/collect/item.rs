//! One mapping for all dialects: an `item` or `entry` element to an article.

use std::sync::Arc;

use url::Url;

use super::article::Found;
use super::dates;
use super::links;
use super::text::{self, longest};
use super::wording::{self, Default as Holds};
use super::xml::Element;
use crate::domain::{UtcMillis, is_svg};

/// No more labels of one article than this are kept.
const MOST_CATEGORIES: usize = 50;

/// Reads one item. `base` is what its addresses count from when it has no base of its own.
pub(super) fn read(item: &Element, is_atom: bool, base: Option<&Arc<Url>>) -> Found {
    let mut reading = Reading { is_atom, base, ..Reading::default() };
    // CDF and RSS 1.0 say some of it on the item itself.
    reading.link = item.attribute("href").and_then(|href| reading.resolve(item, href));
    reading.updated = item.attribute("lastmod").and_then(date);
    reading.id =
        item.attribute("rdf:about").or(item.attribute("about")).map(|about| text::one_line(about, longest::ID));
    for element in item.elements() {
        reading.take(element);
    }
    reading.finish()
}

#[derive(Default)]
struct Reading<'a> {
    is_atom: bool,
    base: Option<&'a Arc<Url>>,
    id: Option<String>,
    title: Option<String>,
    media_title: Option<String>,
    link: Option<String>,
    /// In place of a link: an identifier that is an address, a link to something that is not HTML.
    id_link: Option<String>,
    other_link: Option<String>,
    original_link: Option<String>,
    published: Option<UtcMillis>,
    updated: Option<UtcMillis>,
    summary: Option<(&'a Element, Holds)>,
    content: Option<(&'a Element, Holds)>,
    media_text: Option<&'a Element>,
    author: Option<String>,
    categories: Vec<String>,
    /// Pictures, the lowest rank first taken.
    pictures: Vec<(u8, String)>,
}

impl<'a> Reading<'a> {
    fn take(&mut self, element: &'a Element) {
        match element.name.as_str() {
            "title" | "dc:title" if self.title.is_none() => {
                self.title = self.line(element, Holds::Title, longest::TITLE);
            }
            "media:title" | "itunes:title" => {
                self.media_title = self.media_title.take().or_else(|| self.line(element, Holds::Title, longest::TITLE));
            }
            "link" => self.take_link(element),
            "guid" | "id" => self.take_id(element),
            "feedburner:origlink" => self.original_link = self.resolve(element, &element.text()),
            "pubdate" | "published" | "issued" | "dcterms:issued" => {
                self.published = date(&element.text()).or(self.published);
            }
            "updated" | "modified" | "lastbuilddate" | "date" | "dc:date" | "dcterms:modified" => {
                self.updated = date(&element.text()).or(self.updated);
            }
            "description" | "dc:description" | "abstract" => self.take_summary(element, Holds::Html),
            "summary" | "itunes:summary" => self.take_summary(element, Holds::Title),
            "content" => self.take_content(element, Holds::Title),
            "content:encoded" | "fullitem" => self.take_content(element, Holds::Html),
            "body" | "xhtml:body" | "xhtml:div" => self.take_content(element, Holds::Xhtml),
            "author" | "dc:creator" | "dc:author" | "itunes:author" => {
                self.author = author(element).or(self.author.take());
            }
            "category" | "dc:subject" | "media:category" => self.take_category(element),
            "keywords" | "itunes:keywords" | "media:keywords" | "tags" => {
                for word in wording::name(element).split(',') {
                    self.add_category(word.trim().to_owned());
                }
            }
            "enclosure" | "media:content" | "media:thumbnail" | "media:group" | "media:description"
            | "itunes:image" | "image" => {
                self.take_media(element);
            }
            _ => {}
        }
    }

    fn line(&self, element: &Element, holds: Holds, limit: usize) -> Option<String> {
        Some(wording::line(element, holds, self.is_atom, limit)).filter(|line| !line.is_empty())
    }

    fn resolve(&self, element: &Element, address: &str) -> Option<String> {
        links::resolve(address, element.base.as_ref().or(self.base).map(Arc::as_ref))
    }

    /// The last link to an HTML page counts.
    fn take_link(&mut self, element: &Element) {
        let Some(href) = ["href", "url", "uri"].iter().find_map(|name| element.attribute(name)) else {
            self.link = self.resolve(element, &element.text()).or(self.link.take());
            return;
        };
        let address = self.resolve(element, href);
        let relation = element.attribute("rel").unwrap_or("alternate").to_ascii_lowercase();
        let kind = element.attribute("type").unwrap_or("text/html").to_ascii_lowercase();
        match relation.rsplit('/').next().unwrap_or_default() {
            "alternate" if matches!(kind.as_str(), "text/html" | "html" | "application/xhtml+xml" | "xhtml") => {
                self.link = address.or(self.link.take());
            }
            "alternate" => self.other_link = self.other_link.take().or(address),
            "enclosure" if kind.starts_with("image/") => {
                let shown = address.filter(|address| !is_svg(address, &kind));
                self.pictures.extend(shown.map(|address| (2, address)));
            }
            _ => {}
        }
    }

    fn take_id(&mut self, element: &Element) {
        let id = text::one_line(&element.text(), longest::ID);
        if id.is_empty() {
            return;
        }
        if element.attribute("ispermalink").is_none_or(|value| value.trim().eq_ignore_ascii_case("true")) {
            // An identifier alone is not resolved: `4711` is no address, though it could be a relative one.
            self.id_link = links::resolve(&id, None).or(self.id_link.take());
        }
        self.id = Some(id);
    }

    /// The first summary counts, until there is content: then the last one does. A second summary is content.
    fn take_summary(&mut self, element: &'a Element, holds: Holds) {
        if element.children.is_empty() {
            return;
        }
        if self.summary.is_some() && self.content.is_none() {
            self.content = Some((element, holds));
        } else {
            self.summary = Some((element, holds));
        }
    }

    fn take_content(&mut self, element: &'a Element, holds: Holds) {
        if !element.children.is_empty() {
            self.content = self.content.or(Some((element, holds)));
        }
    }

    fn take_category(&mut self, element: &Element) {
        let named = element.attribute("label").or(element.attribute("term")).filter(|name| !name.trim().is_empty());
        let category = named.map_or_else(|| wording::name(element), |name| text::one_line(name, longest::NAME));
        self.add_category(category);
    }

    fn add_category(&mut self, category: String) {
        if !category.is_empty() && self.categories.len() < MOST_CATEGORIES && !self.categories.contains(&category) {
            self.categories.push(category);
        }
    }

    fn take_media(&mut self, element: &'a Element) {
        let is_image = |address: &str| {
            let kind = element.attribute("type").unwrap_or_default().to_ascii_lowercase();
            let by_name = || {
                let path = address.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
                [".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif"].iter().any(|ending| path.ends_with(ending))
            };
            element.attribute("medium").is_some_and(|medium| medium == "image")
                || kind.starts_with("image/")
                || kind.is_empty() && element.attribute("medium").is_none() && by_name()
        };
        let address = element.attribute("url").or(element.attribute("href"));
        let rank = match element.name.as_str() {
            "media:content" => address.filter(|address| is_image(address)).map(|_| 0),
            "media:thumbnail" => Some(1),
            "enclosure" => address.filter(|address| is_image(address)).map(|_| 2),
            "itunes:image" => Some(3),
            "image" => Some(4),
            _ => None,
        };
        let sides = ["width", "height"].iter().filter_map(|side| element.attribute(side));
        let rank =
            rank.filter(|_| sides.into_iter().all(text::is_large_enough) && !address.is_some_and(text::is_avatar));
        if let Some(rank) = rank {
            let inside = element.child("url").map(Element::text);
            let inside = inside.or_else(|| Some(element.text()).filter(|_| rank >= 1));
            let address = address.map(std::borrow::Cow::Borrowed).or(inside);
            let address = address.and_then(|address| self.resolve(element, &address));
            let kind = element.attribute("type").unwrap_or_default();
            self.pictures.extend(address.filter(|address| !is_svg(address, kind)).map(|address| (rank, address)));
        }
        match element.name.as_str() {
            "media:description" => self.media_text = self.media_text.or(Some(element)),
            "media:group" | "media:content" => {
                for inner in element.elements().filter(|inner| inner.name.starts_with("media:")) {
                    self.take(inner);
                }
            }
            _ => {}
        }
    }

    fn finish(self) -> Found {
        let texts = [self.summary, self.content, self.media_text.map(|element| (element, Holds::Html))];
        let excerpt =
            texts.into_iter().flatten().find_map(|(element, holds)| self.line(element, holds, longest::EXCERPT));
        let picture = self.pictures.iter().min_by_key(|(rank, _)| *rank).map(|(_, address)| address.clone());
        let picture = picture.or_else(|| {
            let marked_up = [self.content, self.summary].into_iter().flatten();
            marked_up.into_iter().find_map(|(element, _)| self.resolve(element, &wording::picture(element)?))
        });
        let through_a_proxy =
            self.link.as_deref().is_none_or(|link| link.contains("feedburner.") || link.contains("feedproxy."));
        Found {
            title: self.title.or(self.media_title),
            url: self.original_link.filter(|_| through_a_proxy).or(self.link).or(self.id_link).or(self.other_link),
            id: self.id.filter(|id| !id.is_empty()),
            published: self.published.or(self.updated),
            excerpt,
            author: self.author,
            image: picture,
            categories: self.categories,
        }
    }
}

fn date(text: &str) -> Option<UtcMillis> {
    dates::parse(text).map(dates::Moment::in_utc)
}

/// An author's text: Atom's name and address as `name (address)`, else what is written.
fn author(element: &Element) -> Option<String> {
    let part =
        |name: &str| element.elements().find(|part| part.name.rsplit(':').next() == Some(name)).map(wording::name);
    let (name, email) = (part("name").filter(|name| !name.is_empty()), part("email").filter(|email| !email.is_empty()));
    let text = match (name, email) {
        (Some(name), Some(email)) => format!("{name} ({email})"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => wording::name(element),
    };
    (!text.is_empty()).then_some(text)
}
