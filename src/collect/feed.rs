//! Feeds of every XML dialect, however damaged, and JSON Feed, to a document.

use std::sync::Arc;

use url::Url;

use super::article::{Document, Kind, ReadError};
use super::text::{self, longest};
use super::xml::Element;
use super::{decode, item, json, links, wording, xml};

/// No more articles of one document than this are taken.
pub(super) const MOST_ARTICLES: usize = 20_000;

/// Reads RSS 0.9x to 2.0, RSS 1.0, Atom 0.3 and 1.0 or JSON Feed, repairing what is damaged. `content_type` is that of
/// the response; `base` is where it came from: without one, relative addresses count from the feed's own link.
///
/// # Errors
/// [`ReadError`] when it is no feed at all.
pub fn read_feed(bytes: &[u8], content_type: Option<&str>, base: Option<&Url>) -> Result<Document, ReadError> {
    let decoded = decode::xml(bytes, content_type);
    let text = decoded.text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
    if text.is_empty() {
        return Err(ReadError::Empty);
    }
    if text.starts_with(['{', '[']) {
        return json::read(text, decoded.repaired, base);
    }
    let tree = xml::read(&decoded.text, base);
    let mut parts = Parts::default();
    parts.gather(&tree.root);
    let Some(channel) = parts.channel.or_else(|| parts.items.first().map(|_| &tree.root)) else {
        return Err(if parts.is_page { ReadError::WebPage } else { ReadError::NotAFeed });
    };
    if parts.is_page && parts.channel.is_none() {
        return Err(ReadError::WebPage);
    }
    let is_atom = parts.is_atom || parts.items.first().is_some_and(|item| item.name == "entry");
    let (home, own) = addresses(channel);
    let base = channel.base.clone().or(own);
    let articles =
        parts.items.iter().map(|item| item::read(item, is_atom, base.as_ref())).filter(|found| !found.is_empty());
    let title = channel.child("title").or_else(|| channel.child("dc:title"));
    let title = title.map(|title| wording::line(title, wording::Default::Title, is_atom, longest::TITLE));
    Ok(Document {
        kind: if is_atom { Kind::Atom } else { Kind::Rss },
        title: title.filter(|title| !title.is_empty()),
        home,
        repaired: decoded.repaired || tree.repaired,
        articles: articles.collect(),
    })
}

/// The parts of a document that matter, wherever they stand.
#[derive(Default)]
struct Parts<'a> {
    channel: Option<&'a Element>,
    items: Vec<&'a Element>,
    is_atom: bool,
    is_page: bool,
}

impl<'a> Parts<'a> {
    fn gather(&mut self, parent: &'a Element) {
        for element in parent.elements() {
            match element.name.as_str() {
                "item" | "entry" => {
                    if self.items.len() < MOST_ARTICLES {
                        self.items.push(element);
                    }
                    continue;
                }
                "feed" | "channel" => {
                    let better = self.channel.is_none_or(|known| known.name != "channel" && known.name != "feed");
                    if better {
                        self.channel = Some(element);
                        self.is_atom = element.name == "feed";
                    }
                }
                "rss" | "rdf:rdf" | "rdf" if self.channel.is_none() => self.channel = Some(element),
                "html" | "xhtml:html" => self.is_page = true,
                _ => {}
            }
            self.gather(element);
        }
    }
}

/// The page that the feed belongs to, and what relative addresses count from when the feed has no address itself.
fn addresses(channel: &Element) -> (Option<String>, Option<Arc<Url>>) {
    let base = channel.base.as_deref();
    let (mut home, mut itself) = (None, None);
    for link in channel.elements().filter(|element| element.name == "link") {
        let relation = link.attribute("rel").unwrap_or("alternate").to_ascii_lowercase();
        let address = match link.attribute("href") {
            Some(href) => links::resolve(href, base),
            None => links::resolve(&link.text(), base),
        };
        match relation.as_str() {
            "alternate" => home = home.or(address),
            "self" => itself = itself.or(address),
            _ => {}
        }
    }
    let home = home.or_else(|| links::resolve(channel.attribute("href")?, base));
    let own = itself.as_deref().filter(|_| home.is_none()).or(home.as_deref());
    let own = own.and_then(|address| Url::parse(address).ok()).map(Arc::new);
    (home.map(|home| text::one_line(&home, longest::ID)), own)
}
