//! What can go wrong while an issue is composed.

use crate::domain::{IssueState, UtcMillis};
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
    /// The clock has not been set since the machine started.
    #[error(
        "the clock says {now}, which is long past; nothing is scheduled, composed or read until it is set: see that it is kept by NTP"
    )]
    Clock {
        /// What it says.
        now: UtcMillis,
    },
    /// An issue is not laid out whole, and nothing says any more how.
    #[error(
        "the digest `{digest}` is gone from the configuration, and an issue of it is not laid out whole; put it back, so that its readers get it"
    )]
    DigestGone {
        /// The digest's id.
        digest: String,
    },
    /// There is no such issue.
    #[error("there is no issue {id}; `issue list` shows them")]
    NoIssue {
        /// The id that was asked for.
        id: i64,
    },
    /// What is wanted of an issue does not go with its state.
    #[error("issue {id} cannot be {wish}: it is {state}, and {rule}")]
    WrongState {
        /// The issue.
        id: i64,
        /// Its state.
        state: IssueState,
        /// What was wanted, as in `held`.
        wish: &'static str,
        /// For which issues it is possible.
        rule: &'static str,
    },
    /// It is not kept any more who got the issue.
    #[error(
        "issue {id} cannot be {wish}: since {since} it is not kept who got it; `[retention] deliveries` says for how long it is"
    )]
    Folded {
        /// The issue.
        id: i64,
        /// Since when.
        since: UtcMillis,
        /// What was wanted, as in `corrected`.
        wish: &'static str,
    },
    /// The issue does not have the article.
    #[error("issue {id} has no article `{named}`; `issue show {id}` lists them: name one by its id, address or title")]
    NoArticle {
        /// The issue.
        id: i64,
        /// What was asked for.
        named: String,
    },
    /// Several articles are called that.
    #[error("issue {id} has several articles `{named}`; name one by its id, which `issue show {id}` lists")]
    SeveralArticles {
        /// The issue.
        id: i64,
        /// What was asked for.
        named: String,
    },
    /// The article was withdrawn before.
    #[error("`{title}` has been withdrawn from issue {id} already")]
    WithdrawnBefore {
        /// The issue.
        id: i64,
        /// The article's title.
        title: String,
    },
    /// The frozen page of an issue cannot be written or read.
    #[error("the page of issue {issue} in the store is damaged: {source}")]
    Page {
        /// The issue.
        issue: i64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A correction without a word.
    #[error("the correction is empty; write what was wrong and what is right")]
    EmptyCorrection,
    /// A correction that mail programs would cut off.
    #[error(
        "the correction is too long: its mail has {octets} octets of HTML, and beyond {limit} Gmail cuts a mail off, and with \
         it the link to leave; say it in fewer words, and link to a page that has the rest"
    )]
    LongCorrection {
        /// How long the HTML is.
        octets: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Other processes kept taking the articles.
    #[error("the issue of `{digest}` could not be frozen: other processes are composing it too; try again in a minute")]
    Contended {
        /// The digest's id.
        digest: String,
    },
}
