//! A source's URL to articles: fetching, reading feeds and listing pages, and finding out what an address is.
//!
//! Only `poll` knows the store: it records what was read. What is new for a digest is decided by `compose`.

mod article;
mod check;
mod dates;
mod decode;
mod entities;
mod excerpt;
mod feed;
mod fetch;
mod fetch_error;
mod guess;
mod html;
mod item;
mod json;
mod links;
mod markup;
mod months;
mod namespaces;
mod network;
mod page;
mod poll;
mod repair;
mod text;
mod topics;
mod wording;
mod xml;

pub use article::{Document, Found, Kind, ReadError, author_name};
pub use check::{CheckError, Checked, check};
pub use excerpt::tidy_excerpt;
pub use feed::read_feed;
pub use fetch::{Body, Fetched, Fetcher, Limits, Validators};
pub use fetch_error::FetchError;
pub use links::canonical_url;
pub use page::read_page;
pub use poll::{PollStatus, Polled, Read, read_sources};
pub use topics::topic_of;

use chrono_tz::Tz;

use crate::config::{Source, SourceKind};

/// Reads what a source's address gave, as a feed or as a listing page.
///
/// # Errors
/// When it has no articles that can be read.
pub fn read_source(source: &Source, body: &Body, zone: Tz) -> Result<Document, ReadError> {
    let content_type = body.content_type.as_deref();
    match &source.kind {
        SourceKind::Feed(_) => read_feed(&body.bytes, content_type, Some(&body.url)),
        SourceKind::Page { select, .. } => read_page(&body.bytes, content_type, &body.url, select, zone),
    }
}
