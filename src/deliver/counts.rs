//! What a run of the engine did, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::DeliveryState;

/// What a run of the engine did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Deliveries claimed.
    pub claimed: u64,
    /// Taken by the relay.
    pub sent: u64,
    /// Refused for now.
    pub deferred: u64,
    /// Refused for good.
    pub failed: u64,
    /// Queued again, or uncertain, after the relay or a connection failed.
    pub kept: u64,
    /// What the relay itself last failed with, where no delivery was to blame.
    pub relay: Option<String>,
}

/// The counters behind an [`Outcome`]: of one run, and with it of all runs.
#[derive(Debug, Default)]
pub struct Counts {
    all: Option<std::sync::Arc<Counts>>,
    claimed: AtomicU64,
    sent: AtomicU64,
    deferred: AtomicU64,
    failed: AtomicU64,
    kept: AtomicU64,
}

impl Counts {
    /// Those of a run; what it counts counts for `all` too.
    pub fn within(all: std::sync::Arc<Counts>) -> Self {
        Self { all: Some(all), ..Self::default() }
    }

    /// So many more were claimed.
    pub fn claimed(&self, deliveries: usize) {
        self.claimed.fetch_add(deliveries as u64, Ordering::Relaxed);
        if let Some(all) = &self.all {
            all.claimed(deliveries);
        }
    }

    /// One more came to `state`.
    pub fn came_to(&self, state: DeliveryState) {
        let counter = match state {
            DeliveryState::Sent => &self.sent,
            DeliveryState::Deferred => &self.deferred,
            DeliveryState::Failed => &self.failed,
            _ => &self.kept,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(all) = &self.all {
            all.came_to(state);
        }
    }

    /// All of them.
    pub fn outcome(&self, relay: Option<String>) -> Outcome {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Outcome {
            claimed: read(&self.claimed),
            sent: read(&self.sent),
            deferred: read(&self.deferred),
            failed: read(&self.failed),
            kept: read(&self.kept),
            relay,
        }
    }
}
