//! Articles to an issue.

mod content;

pub use content::{IssueArticle, IssueContent, Section};
