//! Tries any address or saved file: it is a feed, names one, or lists articles.

use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;
use url::Url;

use super::article::{Document, Kind, ReadError};
use super::checked::{Checked, config_lines};
use super::feed::read_feed;
use super::fetch::{Body, Fetched, Fetcher, Validators};
use super::fetch_error::FetchError;
use super::guess::{named_feeds, usual_places};
use super::{html, links, listing};
use crate::config::{Select, SourceKind};

/// The largest file that is read.
const LARGEST_FILE: u64 = 10 * 1024 * 1024;
/// How many feeds that a page names, and how many usual places, are tried.
const MOST_NAMED: usize = 3;
const MOST_PLACES: usize = 5;

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Neither an address nor a file.
    #[error("`{0}` is neither a web address nor a file here; an address begins with https://")]
    NoTarget(String),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{} is larger than 10 MiB: that is no feed or listing page", .0.display())]
    LargeFile(PathBuf),
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A page without a feed and without a list of articles.
    #[error(
        "{0} names no feed, and no list of articles was found on it; try the page that lists the site's news, or write `select` by hand"
    )]
    NoArticles(String),
}

/// Tries a web address or a saved file. Of a web page it takes the feed that the page names, else one at a usual place,
/// else the page itself with guessed selectors; for a file nothing is fetched.
///
/// # Errors
/// [`CheckError`] says why nothing came of it.
pub async fn check(target: &str, fetcher: &Fetcher) -> Result<Checked, CheckError> {
    if let Some(url) = address(target) {
        return check_address(&url, fetcher).await;
    }
    let path = Path::new(target);
    if !path.is_file() {
        // A bare `example.org/feed` is meant as an address.
        let guessed = Url::parse(&format!("https://{target}")).ok();
        let host = guessed
            .filter(|url| !target.starts_with(['/', '.']) && url.host_str().is_some_and(|host| host.contains('.')));
        let url = host.ok_or_else(|| CheckError::NoTarget(target.chars().take(200).collect()))?;
        return check_address(&url, fetcher).await;
    }
    check_file(path).await
}

fn address(target: &str) -> Option<Url> {
    let target = target.trim();
    let target = match target.split_once("://") {
        Some(("feed", rest)) => format!("https://{rest}"),
        _ => target.to_owned(),
    };
    Url::parse(&target).ok().filter(|_| target.contains("://"))
}

async fn check_address(url: &Url, fetcher: &Fetcher) -> Result<Checked, CheckError> {
    let body = fetch(url, fetcher).await?;
    let error = match read_feed(&body.bytes, body.content_type.as_deref(), Some(&body.url)) {
        Ok(document) => return Ok(a_feed(document, Some(&body.url), Vec::new())),
        Err(error) => error,
    };
    if matches!(error, ReadError::Empty | ReadError::Json(_)) {
        return Err(error.into());
    }
    let (named, guessed) = look(&body);
    let places = if named.is_empty() { usual_places(&body.url) } else { Vec::new() };
    for feed in named.iter().take(MOST_NAMED).chain(places.iter().take(MOST_PLACES)) {
        let Ok(body) = fetch(feed, fetcher).await else { continue };
        if let Ok(document) = read_feed(&body.bytes, body.content_type.as_deref(), Some(&body.url))
            && !document.articles.is_empty()
        {
            let mut notes = vec![format!("{url} is a web page; its feed {} is read instead.", body.url)];
            notes.extend(others(&named, &body.url));
            if let Some((select, listed)) = guessed {
                let lines = config_lines(Some(url), Some(&select), None);
                notes.push(format!(
                    "The page itself can be read as a listing too, of {} articles:\n{lines}",
                    listed.articles.len()
                ));
            }
            return Ok(a_feed(document, Some(&body.url), notes));
        }
    }
    match guessed {
        Some((select, document)) => Ok(a_page(document, select, Some(&body.url), Vec::new())),
        None => Err(CheckError::NoArticles(url.to_string())),
    }
}

/// The feeds that a page names, and the best guess at it as a listing. It takes a while for a large page.
fn look(body: &Body) -> (Vec<Url>, Option<(Select, Document)>) {
    let page = html::parse(&body.bytes, body.content_type.as_deref());
    (named_feeds(&page, &body.url), listing::guess(&page, &body.url))
}

fn others(named: &[Url], taken: &Url) -> Option<String> {
    let others: Vec<&str> = named.iter().filter(|url| *url != taken).take(5).map(Url::as_str).collect();
    (!others.is_empty()).then(|| format!("The page also names {}.", others.join(", ")))
}

async fn fetch(url: &Url, fetcher: &Fetcher) -> Result<Body, FetchError> {
    match fetcher.get(url, &Validators::default()).await? {
        Fetched::Body(body) => Ok(body),
        Fetched::NotModified => Err(FetchError::Unexpected { url: url.to_string(), status: 304 }),
    }
}

async fn check_file(path: &Path) -> Result<Checked, CheckError> {
    let failed = |source| CheckError::File { path: path.to_owned(), source };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(CheckError::LargeFile(path.to_owned()));
    }
    match read_feed(&bytes, None, None) {
        Ok(document) => return Ok(a_feed(document, None, Vec::new())),
        Err(error @ (ReadError::Empty | ReadError::Json(_))) => return Err(error.into()),
        Err(_) => {}
    }
    let page = html::parse(&bytes, None);
    let own = own_address(&page);
    let address = own.clone().or_else(|| Url::parse("https://example.org/").ok());
    let address = address.ok_or(ReadError::NotAFeed)?;
    let feeds = named_feeds(&page, &address);
    let mut notes = Vec::new();
    if own.is_none() {
        notes.push(format!("The file does not say where it came from: relative links are shown as if from {address}."));
    }
    notes.extend(
        feeds
            .first()
            .map(|feed| format!("The page names a feed, {feed}, which is better to read if it has the same articles.")),
    );
    match listing::guess(&page, &address) {
        Some((select, document)) => Ok(a_page(document, select, own.as_ref(), notes)),
        None => Err(CheckError::NoArticles(path.display().to_string())),
    }
}

/// The address that a saved page says it has.
fn own_address(page: &scraper::Html) -> Option<Url> {
    page.root_element().descendent_elements().find_map(|element| {
        let value = match element.value().name() {
            "link" if element.attr("rel") == Some("canonical") => element.attr("href"),
            "meta" if element.attr("property") == Some("og:url") => element.attr("content"),
            "base" => element.attr("href"),
            _ => None,
        };
        Url::parse(value?).ok().filter(links::is_web)
    })
}

fn a_feed(document: Document, url: Option<&Url>, mut notes: Vec<String>) -> Checked {
    if document.repaired && document.kind != Kind::Page {
        notes.push("The feed is damaged and was repaired.".to_owned());
    }
    if document.articles.is_empty() {
        notes.push("The feed has no articles at present.".to_owned());
    }
    let config = config_lines(url, None, document.title.as_deref());
    Checked { document, source: url.cloned().map(SourceKind::Feed), config, notes }
}

fn a_page(document: Document, select: Select, url: Option<&Url>, mut notes: Vec<String>) -> Checked {
    if document.articles.iter().all(|found| found.published.is_none()) {
        notes.push("No dates were found: its articles count as new when they are first seen.".to_owned());
    }
    let config = config_lines(url, Some(&select), document.title.as_deref());
    let source = url.map(|url| SourceKind::Page { url: url.clone(), select: Box::new(select) });
    Checked { document, source, config, notes }
}
