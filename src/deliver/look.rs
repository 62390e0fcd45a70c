//! What can be seen of an engine while it runs.

use std::sync::atomic::Ordering;

use super::counts::Outcome;
use super::engine::Engine;
use super::station::{RelayState, Station};
use super::told::Told;
use super::unsigned::UnsignedIssue;
use crate::store::StoreError;

impl Engine {
    /// How each relay is.
    pub fn relays(&self) -> Vec<RelayState> {
        self.shared.stations.iter().map(Station::state).collect()
    }

    /// What the relay itself has last failed with, while it rests from that.
    pub fn relay_trouble(&self) -> Option<String> {
        self.shared.paused_until().and_then(|_| self.shared.words())
    }

    /// The issues that go out unsigned, though mails are signed, and that were not asked for before.
    pub fn newly_unsigned(&self) -> Vec<UnsignedIssue> {
        self.shared.unsigned.news()
    }

    /// Whether it waits for the store.
    pub fn waits_for_store(&self) -> bool {
        self.store_fails.load(Ordering::Relaxed)
    }

    /// It waits for the store, which has failed; that is said now and then.
    pub(super) fn store_failed(&self, error: &StoreError, told: &mut Told) {
        self.store_fails.store(true, Ordering::Relaxed);
        if told.again() {
            tracing::warn!(%error, "delivering waits for the store");
        }
    }

    /// What it has done so far, in all its runs.
    pub fn progress(&self) -> Outcome {
        self.shared.counts.outcome(self.relay_trouble())
    }
}
