//! What the store counts for the metrics. Counting a large list takes time, so that each count is kept for a multiple of
//! the time that it took: however often somebody asks, only a small part of the time goes into it.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::store::{Census as Counts, PeopleCensus, Store, StoreError};

/// The least time that a count is kept.
const LEAST: Duration = Duration::from_secs(1);

/// A count is kept for so many times as long as it took.
const SHARE: u32 = 50;

/// How long a count may take before whoever asks goes without.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts that are kept for a while.
pub struct Census {
    store: Store,
    work: Mutex<Option<Kept<Counts>>>,
    people: Mutex<Option<Kept<PeopleCensus>>>,
}

struct Kept<T> {
    value: T,
    until: Instant,
}

impl Census {
    /// Of that store; nothing is counted yet.
    pub fn new(store: Store) -> Self {
        Self { store, work: Mutex::default(), people: Mutex::default() }
    }

    /// What there is of issues, deliveries and sources. `None`: the store does not answer in time.
    pub async fn work(&self) -> Option<Counts> {
        kept(&self.work, async { self.store.read().await?.census().await }).await
    }

    /// What there is of people.
    pub async fn people(&self) -> Option<PeopleCensus> {
        kept(&self.people, async { self.store.read().await?.people_census().await }).await
    }
}

/// What is kept, or is counted now. Who asks while it is counted waits for the same count.
async fn kept<T: Clone>(
    slot: &Mutex<Option<Kept<T>>>,
    count: impl Future<Output = Result<T, StoreError>>,
) -> Option<T> {
    let mut slot = timeout(PATIENCE, slot.lock()).await.ok()?;
    let began = Instant::now();
    if let Some(kept) = slot.as_ref().filter(|kept| began < kept.until) {
        return Some(kept.value.clone());
    }
    match timeout(PATIENCE, count).await {
        Ok(Ok(value)) => {
            let pause = (began.elapsed() * SHARE).max(LEAST);
            *slot = Some(Kept { value: value.clone(), until: Instant::now() + pause });
            Some(value)
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store could not count for the metrics");
            None
        }
        Err(_) => None,
    }
}
