//! Mails about somebody's own subscription: what each needs, and who queues it.

use std::future::Future;

use super::choice::Chosen;
use super::language::locale_of;
use super::{Pauses, Subscribers, SubscribersError};
use crate::config::Digest;
use crate::domain::{EmailAddress, Locale, UtcMillis};
use crate::store::{Session, SubscriberRow};

/// Why a notice could not be queued.
pub type NotifyError = Box<dyn std::error::Error + Send + Sync>;

/// A mail about somebody's own subscription. Nothing in it was typed by a stranger, but the address it goes to.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The subscriber's row.
    pub subscriber: i64,
    /// Where the mail goes.
    pub address: EmailAddress,
    /// The language they chose; none: that of the digest.
    pub locale: Option<Locale>,
    /// The digest in whose name and looks it comes.
    pub digest: String,
    /// What it says.
    pub kind: NoticeKind,
}

impl Notice {
    /// To the address that a subscriber has, in their language. `None`: that address is none.
    pub(super) fn to(row: &SubscriberRow, digest: &str, kind: NoticeKind) -> Option<Self> {
        Some(Self::to_address(row, EmailAddress::parse(&row.email).ok()?, digest, kind))
    }

    /// To an address of a subscriber, in their language.
    pub(super) fn to_address(row: &SubscriberRow, address: EmailAddress, digest: &str, kind: NoticeKind) -> Self {
        let locale = locale_of(row.locale.as_deref());
        Self { subscriber: row.id, address, locale, digest: digest.to_owned(), kind }
    }

    /// Queues it within `session`.
    pub(super) async fn queue(&self, session: &mut Session, notify: &impl Notify) -> Result<(), SubscribersError> {
        notify.notify(session, self).await.map_err(SubscribersError::Notify)
    }
}

impl Subscribers {
    /// The digest in whose looks a notice comes: one that is gone from the configuration has none, any other one does.
    pub(super) fn looks(&self, digest: &str) -> Option<&Digest> {
        self.config.digest(digest).or(self.config.digests.first())
    }
}

/// What a notice says.
#[derive(Clone, Debug)]
pub enum NoticeKind {
    /// Asks whether they really want it.
    Confirm {
        /// What they will get if they agree; at least one digest.
        choice: Vec<Chosen>,
        /// What they have paused, so that it comes later.
        pauses: Pauses,
        /// The link that says yes.
        link: SecretLink,
        /// When the link stops working.
        expires_at: UtcMillis,
        /// Whether it is asked once more, since there was no answer.
        reminder: bool,
    },
    /// Somebody asked for what they have already; the way to their preferences.
    AlreadySubscribed {
        /// The digests that were asked for.
        digests: Vec<String>,
        /// Those that they have paused; that is why nothing comes.
        pauses: Pauses,
    },
    /// Somebody wants their mails at this address, which is subscribed itself; what to do where both are theirs.
    AddressTaken,
    /// The link, asked for on a page, to everything about them: all digests, their data, erasure, change of address.
    ManageLink {
        /// The link.
        link: SecretLink,
        /// When it stops working.
        expires_at: UtcMillis,
    },
    /// Asks the owner of a new address whether the mails shall go there.
    ChangeAddress {
        /// The link that says yes.
        link: SecretLink,
        /// When the link stops working.
        expires_at: UtcMillis,
    },
    /// Tells the old address that the mails go to another one now.
    AddressChanged,
    /// Says goodbye, with the way back.
    Goodbye {
        /// The link that undoes it.
        link: SecretLink,
        /// When the link stops working.
        expires_at: UtcMillis,
    },
    /// Welcomes somebody who has just confirmed to the digest, with its latest issue.
    Welcome,
}

/// A link that whoever has it may act with; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretLink(pub String);

impl std::fmt::Debug for SecretLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretLink(…)")
    }
}

/// Queues notices.
pub trait Notify: Sync {
    /// Queues one within `session`, so that nothing is noted as said without a mail on its way.
    fn notify(&self, session: &mut Session, notice: &Notice) -> impl Future<Output = Result<(), NotifyError>> + Send;

    /// Does the work of [`Notify::notify`] and queues nothing: so that an answer to a stranger takes the same time
    /// whether or not there is a mail.
    fn rehearse(&self, session: &mut Session, notice: &Notice) -> impl Future<Output = Result<(), NotifyError>> + Send {
        let _ = (session, notice);
        std::future::ready(Ok(()))
    }
}

/// Mails nothing, for what has nothing to say.
pub(super) struct NoMails;

impl Notify for NoMails {
    async fn notify(&self, _session: &mut Session, _notice: &Notice) -> Result<(), NotifyError> {
        Ok(())
    }
}
