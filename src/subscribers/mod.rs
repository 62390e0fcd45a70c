//! Join, confirm, remind, prefer, leave, undo, manage, move, erase, forget, consent, tokens, import, export, suppression.
//!
//! Each action is a file and a method of [`Subscribers`]. What a person is mailed is not this room's business: whoever
//! calls hands in a [`Notify`] that queues notices within the same transaction.

mod add;
mod address_change;
mod ask;
mod asks;
mod choice;
mod choose;
mod confirm;
mod data;
mod edit;
mod erase;
mod export;
mod forget;
mod import;
mod join;
mod keys;
mod language;
mod leave;
mod limit;
mod manage;
mod marks;
mod meant;
mod notice;
mod pauses;
mod personal;
mod record;
mod refusal;
mod remind;
mod retention;
mod suppress;
mod together;
mod tokens;
mod undo;
mod why;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use add::{Added, NewSubscriber};
pub use address_change::{ChangeAsked, Changed, Immovable};
pub use asks::ASKED;
pub use choice::{ChoiceError, Chosen, Topics, resolve as resolve_choice, topics_of};
pub use choose::{Chose, Preferences};
pub use confirm::{Confirmed, Prospect};
pub use data::{Held, HeldSuppression};
pub use edit::{Edit, Edited};
pub use erase::Erased;
pub use import::{Format, Import, ImportBasis, ImportReport, RefusedRow, SkippedRow};
pub use join::{AskedAgain, JoinRequest};
pub use keys::{Keys, KeysError, Rotated};
pub use language::Reader;
pub use leave::{Goodbye, Leave, Left};
pub use limit::{ADDRESSES, ADDRESSES_WINDOW, CHANGES, CHANGES_WINDOW, NOTICE_SPACING, NOTICE_WINDOW};
pub use manage::{Managed, NAME_LIMIT, Taken};
pub use marks::suppress_dead;
pub use meant::Meant;
pub use notice::{Notice, NoticeKind, Notify, NotifyError, SecretLink};
pub use pauses::Pauses;
pub use personal::{CHANGE_LIFETIME, ChangeClaim, MANAGE_LIFETIME, PersonalClaim, UNDO_LIFETIME};
pub use record::{
    Record, RecordAsk, RecordChoice, RecordDigest, RecordEvent, RecordFormerAddress, RecordReason, RecordRequest,
};
pub use refusal::{Refusal, SuppressionReason};
pub use suppress::{Lifted, Mover, StillShut, Suppressed, SuppressionList};
pub use tokens::{ConfirmClaim, DigestClaim, Token, TokenError, Tokens};
pub use undo::{NOTE_LIMIT, Reason, Undone};
pub use why::{Why, WhyDigest, WhyIssue, WhySuppressed};

use crate::config::Config;
use crate::domain::{Clock, EmailAddress, Random, UtcMillis};
use crate::store::{ConsentRow, Session, Store, StoreError, SubscriberRow};

use together::Together;

/// All that the actions on subscribers need; cheap to clone.
#[derive(Clone)]
pub struct Subscribers {
    store: Store,
    config: Arc<Config>,
    keys: Arc<Keys>,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Those who leave at this moment.
    together: Arc<Together>,
}

/// Why an action on a subscriber did not happen.
#[derive(Debug, thiserror::Error)]
pub enum SubscribersError {
    /// The address must not be added, or not in this way.
    #[error("{address} is refused: {refusal}")]
    Refused {
        /// The address.
        address: EmailAddress,
        /// Why.
        refusal: Refusal,
    },
    /// The address of a subscriber cannot be changed to that one.
    #[error("the address of {address} cannot be changed: {reason}")]
    Immovable {
        /// The present address.
        address: EmailAddress,
        /// Why not, and what would help.
        reason: Immovable,
    },
    /// There were so many changes that the next one has to wait that long.
    #[error("there were too many changes within an hour; the next one is taken in {} minutes", .0.as_secs().div_ceil(60))]
    TooOften(Duration),
    /// A mail to them could not be queued.
    #[error("cannot queue the mail about the subscription: {0}")]
    Notify(NotifyError),
    /// A file could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// An export could not be written.
    #[error("cannot write the export: {0}")]
    Export(std::io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where an action comes from, for the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The page, the form, the command, the file.
    pub source: &'a str,
    /// `subscriber`, `operator` or `relay`.
    pub actor: &'a str,
    /// The network address that it came from.
    pub network: Option<&'a str>,
    /// What the program there calls itself.
    pub agent: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// Somebody at a command line.
    pub const COMMAND_LINE: Self = Self { source: "command line", actor: "operator", network: None, agent: None };
    /// The person, on a page that a mail led to.
    pub const PAGE: Self = Self { source: "page", actor: "subscriber", network: None, agent: None };
    /// The person's mail program, by RFC 8058.
    pub const ONE_CLICK: Self = Self { source: "one-click", actor: "subscriber", network: None, agent: None };

    /// A relay, by its answer.
    pub const RELAY: Self = Self { source: "relay", actor: "relay", network: None, agent: None };

    /// The program itself, when it asks once more.
    pub const REMINDER: Self = Self { source: "reminder", actor: "operator", network: None, agent: None };

    /// The same, from a network address and a program there.
    pub fn from(self, network: Option<&'a str>, agent: Option<&'a str>) -> Self {
        Self { network, agent, ..self }
    }
}

impl Subscribers {
    /// Brings together what the actions need.
    pub fn new(
        store: Store,
        config: Arc<Config>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let tokens = Tokens::new(keys.clone(), &config.server.public_url).valid_for(config.confirmation.valid_for);
        Self { store, config, keys, tokens, clock, random, together: Arc::default() }
    }

    /// The maker and reader of tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The store behind.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The present moment.
    pub fn now(&self) -> UtcMillis {
        self.clock.now()
    }
}

/// How often an attempt is made where other writers are in the way.
const TRIES: u32 = 3;

/// How long whoever was broken off lets others go first, and longer each time.
const GIVE_WAY: Duration = Duration::from_millis(100);

impl SubscribersError {
    /// Whether another writer was first to the same address, which is known by then, or was in the way.
    fn is_contention(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict() || error.is_transient())
    }

    /// Lets whoever was in the way go first: else this could be in theirs again before they have woken up. Who was first to an
    /// address has ended.
    async fn give_way(&self, tries: u32) {
        if matches!(self, Self::Store(error) if error.is_transient()) {
            tokio::time::sleep(GIVE_WAY * tries).await;
        }
    }
}

/// Makes an attempt, and further ones where another writer was first.
async fn unless_first<T, F>(attempt: impl Fn() -> F) -> Result<T, SubscribersError>
where
    F: Future<Output = Result<T, SubscribersError>>,
{
    for tries in 1..TRIES {
        match attempt().await {
            Err(error) if error.is_contention() => error.give_way(tries).await,
            result => return result,
        }
    }
    attempt().await
}

/// Lets no layout of what a person has, or had, run beside this transaction. Before the person is locked, since a layout waits
/// for that.
async fn keep_layouts_out(session: &mut Session, subscriber: i64) -> Result<(), SubscribersError> {
    let mut digests: Vec<String> =
        session.subscriptions_among(&[subscriber]).await?.into_iter().map(|have| have.digest).collect();
    digests.sort_unstable();
    for digest in digests {
        session.lock_digest(&digest).await?;
    }
    Ok(())
}

/// An event about a subscriber, without wording or evidence.
fn event(row: &SubscriberRow, event: &str, at: UtcMillis, origin: Origin<'_>) -> ConsentRow {
    ConsentRow {
        subscriber_id: row.id,
        address: row.email.clone(),
        event: event.to_owned(),
        digest: None,
        at,
        source: origin.source.to_owned(),
        actor: origin.actor.to_owned(),
        network: origin.network.map(str::to_owned),
        agent: origin.agent.map(str::to_owned),
        wording: None,
        evidence: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_was_in_the_way_goes_first_and_has_longer_each_time() {
        let (began, tries) = (tokio::time::Instant::now(), AtomicU32::new(0));
        let broken_off = || StoreError::Transaction { action: "commit", source: sqlx::Error::PoolTimedOut };
        let result = unless_first(|| async {
            match tries.fetch_add(1, Ordering::Relaxed) {
                2 => Ok(began.elapsed()),
                _ => Err(SubscribersError::Store(broken_off())),
            }
        });
        assert_eq!(result.await.unwrap(), GIVE_WAY * 3);
    }
}
