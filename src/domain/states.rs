//! The states of issues, deliveries, subscribers and subscriptions, and the words they are stored and shown as.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A word that names no state.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` is not a state; the states are {known}")]
pub struct UnknownState {
    word: String,
    known: String,
}

macro_rules! states {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vmeta])* $variant,)* }

        impl $name {
            /// All of them, in the order of a life.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word it is stored and shown as.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownState;

            fn from_str(word: &str) -> Result<Self, UnknownState> {
                Self::ALL.iter().copied().find(|state| state.as_str() == word).ok_or_else(|| UnknownState {
                    word: word.to_owned(),
                    known: Self::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownState;

            fn try_from(word: String) -> Result<Self, UnknownState> {
                word.parse()
            }
        }
    };
}

states! {
    /// The life of an issue.
    IssueState {
        /// Being composed.
        Draft = "draft",
        /// Waits for an editor's approval.
        Review = "review",
        /// Frozen; its deliveries are being laid out and made.
        Sending = "sending",
        /// Every delivery is finished.
        Sent = "sent",
        /// Its period had nothing to send, or was missed.
        Skipped = "skipped",
        /// Stopped until an operator resumes it.
        Held = "held",
        /// Stopped for good.
        Cancelled = "cancelled",
    }
}

states! {
    /// The life of a delivery.
    DeliveryState {
        /// Waits for its turn.
        Queued = "queued",
        /// Taken by a deliverer, not started; shown to people as queued.
        Claimed = "claimed",
        /// Set aside for as long as its issue is held; shown to people as queued.
        Held = "held",
        /// Started: its content may have gone out.
        Sending = "sending",
        /// The relay took it.
        Sent = "sent",
        /// Refused for now; queued again when due.
        Deferred = "deferred",
        /// Refused for good.
        Failed = "failed",
        /// Stopped before it started.
        Cancelled = "cancelled",
        /// Started, and the deliverer died before it had an answer.
        Uncertain = "uncertain",
    }
}

states! {
    /// Where a subscriber stands.
    SubscriberState {
        /// Asked, not confirmed.
        Pending = "pending",
        /// Confirmed.
        Confirmed = "confirmed",
        /// Has left the last digest.
        Unsubscribed = "unsubscribed",
        /// The address is dead.
        Bounced = "bounced",
        /// Has reported our mail as spam.
        Complained = "complained",
    }
}

states! {
    /// A subscriber's choice for one digest.
    SubscriptionState {
        /// Wants it.
        Active = "active",
        /// Wants it later.
        Paused = "paused",
        /// Has left it.
        Left = "left",
    }
}
