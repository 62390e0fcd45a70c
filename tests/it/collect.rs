//! What the outside sees of `collect`.

mod checking;
mod feeds;
mod fetching;
mod guessing;
mod hostile;
mod limits;
mod pages;
mod real_feeds;
mod repetition;
mod shown;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use postround::collect::{Body, Document, FetchError, Fetched, Fetcher, Found, Limits, Validators, read_feed};
use postround::config::{Select, Selector};
use url::Url;

/// Where a fixture of this room is.
fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/collect")).join(name)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixture_path(name)).unwrap()
}

/// What a feed says.
fn feed(text: &str) -> Document {
    read_feed(text.as_bytes(), None, None).unwrap()
}

/// The article of an RSS item with this inside.
fn item(inside: &str) -> Found {
    feed(&format!("<rss version='2.0'><channel><item>{inside}</item></channel></rss>")).articles.swap_remove(0)
}

/// The article of an Atom entry with this inside.
fn entry(inside: &str) -> Found {
    let head = "<feed xmlns='http://www.w3.org/2005/Atom'>";
    feed(&format!("{head}<entry>{inside}</entry></feed>")).articles.swap_remove(0)
}

/// Limits that a test can reach in little time.
fn small() -> Limits {
    Limits { max_bytes: 1024 * 1024, timeout: Duration::from_secs(20), max_redirects: 5 }
}

/// A fetcher that reaches the servers of these tests, which are on loopback addresses.
fn local(limits: Limits) -> Fetcher {
    Fetcher::new(limits, true).unwrap()
}

async fn get(fetcher: &Fetcher, url: &str) -> Result<Body, FetchError> {
    match fetcher.get(&Url::parse(url).unwrap(), &Validators::default()).await? {
        Fetched::Body(body) => Ok(body),
        Fetched::NotModified => panic!("nothing was known before"),
    }
}

/// A selector as the configuration writes it.
fn selector(text: &str) -> Selector {
    let (css, attribute) = text.split_once('@').map_or((text, None), |(css, name)| (css, Some(name.to_owned())));
    Selector { css: css.to_owned(), attribute }
}

/// The selectors of the listing pages of these tests.
fn select() -> Select {
    Select {
        item: selector("article"),
        title: selector("h3"),
        link: selector("a.more"),
        date: Some(selector(".date")),
        date_format: Some("%d/%m/%Y".to_owned()),
        excerpt: Some(selector(".excerpt")),
        author: None,
        image: None,
        category: None,
    }
}
