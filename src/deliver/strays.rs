//! Strays: deliveries that the store has in this node's name, and that nobody in it knows of.
//!
//! A claim may be made though its answer was lost. And a store that loses power may lose a result, so that the delivery is
//! being sent again, by a node that lives and has done with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::run::{Run, Shared};
use crate::store::StoreError;

/// Looks for strays.
pub struct Strays {
    /// Whether a claim was broken off: it may have been made all the same.
    claimed: AtomicBool,
    /// When it was looked for them last.
    looked: Mutex<Instant>,
    /// How often that is done where the store may lose what it had.
    every: Duration,
}

impl Strays {
    /// None so far.
    pub fn looking(every: Duration) -> Self {
        Self { claimed: AtomicBool::new(false), looked: Mutex::new(Instant::now()), every }
    }

    /// A claim begins, or has been answered.
    pub fn claiming(&self, under_way: bool) {
        self.claimed.store(under_way, Ordering::SeqCst);
    }

    /// Frees them where there may be some. Only whoever claims may call it, so that nothing is claimed meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn free(&self, run: &Run) -> Result<(), StoreError> {
        let Shared { store, node, policy, .. } = &*run.shared;
        let due =
            store.is_shared() && self.looked.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= self.every;
        if !due && !self.claimed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let in_hand = run.in_hand();
        let freed = store.marks().await?.free_strays(node, &in_hand, policy.after_death()).await?;
        if freed > 0 {
            tracing::warn!(freed, "deliveries that this node has not in hand are free again");
        }
        self.claiming(false);
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(())
    }
}
