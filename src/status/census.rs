//! What the store counts for the metrics. Counting a large list takes time, so that each count is kept for a multiple of
//! the time that it took: however often somebody asks, only a small part of the time goes into it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as Plain, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout};

use super::Progress;
use crate::config::Smtp;
use crate::domain::UtcMillis;
use crate::store::{Census as Counts, PeopleCensus, Store, StoreError, UnderWay};

/// The least time that a count is kept.
const LEAST: Duration = Duration::from_secs(1);

/// A count is kept for so many times as long as it took.
const SHARE: u32 = 50;

/// How long whoever asks waits for a count; then they get the one before, and the next who asks gets this one.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest that a count may take.
const LONGEST: Duration = Duration::from_secs(300);

/// What there is of issues, deliveries and sources.
#[derive(Clone)]
pub struct Work {
    /// The counts.
    pub counts: Counts,
    /// How long the limits hold up what waits of each issue that is under way.
    pub takes: BTreeMap<i64, Option<Duration>>,
    /// When it was counted.
    pub at: UtcMillis,
}

/// Counts that are kept for a while.
pub struct Census {
    store: Store,
    work: Slot<Work>,
    people: Slot<PeopleCensus>,
}

impl Census {
    /// Of that store; nothing is counted yet.
    pub fn new(store: Store) -> Self {
        Self { store, work: Slot::new(), people: Slot::new() }
    }

    /// Whether the store answers now, whatever is kept of it.
    pub async fn answers(&self) -> bool {
        let ping = async { self.store.read().await?.ping().await };
        timeout(PATIENCE, ping).await.is_ok_and(|answer| answer.is_ok())
    }

    /// What there is of issues, deliveries and sources, where these limits are set. `None`: the store does not answer.
    pub async fn work(&self, smtp: &Smtp, now: UtcMillis) -> Option<Work> {
        let (store, smtp) = (self.store.clone(), smtp.clone());
        self.work.get(|| count(store, smtp, now)).await
    }

    /// What there is of people.
    pub async fn people(&self) -> Option<PeopleCensus> {
        let store = self.store.clone();
        self.people.get(|| async move { store.read().await?.people_census().await }).await
    }
}

async fn count(store: Store, smtp: Smtp, now: UtcMillis) -> Result<Work, StoreError> {
    let mut session = store.read().await?;
    let counts = session.census(Progress::since(now)).await?;
    let mut takes = BTreeMap::new();
    for UnderWay { id, state, totals, .. } in &counts.under_way {
        takes.insert(*id, Progress::takes(&mut session, &smtp, (*id, *state, totals), now).await?);
    }
    Ok(Work { counts, takes, at: now })
}

/// A count, and whoever makes the next one.
struct Slot<T> {
    /// Held by whoever counts; until when the latest count is fresh.
    turn: Arc<Mutex<Option<Instant>>>,
    latest: Arc<Plain<Option<T>>>,
}

impl<T: Clone + Send + 'static> Slot<T> {
    fn new() -> Self {
        Self { turn: Arc::default(), latest: Arc::default() }
    }

    async fn get<F>(&self, count: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        // Whoever asks while somebody counts waits for the same count.
        if let Ok(turn) = timeout(PATIENCE, Arc::clone(&self.turn).lock_owned()).await
            && turn.is_none_or(|until| until <= Instant::now())
        {
            // It goes on also when nobody waits for it any more.
            let counted = tokio::spawn(take(turn, Arc::clone(&self.latest), count()));
            // Neither is a task that fell over, or takes longer, any reason to say nothing.
            let _ = timeout(PATIENCE, counted).await;
        }
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts, and keeps it. What cannot be counted is not known any more.
async fn take<T>(
    mut turn: OwnedMutexGuard<Option<Instant>>,
    latest: Arc<Plain<Option<T>>>,
    count: impl Future<Output = Result<T, StoreError>>,
) {
    let began = Instant::now();
    let counted = timeout(LONGEST, count).await;
    *turn = Some(Instant::now() + (began.elapsed() * SHARE).max(LEAST));
    let value = match counted {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store could not count for the metrics");
            None
        }
        Err(_) => None,
    };
    *latest.lock().unwrap_or_else(PoisonError::into_inner) = value;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_count_is_kept_for_a_multiple_of_the_time_that_it_took_and_a_long_one_keeps_nobody_waiting() {
        let (slot, counts) = (Slot::new(), Arc::new(AtomicU32::new(0)));
        let ask = |takes: u64| {
            let counts = Arc::clone(&counts);
            slot.get(move || async move {
                tokio::time::sleep(Duration::from_secs(takes)).await;
                Ok(counts.fetch_add(1, Ordering::SeqCst) + 1)
            })
        };
        assert_eq!(ask(2).await, Some(1));
        tokio::time::advance(Duration::from_secs(99)).await;
        assert_eq!(ask(2).await, Some(1), "not counted anew yet");
        tokio::time::advance(Duration::from_secs(2)).await;
        let began = Instant::now();
        assert_eq!(ask(60).await, Some(1), "the one before");
        assert_eq!(ask(60).await, Some(1), "by whoever asks in the meantime too");
        assert!(began.elapsed() < PATIENCE * 3);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(ask(60).await, Some(2), "it went on by itself");
    }
}
