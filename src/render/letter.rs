//! The mails beside the digest: each is a short letter, laid out by the template of its name.

use chrono::NaiveDate;

use super::slots::Slot;
use super::text::one_line;
use crate::compose::IssueContent;

/// A mail beside the digest, with what it says.
#[derive(Clone, Debug)]
pub enum Letter<'a> {
    /// Asks whether an address really wants what somebody chose for it.
    Confirmation {
        /// What they get if they agree; at least one.
        wanted: Vec<Wanted>,
        /// The day of the first issue that they get, where it is known.
        first_issue: Option<NaiveDate>,
        /// How long the link works.
        valid: Valid,
        /// After how many days without an answer the request is forgotten.
        days: u32,
        /// Whether it is asked once more.
        reminder: bool,
    },
    /// Somebody asked for what they have already.
    Subscribed {
        /// All of it; at least one.
        had: Vec<Had>,
    },
    /// Somebody wants their mails at an address that is subscribed itself.
    Taken,
    /// The link to everything about them.
    Manage {
        /// How long it works.
        valid: Valid,
    },
    /// Asks the owner of a new address whether the mails shall go there.
    Address {
        /// How long the link works.
        valid: Valid,
    },
    /// Tells the old address that the mails go to another one now.
    Moved,
    /// Says goodbye, with the way back.
    Goodbye {
        /// How long the way back is open.
        valid: Valid,
    },
    /// Welcomes somebody who has just confirmed to the digest.
    Welcome {
        /// The latest issue, as far as it is of their topics.
        latest: Option<&'a IssueContent>,
    },
    /// Corrects an issue.
    Correction {
        /// What is right; paragraphs.
        text: &'a [String],
        /// The subject of the issue.
        subject: &'a str,
        /// Its day.
        date: NaiveDate,
    },
    /// Warns the operator.
    Alert {
        /// What is wrong, in a few words.
        subject: &'a str,
        /// More of it; paragraphs.
        text: &'a [String],
    },
}

/// A digest that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The digest's title.
    pub digest: String,
    /// The titles of the topics; none: all of them.
    pub topics: Vec<String>,
}

/// A digest that somebody has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Had {
    /// The digest's title.
    pub digest: String,
    /// The day until which they have paused it.
    pub paused_until: Option<NaiveDate>,
}

/// How long a link works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Valid {
    /// That many hours.
    Hours(u32),
    /// That many days.
    Days(u32),
}

impl Valid {
    /// The nearest whole number of hours, or of days from two days on; at least one hour.
    pub fn of_millis(millis: i64) -> Self {
        let hours = u32::try_from((millis + 1_800_000) / 3_600_000).unwrap_or_default().max(1);
        if hours < 48 { Self::Hours(hours) } else { Self::Days((hours + 12) / 24) }
    }
}

impl Letter<'_> {
    /// The name of its template, without ending.
    pub fn template(&self) -> &'static str {
        match self {
            Self::Confirmation { .. } => "confirmation",
            Self::Subscribed { .. } | Self::Taken => "subscribed",
            Self::Manage { .. } => "manage",
            Self::Address { .. } => "address",
            Self::Moved => "moved",
            Self::Goodbye { .. } => "goodbye",
            Self::Welcome { .. } => "welcome",
            Self::Correction { .. } => "correction",
            Self::Alert { .. } => "alert",
        }
    }

    /// What its wording is under, and what it is called where all of them are listed.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Subscribed { had } if had.iter().any(|had| had.paused_until.is_some()) => "paused",
            Self::Confirmation { reminder: true, .. } => "reminder",
            _ => self.template(),
        }
    }

    /// The titles of the digests that it names, where those are its own: of what they have already, what may be missed.
    pub(super) fn named(&self) -> Vec<&str> {
        match self {
            Self::Confirmation { wanted, .. } => wanted.iter().map(|wanted| wanted.digest.as_str()).collect(),
            Self::Subscribed { had } => {
                let all = self.words() != "paused";
                had.iter().filter(|had| all || had.paused_until.is_some()).map(|had| had.digest.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether it is about several digests.
    pub fn is_of_several(&self) -> bool {
        match self {
            Self::Confirmation { wanted, .. } => wanted.len() > 1,
            Self::Subscribed { had } => had.len() > 1,
            _ => false,
        }
    }

    /// The latest issue, in a welcome.
    pub(super) fn latest(&self) -> Option<&IssueContent> {
        if let Self::Welcome { latest } = self { *latest } else { None }
    }

    /// Whether it goes to subscribers of the digest as such: then it has the headers of a list, and the links to leave.
    pub(super) fn is_of_list(&self) -> bool {
        matches!(self, Self::Welcome { .. } | Self::Correction { .. })
    }

    /// The slots that it must have.
    pub(super) fn required(&self) -> &'static [Slot] {
        match self {
            Self::Confirmation { .. } | Self::Manage { .. } | Self::Address { .. } | Self::Goodbye { .. } => {
                &[Slot::Link]
            }
            Self::Subscribed { .. } => &[Slot::PreferencesUrl],
            Self::Taken => &[Slot::UnsubscribeUrl],
            Self::Welcome { .. } | Self::Correction { .. } => &[Slot::UnsubscribeUrl, Slot::PreferencesUrl],
            Self::Moved | Self::Alert { .. } => &[],
        }
    }
}

impl Wanted {
    /// Both in a line.
    pub(super) fn line(&self) -> String {
        let digest = one_line(&self.digest);
        if self.topics.is_empty() { digest.into_owned() } else { format!("{digest}: {}", self.topics.join(", ")) }
    }
}
