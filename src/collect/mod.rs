//! A source's URL to articles: fetching, reading feeds and listing pages, and finding out what an address is.
//!
//! Nothing here knows the store: what is new is decided by whoever polls.

mod article;
mod dates;
mod decode;
mod entities;
mod excerpt;
mod feed;
mod item;
mod json;
mod links;
mod markup;
mod months;
mod namespaces;
mod repair;
mod text;
mod topics;
mod wording;
mod xml;

pub use article::{Document, Found, Kind, ReadError, author_name};
pub use excerpt::tidy_excerpt;
pub use feed::read_feed;
pub use links::canonical_url;
pub use topics::topic_of;
