//! Who waits for the writer's connection of SQLite's, so that whoever keeps it for a while knows when to give it back.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    count: AtomicUsize,
    told: Notify,
}

/// One of them, for as long as it lives.
#[derive(Debug)]
pub(super) struct Waiter<'w>(&'w Waiters);

impl Waiters {
    /// One more waits.
    pub(super) fn add(&self) -> Waiter<'_> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.told.notify_waiters();
        Waiter(self)
    }

    /// Whether anybody waits.
    pub(super) fn are_there(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Waits until somebody does.
    pub(super) async fn come(&self) {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            // Before the look, so that whoever comes between the look and the wait is not missed.
            told.as_mut().enable();
            if self.are_there() {
                return;
            }
            told.await;
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
    }
}
