//! A source's URL to articles: fetching, reading feeds and listing pages, and finding out what an address is.
//!
//! Only `poll` knows the store: it records what was read. What is new for a digest is decided by `compose`.
//!
//! - [`Fetcher`] brings a document, within limits of size, time and place;
//! - [`read_source`], [`read_feed`] and [`read_page`] make a [`Document`] of it;
//! - [`guess()`] and [`check()`] find out what an address is;
//! - [`canonical_url`], [`story_key`], [`topic_of`] and [`tidy_excerpt`] are for storing what was found.

mod article;
mod check;
mod checked;
mod date_format;
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
mod listing;
mod markup;
mod months;
mod namespaces;
mod network;
mod page;
mod parts;
mod poll;
mod repair;
mod signature;
mod text;
mod topics;
mod unclosed;
mod wording;
mod xml;
mod zones;

use chrono_tz::Tz;

pub use article::{Document, Found, Kind, ReadError, author_name};
pub use check::{CheckError, check};
pub use checked::Checked;
pub use excerpt::tidy_excerpt;
pub use feed::read_feed;
pub use fetch::{Body, Fetched, Fetcher, Limits, Validators};
pub use fetch_error::FetchError;
pub use guess::{Guess, guess};
pub use links::{canonical_url, story_key};
pub use page::read_page;
pub use poll::{PollStatus, Polled, Read, read_sources};
pub use topics::topic_of;

use crate::config::{Source, SourceKind};

/// Reads what was fetched from a source, as a feed or as a page. `timezone` is where the days of a page are local.
///
/// # Errors
/// [`ReadError`] when it gives no articles for a reason that a person should know.
pub fn read_source(source: &Source, body: &Body, timezone: Tz) -> Result<Document, ReadError> {
    let content_type = body.content_type.as_deref();
    match &source.kind {
        SourceKind::Feed(_) => read_feed(&body.bytes, content_type, Some(&body.url)),
        SourceKind::Page { select, .. } => read_page(&body.bytes, content_type, &body.url, select, timezone),
    }
}
