//! Tries any address or saved file: reads its feed, finds the feed that it names, or guesses its listing.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::{
    Body, Document, FetchError, Fetched, Fetcher, Kind, ReadError, Validators, guess, html, read_feed, read_page,
};
use crate::config::{Select, Selector};

/// What an address or a file came to.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its articles.
    pub document: Document,
    /// The address that a configuration would name.
    pub address: String,
    /// The guessed selectors of a listing page.
    pub select: Option<Box<Select>>,
}

/// Why an address or a file came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The address could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file could not be read.
    #[error("cannot read {path}: {source}; give the address of a site, or a saved file", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What was read has no articles.
    #[error("{target}: {source}")]
    Read {
        /// The address or the file.
        target: String,
        /// Why.
        source: ReadError,
    },
    /// A web page without a feed or a listing.
    #[error(
        "{target} is a web page that names no feed, and no listing of articles could be found on it; try the page that lists the articles"
    )]
    NoListing {
        /// The address or the file.
        target: String,
    },
}

/// Reads `target`, an http or https address or a file.
///
/// # Errors
/// [`CheckError`] says what is wrong with it.
pub async fn check(target: &str, fetcher: &Fetcher) -> Result<Checked, CheckError> {
    let url = Url::parse(target).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = url else {
        let file = |source| CheckError::File { path: target.into(), source };
        let bytes = tokio::fs::read(target).await.map_err(file)?;
        return blocking(target.to_owned(), bytes, None, None).await?.map_or_else(|_| no_listing(target), Ok);
    };
    let Body { bytes, content_type, url, .. } = fetch(fetcher, &url).await?;
    match blocking(target.to_owned(), bytes, content_type, Some(url)).await? {
        Ok(checked) => Ok(checked),
        Err(feeds) => {
            for feed in feeds {
                let Ok(body) = fetch(fetcher, &feed).await else { continue };
                if let Ok(document) = read_feed(&body.bytes, body.content_type.as_deref(), Some(&body.url)) {
                    return Ok(Checked { document, address: feed.to_string(), select: None });
                }
            }
            no_listing(target)
        }
    }
}

fn no_listing(target: &str) -> Result<Checked, CheckError> {
    Err(CheckError::NoListing { target: target.to_owned() })
}

async fn fetch(fetcher: &Fetcher, url: &Url) -> Result<Body, FetchError> {
    match fetcher.get(url, &Validators::default()).await? {
        Fetched::Body(body) => Ok(body),
        // Nothing was asked about, so this is no answer.
        Fetched::NotModified => Err(FetchError::Unexpected { url: url.to_string(), status: 304 }),
    }
}

/// Reads in a thread of its own, since a large document takes its time. `Err` inside: a page's feeds, to be tried.
async fn blocking(
    target: String,
    bytes: Vec<u8>,
    content_type: Option<String>,
    url: Option<Url>,
) -> Result<Result<Checked, Vec<Url>>, CheckError> {
    let failed = CheckError::NoListing { target: target.clone() };
    let read = tokio::task::spawn_blocking(move || read(&target, &bytes, content_type.as_deref(), url.as_ref()));
    read.await.map_err(|_| failed)?
}

fn read(
    target: &str,
    bytes: &[u8],
    content_type: Option<&str>,
    url: Option<&Url>,
) -> Result<Result<Checked, Vec<Url>>, CheckError> {
    let address = url.map_or_else(|| target.to_owned(), Url::to_string);
    let source = match read_feed(bytes, content_type, url) {
        Ok(document) => return Ok(Ok(Checked { document, address, select: None })),
        Err(source @ (ReadError::WebPage | ReadError::NotAFeed)) => source,
        Err(source) => return Err(CheckError::Read { target: target.to_owned(), source }),
    };
    let somewhere = || Url::parse("http://localhost/").ok();
    let Some(base) = url.cloned().or_else(somewhere) else { return Ok(Err(Vec::new())) };
    let page = html::parse(bytes, content_type);
    let feeds = if url.is_some() { guess::feeds(&page, &base) } else { Vec::new() };
    if !feeds.is_empty() {
        return Ok(Err(feeds));
    }
    let Some(select) = guess::listing(&page) else {
        return if source == ReadError::NotAFeed {
            Err(CheckError::Read { target: target.to_owned(), source })
        } else {
            Ok(Err(Vec::new()))
        };
    };
    let document = read_page(bytes, content_type, &base, &select, chrono_tz::UTC);
    let document = document.map_err(|source| CheckError::Read { target: target.to_owned(), source })?;
    Ok(Ok(Checked { document, address, select: Some(Box::new(select)) }))
}

/// For people: what it is, its articles, and the lines to paste into a configuration.
impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let document = &self.document;
        let kind = match document.kind {
            Kind::Rss => "an RSS feed",
            Kind::Atom => "an Atom feed",
            Kind::Json => "a JSON Feed",
            Kind::Page => "a listing page",
        };
        let repaired = if document.repaired { ", repaired" } else { "" };
        let title = document.title.as_deref().unwrap_or("no title");
        writeln!(f, "{}: {kind}{repaired}, \"{title}\", {} articles", self.address, document.articles.len())?;
        for found in &document.articles {
            let date =
                found.published.map_or_else(|| "no date".to_owned(), |at| at.to_utc().format("%Y-%m-%d").to_string());
            writeln!(f, "\n  {date:10}  {}", found.title.as_deref().unwrap_or("no title"))?;
            writeln!(f, "              {}", found.url.as_deref().unwrap_or("no link"))?;
        }
        let quoted = |text: &str| toml::Value::from(text).to_string();
        writeln!(f, "\n[[source]]\nid = \"news\"")?;
        let Some(select) = &self.select else {
            return write!(f, "feed = {}\ntopic = \"news\"", quoted(&self.address));
        };
        writeln!(f, "page = {}\ntopic = \"news\"", quoted(&self.address))?;
        let part = |selector: &Selector| match &selector.attribute {
            Some(attribute) => quoted(&format!("{}@{attribute}", selector.css)),
            None => quoted(&selector.css),
        };
        write!(
            f,
            "select = {{ item = {}, title = {}, link = {}",
            part(&select.item),
            part(&select.title),
            part(&select.link)
        )?;
        for (key, selector) in [("date", &select.date), ("excerpt", &select.excerpt), ("image", &select.image)] {
            if let Some(selector) = selector {
                write!(f, ", {key} = {}", part(selector))?;
            }
            if let (true, Some(format)) = (key == "date", &select.date_format) {
                write!(f, ", date_format = {}", quoted(format))?;
            }
        }
        write!(f, " }}")
    }
}
