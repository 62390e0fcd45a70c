//! What a source says: a document and its articles, as clean single lines of text.

use serde::Serialize;

use crate::domain::UtcMillis;

/// The kind of document that articles were read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// RSS 0.9x to 2.0, RSS 1.0 (RDF), and CDF.
    Rss,
    /// Atom 0.3 and 1.0.
    Atom,
    /// JSON Feed.
    Json,
    /// An HTML listing page.
    Page,
}

/// A feed or a listing page, read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// How it calls itself.
    pub title: Option<String>,
    /// The page that it belongs to: an http or https address.
    pub home: Option<String>,
    /// Whether it was damaged and had to be repaired to be read.
    pub repaired: bool,
    /// Its articles, in its own order.
    pub articles: Vec<Found>,
}

/// One article of a source. Texts are plain, single-line and trimmed, without control characters; addresses are http
/// or https; what the source does not have is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The source's own identifier (guid, Atom id), as the source writes it.
    pub id: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Where it can be read.
    pub url: Option<String>,
    /// When it was published, else when it was last changed.
    pub published: Option<UtcMillis>,
    /// Its summary or description, else its content.
    pub excerpt: Option<String>,
    /// Who wrote it, as the source writes it: it may hold an email address (see [`author_name`]).
    pub author: Option<String>,
    /// A picture.
    pub image: Option<String>,
    /// The source's labels for it.
    pub categories: Vec<String>,
}

impl Found {
    /// Whether the source says nothing at all about it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a document gave no articles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing there.
    #[error("the document is empty; look at the address in a browser")]
    Empty,
    /// A web page where a feed was expected.
    #[error(
        "this is a web page, not a feed; `postround source check` finds the feed that it names, or reads it as a listing page"
    )]
    WebPage,
    /// Anything else where a feed was expected.
    #[error("this is neither RSS nor Atom nor JSON Feed; check that the address leads to the feed itself")]
    NotAFeed,
    /// Something that begins like a JSON Feed and cannot be read as one.
    #[error("this is not a JSON Feed that can be read: {0}")]
    Json(String),
    /// A listing page where nothing matches.
    #[error(
        "nothing on the page matches `select.item = \"{selector}\"`; the site may have changed its layout: `postround source check` guesses the selectors anew"
    )]
    NoItems {
        /// The selector of the items.
        selector: String,
    },
    /// A listing page whose items have neither titles nor links.
    #[error(
        "{items} items on the page match `select.item`, but none has both a title (`select.title`) and a link (`select.link`); `postround source check` guesses the selectors anew"
    )]
    NoArticles {
        /// How many items matched.
        items: usize,
    },
    /// A selector that is not CSS.
    #[error("`{css}` is not a CSS selector; one looks like `article h3 a`")]
    Selector {
        /// What was given.
        css: String,
    },
}

/// The name in an author's text without any email address: `Jo Bloggs` of `jo@example.org (Jo Bloggs)`.
pub fn author_name(author: &str) -> Option<String> {
    let words = author.split_whitespace().map(|word| word.trim_matches(|c| "()<>[],;\"".contains(c)));
    let name = words.filter(|word| !word.is_empty() && !word.contains('@')).collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::author_name;

    #[test]
    fn a_name_is_shown_without_its_address() {
        assert_eq!(author_name("jo@example.org (Jo Bloggs)").as_deref(), Some("Jo Bloggs"));
        assert_eq!(author_name("Jo Bloggs <jo@example.org>").as_deref(), Some("Jo Bloggs"));
        assert_eq!(author_name("Jo Bloggs").as_deref(), Some("Jo Bloggs"));
        assert_eq!(author_name("jo@example.org"), None);
    }
}
