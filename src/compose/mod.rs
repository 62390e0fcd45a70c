//! Articles to an issue.

mod composer;
mod content;
mod control;
mod correct;
mod due;
mod error;
mod fold;
mod frozen;
mod hold;
mod latest;
mod layout;
mod links;
mod page;
mod preview;
mod seen;
mod select;
mod tend;
mod then;
mod variants;
mod withdraw;

pub use composer::{Composed, Composer, Occasion, Reading, new_mail};
pub use content::{Intro, IssueArticle, IssueContent, Section};
pub use control::Because;
pub use correct::Corrected;
pub use due::{HELD, MISSED, OVERTAKEN};
pub use error::ComposeError;
pub use latest::latest_issue;
pub use layout::DIGEST_PRIORITY;
pub(crate) use links::linked;
pub use links::{ClickUrl, with_utm};
pub use page::IssuePage;
pub use preview::{Preview, Reckoning};
pub use select::Selection;
pub(crate) use select::places;
pub use variants::{ALL_TOPICS, has_topic, variant};
pub use withdraw::Withdrawn;
