//! Articles to an issue.

mod composer;
mod content;
mod due;
mod error;
mod latest;
mod layout;
mod select;
mod tend;
mod variants;

pub use composer::{Composed, Composer, Occasion, Preview, new_mail};
pub use content::{IssueArticle, IssueContent, Section};
pub use due::MISSED;
pub use error::ComposeError;
pub use latest::latest_issue;
pub use layout::DIGEST_PRIORITY;
pub use select::Selection;
pub use variants::{ALL_TOPICS, has_topic, variant};
