//! Mails that go out without a signature, since they were made with a sender that `[dkim]` is not for any more.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::message::Job;

/// An issue that goes out unsigned, or some of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedIssue {
    /// Its id.
    pub issue: i64,
    /// The domain of its sender.
    pub from: String,
    /// The domain that is signed for.
    pub domain: String,
}

/// What has gone out so, as far as this engine has seen.
#[derive(Default)]
pub struct Unsigned(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    /// By the domain of the sender and the issue; none: mails of no issue.
    seen: BTreeSet<(Option<i64>, String)>,
    /// What nobody has asked for yet.
    news: Vec<UnsignedIssue>,
}

impl Unsigned {
    /// A delivery goes out unsigned where that domain is signed for. It is in the log once for each issue.
    pub fn note(&self, job: &Job, domain: &str) {
        let (issue, from) = (job.row.issue_id, job.from().domain().to_owned());
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !noted.seen.insert((issue, from.clone())) {
            return;
        }
        tracing::warn!(
            issue,
            from,
            domain,
            "the sender is of another domain than `[dkim]` signs for; what was made with it goes out without a signature"
        );
        noted.news.extend(issue.map(|issue| UnsignedIssue { issue, from, domain: domain.to_owned() }));
    }

    /// The issues that have come up since this was asked for last.
    pub fn news(&self) -> Vec<UnsignedIssue> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).news)
    }
}
