//! Join, confirm, prefer, leave, consent, tokens, import.
//!
//! Each action is a file and a method of [`Subscribers`]. What a person is mailed is not this room's business: whoever
//! calls hands in an [`Ask`] that queues confirmations within the same transaction.

mod add;
mod choice;
mod choose;
mod confirm;
mod import;
mod keys;
mod leave;
mod record;
mod refusal;
mod tokens;

use std::future::Future;
use std::sync::Arc;

pub use add::{Added, NewSubscriber};
pub use choice::{ChoiceError, Chosen, Topics, resolve as resolve_choice, topics_of};
pub use choose::{Chose, Preferences};
pub use confirm::Confirmed;
pub use import::{Import, ImportBasis, ImportReport, RefusedRow};
pub use keys::{Keys, KeysError};
pub use leave::{Leave, Left};
pub use record::{Record, RecordDigest, RecordEvent};
pub use refusal::{Refusal, SuppressionReason};
pub use tokens::{CONFIRM_LIFETIME, ConfirmClaim, DigestClaim, Token, TokenError, Tokens};

use crate::config::Config;
use crate::domain::{Clock, EmailAddress, Locale, PublicId, Random, UtcMillis};
use crate::store::{ConsentRow, Session, Store, StoreError, SubscriberRow};

/// All that the actions on subscribers need; cheap to clone.
#[derive(Clone)]
pub struct Subscribers {
    store: Store,
    config: Arc<Config>,
    keys: Arc<Keys>,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
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
    /// A confirmation could not be queued.
    #[error("cannot queue the confirmation: {0}")]
    Ask(AskError),
    /// A file could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a confirmation could not be queued.
pub type AskError = Box<dyn std::error::Error + Send + Sync>;

/// Somebody has to be asked whether they want it: what the mail needs.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The subscriber's row.
    pub subscriber: i64,
    /// What stands for them outside.
    pub public_id: PublicId,
    /// Where the mail goes.
    pub address: EmailAddress,
    /// Their name; may be empty.
    pub name: String,
    /// The language they chose; none: that of the digest.
    pub locale: Option<Locale>,
    /// What they will get if they agree; at least one digest.
    pub choice: Vec<Chosen>,
    /// The link that says yes.
    pub url: ConfirmUrl,
    /// When the link stops working.
    pub expires_at: UtcMillis,
}

/// A link that confirms; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfirmUrl(pub String);

impl std::fmt::Debug for ConfirmUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConfirmUrl(…)")
    }
}

/// Queues confirmations.
pub trait Ask: Sync {
    /// Queues one within `session`, so that a person is never noted as asked without a mail on its way.
    fn ask(
        &self,
        session: &mut Session,
        confirmation: &Confirmation,
    ) -> impl Future<Output = Result<(), AskError>> + Send;
}

/// Where an action comes from, for the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The page, the command, the file.
    pub source: &'a str,
    /// `subscriber` or `operator`.
    pub actor: &'a str,
}

impl Origin<'_> {
    /// Somebody at a command line.
    pub const COMMAND_LINE: Self = Self { source: "command line", actor: "operator" };
    /// The person, on a page that a mail led to.
    pub const PAGE: Self = Self { source: "page", actor: "subscriber" };
    /// The person's mail program, by RFC 8058.
    pub const ONE_CLICK: Self = Self { source: "one-click", actor: "subscriber" };
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
        let tokens = Tokens::new(keys.clone(), &config.server.public_url);
        Self { store, config, keys, tokens, clock, random }
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

    /// Asks a subscriber to confirm `choice`, and notes that.
    async fn ask(
        &self,
        session: &mut Session,
        row: &SubscriberRow,
        address: &EmailAddress,
        choice: &[Chosen],
        origin: Origin<'_>,
        ask: &impl Ask,
    ) -> Result<(), SubscribersError> {
        let now = self.now();
        let confirmation = Confirmation {
            subscriber: row.id,
            public_id: row.public_id.clone(),
            address: address.clone(),
            name: row.name.clone(),
            locale: row.locale.as_deref().and_then(|code| Locale::parse(code).ok()),
            choice: choice.to_vec(),
            url: ConfirmUrl(self.tokens.confirm_url(&row.public_id, address, choice, now)),
            expires_at: now.plus(CONFIRM_LIFETIME),
        };
        ask.ask(session, &confirmation).await.map_err(SubscribersError::Ask)?;
        for chosen in choice {
            let mut event = event(row, "asked", now, origin);
            event.digest = Some(chosen.digest.clone());
            event.evidence = Some(format!("topics {}", chosen.topics.stored()));
            session.add_consent(&event).await?;
        }
        Ok(())
    }
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
        wording: None,
        evidence: None,
    }
}
