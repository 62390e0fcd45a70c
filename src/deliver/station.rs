//! A relay as the engine sees it: the way to it, how it is doing, and what it has refused lately.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::health::{Ailment, Health};
use super::outbox::Outbox;
use super::refusals::Refusals;
use super::relay::SmtpRelay;
use super::reply::without_addresses;
use super::settings::Settings;
use super::unwelcome::{RefusedSender, Unwelcome};
use crate::config::{self, RelayUrl};
use crate::store::SlowRelay;

/// After so many conversations that ended in the middle of their first group, no more groups are sent.
const GROUPS_TRIED: usize = 2;

/// What takes the messages.
pub enum Way {
    /// A folder.
    Outbox(Outbox),
    /// A server.
    Smtp(Box<SmtpRelay>),
}

/// How a relay is, for whoever looks on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayState {
    /// Its id.
    pub id: String,
    /// Whether it takes mail, as far as is known: it has not failed since it last did.
    pub works: bool,
    /// What it has last failed with, unless it has worked since.
    pub words: Option<String>,
    /// Whether it rests from that.
    pub rests: bool,
    /// Which sender it refuses while it takes mail of others, and its words.
    pub refuses: Option<String>,
    /// How many connections are open.
    pub connections: usize,
}

/// What is the matter with a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The sender that it refuses while it takes mail from others; empty: it takes nothing.
    pub sender: String,
    /// Its words, without addresses.
    pub words: String,
    /// Since when.
    pub since: Instant,
    /// When it is tried again, or may be since.
    pub next_try: Instant,
}

/// A relay.
pub struct Station {
    /// Its place among the relays.
    pub place: usize,
    /// As it is configured.
    pub config: config::Relay,
    /// The way to it.
    pub way: Way,
    /// How it is doing.
    pub health: Arc<Health>,
    /// What it has refused since it last got a message through.
    pub refusals: Refusals,
    /// What it has refused as if that were about us.
    pub unwelcome: Arc<Unwelcome>,
    /// What the store knows of its asking for less speed.
    known: Mutex<Option<SlowRelay>>,
    /// What the store knows of its not working.
    told: Mutex<Vec<Finding>>,
    open: AtomicUsize,
    groups: AtomicBool,
    groups_broken: AtomicUsize,
}

impl Station {
    /// The relay of that place.
    pub fn new(place: usize, config: &config::Relay, settings: &Settings) -> Self {
        let way = match &config.url {
            RelayUrl::File(folder) => Way::Outbox(Outbox::new(folder)),
            RelayUrl::Smtp { host, port, tls } => {
                Way::Smtp(Box::new(SmtpRelay::new(host, *port, *tls, config, &settings.hello)))
            }
        };
        Self {
            place,
            way,
            health: Arc::new(Health::new(settings.timings)),
            open: AtomicUsize::new(0),
            groups: AtomicBool::new(config.pipelining),
            groups_broken: AtomicUsize::new(0),
            refusals: Refusals::default(),
            unwelcome: Arc::default(),
            known: Mutex::default(),
            told: Mutex::default(),
            config: config.clone(),
        }
    }

    /// Whether it refuses us, and rests from that.
    pub fn refuses_us(&self) -> bool {
        self.refusals.are_about_us() && self.health.paused_until().is_some()
    }

    /// How it is.
    pub fn state(&self) -> RelayState {
        let words = self.health.words();
        RelayState {
            id: self.config.id.clone(),
            works: words.is_none(),
            rests: self.health.paused_until().is_some(),
            refuses: self.unwelcome.refused_sender().map(|refused| format!("{}: {}", refused.sender, refused.words)),
            words,
            connections: self.open.load(Ordering::SeqCst),
        }
    }

    /// What is the matter with it: for everybody, and for one sender.
    pub fn findings(&self) -> Vec<Finding> {
        let all = self.health.ailment().map(|Ailment { words, since, next_try }| Finding {
            sender: String::new(),
            words: without_addresses(&words),
            since,
            next_try,
        });
        let one = self.unwelcome.refused_sender().map(|RefusedSender { sender, words, since, at }| Finding {
            sender,
            words: without_addresses(&words),
            since,
            next_try: at,
        });
        all.into_iter().chain(one).collect()
    }

    /// What the store knows of its not working.
    pub fn told(&self) -> MutexGuard<'_, Vec<Finding>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store knows of its asking for less speed.
    pub fn known(&self) -> MutexGuard<'_, Option<SlowRelay>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what the same account of the same relay has asked for: less speed. A failure is not remembered: it may be
    /// what the new settings mend.
    pub fn inherit(&mut self, old: &Self) {
        if self.config.account() == old.config.account() && old.health.slowdown().is_some() {
            self.health = Arc::clone(&old.health);
            self.known = Mutex::new(old.known().clone());
            self.health.disown();
        }
    }

    /// A connection is open.
    pub fn opened(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    /// A connection is gone.
    pub fn closed(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether any connection is open.
    pub fn is_connected(&self) -> bool {
        self.open.load(Ordering::SeqCst) > 0
    }

    /// Whether several commands may go out at once.
    pub fn takes_groups(&self) -> bool {
        self.groups.load(Ordering::Relaxed)
    }

    /// A conversation broke in the middle of its first group. The server may be one that does not take them.
    pub fn group_broke(&self) {
        if self.groups_broken.fetch_add(1, Ordering::Relaxed) + 1 >= GROUPS_TRIED
            && self.groups.swap(false, Ordering::Relaxed)
        {
            let relay = &self.config.id;
            tracing::warn!(
                relay,
                "the relay offers PIPELINING and does not take it; each command waits for its answer"
            );
        }
    }

    /// A group was answered as it should be.
    pub fn group_worked(&self) {
        self.groups_broken.store(0, Ordering::Relaxed);
    }
}
