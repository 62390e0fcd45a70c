//! What an engine tells whoever listens, such as the operator's alerts.

/// Something that an operator may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A relay has failed, in these words, and is left alone for a while.
    RelayFailed {
        /// Its id.
        relay: String,
        /// What it said, or what broke.
        words: String,
    },
    /// A relay that had failed works again.
    RelayWorks {
        /// Its id.
        relay: String,
    },
    /// A relay has asked for less speed.
    RelayThrottled {
        /// Its id.
        relay: String,
        /// What it said.
        words: String,
    },
    /// An issue is held since too many of its deliveries failed.
    IssueHeld {
        /// Its row id.
        issue: i64,
        /// Why.
        reason: String,
    },
}
