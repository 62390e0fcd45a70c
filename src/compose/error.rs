//! What can go wrong while an issue is composed.

use crate::render::TemplateError;
use crate::store::StoreError;

/// Composing that failed; nothing is frozen then.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A template could not be rendered.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// An issue is not laid out whole, and nothing says any more how.
    #[error(
        "the digest `{digest}` is gone from the configuration, and an issue of it is not laid out whole; put it back, so that its readers get it"
    )]
    DigestGone {
        /// The digest's id.
        digest: String,
    },
    /// Other processes kept taking the articles.
    #[error("the issue of `{digest}` could not be frozen: other processes are composing it too; try again in a minute")]
    Contended {
        /// The digest's id.
        digest: String,
    },
}
