//! A source's URL to articles.
