//! Finds out what an address is: a feed, a page that names feeds, a listing page.

use scraper::Html;
use url::Url;

use super::feed::read_feed;
use super::links::{canonical_url, resolve};
use super::{html, listing};
use crate::config::Select;

/// The types under which pages name their feeds.
const FEED_TYPES: &[&str] = &[
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/rdf+xml",
    "application/json",
    "application/xml",
    "text/xml",
];
/// Where sites usually keep a feed that their pages do not name.
const USUAL_PLACES: &[&str] = &["feed/", "rss.xml", "atom.xml", "feed.xml", "index.xml", "rss", "feed.json"];

/// What a document is.
#[derive(Clone, Debug)]
pub enum Guess {
    /// A feed itself.
    Feed,
    /// A web page.
    Page {
        /// The feeds that it names, the likeliest first; feeds of comments last.
        feeds: Vec<Url>,
        /// Selectors with which it can be read as a listing page.
        listing: Option<Box<Select>>,
    },
}

/// Looks at a document that came from `url`.
pub fn guess(bytes: &[u8], content_type: Option<&str>, url: &Url) -> Guess {
    if read_feed(bytes, content_type, Some(url)).is_ok() {
        return Guess::Feed;
    }
    let page = html::parse(bytes, content_type);
    Guess::Page {
        feeds: named_feeds(&page, url),
        listing: listing::guess(&page, url).map(|(select, _)| Box::new(select)),
    }
}

/// The feeds that a page names with `<link rel="alternate">`, and with plain links that are called like feeds.
pub(super) fn named_feeds(page: &Html, address: &Url) -> Vec<Url> {
    let base = html::base(page, address);
    let mut found: Vec<(u8, Url)> = Vec::new();
    for element in page.root_element().descendent_elements() {
        let Some(url) = element.attr("href").and_then(|href| Url::parse(&resolve(href, Some(&base))?).ok()) else {
            continue;
        };
        let rank = match element.value().name() {
            "link" => {
                let relation = element.attr("rel").unwrap_or_default().to_ascii_lowercase();
                let kind = element.attr("type").unwrap_or_default().to_ascii_lowercase();
                let named = relation.split_whitespace().any(|word| matches!(word, "alternate" | "feed"));
                // Sites offer their articles as JSON and oEmbed in the same way.
                let other = url.path().contains("/wp-json/") || url.path().contains("oembed");
                let title = element.attr("title").unwrap_or_default().to_ascii_lowercase();
                let comments = title.contains("comment") || url.path().contains("comments");
                (named && !other && FEED_TYPES.contains(&kind.as_str())).then_some(if comments { 3 } else { 0 })
            }
            "a" => {
                let path = url.path().trim_end_matches('/').to_ascii_lowercase();
                let called = [".rss", "/rss", "/feed", "/rss.xml", "/atom.xml", "/feed.xml", "/feed.json"]
                    .iter()
                    .any(|name| path.ends_with(name));
                called.then_some(if path.contains("comments") { 3 } else { 1 })
            }
            _ => None,
        };
        let known =
            |url: &Url| found.iter().any(|(_, other)| canonical_url(other.as_str()) == canonical_url(url.as_str()));
        if let Some(rank) = rank
            && found.len() < 50
            && !known(&url)
        {
            found.push((rank, url));
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, url)| url).collect()
}

/// Where the site of a page may have a feed: beside the page, then at its root.
pub(super) fn usual_places(address: &Url) -> Vec<Url> {
    let root = address.join("/").ok();
    let mut places: Vec<Url> = Vec::new();
    for place in USUAL_PLACES {
        places.extend(root.as_ref().and_then(|root| root.join(place).ok()).filter(|url| url != address));
    }
    places
}
