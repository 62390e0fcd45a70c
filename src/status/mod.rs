//! How the program is doing: what its parts report, for supervisors, for Prometheus and for the log.

mod census;
mod metrics;
mod parts;
mod progress;
mod text;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Value, json};

use metrics::metrics;
pub use parts::{Part, PartState, Parts};
pub use progress::{Progress, Standing};

use crate::config::Config;
use crate::deliver::{Engine, RelayState, Tally};
use crate::domain::UtcMillis;
use crate::store::Store;
use census::Census;

/// How the store is doing, as the last look at it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// It takes what is written.
    Ok,
    /// It can be read, and takes nothing: its disk is full, or it may not be written to.
    ReadOnly,
    /// It does not answer.
    Gone,
}

impl StoreState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ReadOnly => "cannot write",
            Self::Gone => "no answer",
        }
    }
}

/// How often the configuration was read again, and with what outcome.
#[derive(Clone, Copy, Debug)]
struct Read {
    at: UtcMillis,
    taken: bool,
}

/// How the program is doing. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Status(Arc<Inner>);

struct Inner {
    parts: Parts,
    tally: Arc<Tally>,
    census: Census,
    started: UtcMillis,
    store: Mutex<StoreState>,
    read: Mutex<Read>,
    engine: Mutex<Weak<Engine>>,
    polls: Mutex<std::collections::BTreeMap<(String, &'static str), u64>>,
}

impl Status {
    /// Of a program that starts now, over its store.
    pub fn new(store: Store, now: UtcMillis) -> Self {
        Self(Arc::new(Inner {
            parts: Parts::default(),
            tally: Arc::default(),
            census: Census::new(store),
            started: now,
            store: Mutex::new(StoreState::Ok),
            read: Mutex::new(Read { at: now, taken: true }),
            engine: Mutex::default(),
            polls: Mutex::default(),
        }))
    }

    /// The part of that name, which reports with it.
    pub fn part(&self, name: &'static str) -> Part {
        self.0.parts.part(name)
    }

    /// What counts the results of deliveries.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.0.tally)
    }

    /// Which engine delivers now, for the state of its relays.
    pub fn delivers(&self, engine: &Arc<Engine>) {
        *lock(&self.0.engine) = Arc::downgrade(engine);
    }

    /// How the store is.
    pub fn store_is(&self, state: StoreState) {
        *lock(&self.0.store) = state;
    }

    /// How the store was at the last look.
    pub fn store(&self) -> StoreState {
        *lock(&self.0.store)
    }

    /// The configuration was read again, and taken or refused.
    pub fn config_read(&self, at: UtcMillis, taken: bool) {
        *lock(&self.0.read) = Read { at, taken };
    }

    /// A source was polled, and gave `result`: `new`, `unchanged` or `failed`.
    pub fn polled(&self, source: &str, result: &'static str) {
        *lock(&self.0.polls).entry((source.to_owned(), result)).or_default() += 1;
    }

    /// Whether the process lives, and which of its parts: what anybody may know.
    pub fn health(&self) -> Value {
        json!({ "alive": true, "version": env!("CARGO_PKG_VERSION"), "parts": self.0.parts.words() })
    }

    /// Whether it can do what it is there for, and how each part is.
    pub async fn readiness(&self) -> (bool, Value) {
        let store = self.0.store_now().await;
        let ready = store == StoreState::Ok;
        let relays = self.0.relays();
        let well = relays.iter().filter(|relay| relay.works).count();
        let relays = match (well, relays.len()) {
            (_, 0) => "none in use",
            (0, _) => "none works",
            (well, all) if well < all => "some work",
            _ => "ok",
        };
        let parts = self.0.parts.words();
        (ready, json!({ "ready": ready, "store": store.as_str(), "relays": relays, "parts": parts }))
    }

    /// Everything that Prometheus is told, with the sources and digests of `config`.
    pub async fn metrics(&self, config: &Config, now: UtcMillis) -> String {
        Box::pin(metrics(&self.0, config, now)).await
    }
}

impl Inner {
    /// How the store is: as the last look at it found, unless it does not even answer now, which the parts hear of too.
    async fn store_now(&self) -> StoreState {
        let answers = self.census.answers().await;
        let mut store = lock(&self.store);
        if !answers {
            *store = StoreState::Gone;
        }
        *store
    }

    /// How the relays are; empty where another process delivers.
    fn relays(&self) -> Vec<RelayState> {
        lock(&self.engine).upgrade().map(|engine| engine.relays()).unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
