//! The feed: claimed deliveries on their way to whichever connection is free.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::message::Job;

/// Claimed deliveries that no connection has taken yet.
pub struct Feed {
    low: usize,
    state: Mutex<State>,
    changed: Notify,
    drained: Notify,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Feed {
    /// An empty one, which asks for more when fewer than `low` are left.
    pub fn new(low: usize) -> Self {
        Self { low, state: Mutex::default(), changed: Notify::new(), drained: Notify::new() }
    }

    /// The next delivery, when there is one. `None`: there will be no more.
    pub async fn next(&self) -> Option<Job> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that what comes between the look and the wait is not missed.
            changed.as_mut().enable();
            if let Some(job) = self.try_next() {
                return Some(job);
            }
            if self.is_closed() {
                return None;
            }
            changed.await;
        }
    }

    /// The next delivery, if there is one now.
    pub fn try_next(&self) -> Option<Job> {
        self.try_next_if(|_| true)
    }

    /// The next delivery, if there is one now and it fits.
    pub fn try_next_if(&self, fits: impl FnOnce(&Job) -> bool) -> Option<Job> {
        let (job, left) = self.with(|state| {
            let job = if state.jobs.front().is_some_and(fits) { state.jobs.pop_front() } else { None };
            (job, state.jobs.len())
        });
        if left < self.low {
            self.drained.notify_one();
        }
        job
    }

    /// Adds deliveries at the end.
    pub fn add(&self, jobs: Vec<Job>) {
        self.with(|state| state.jobs.extend(jobs));
        self.changed.notify_waiters();
    }

    /// Puts one back to the front.
    pub fn put_back(&self, job: Job) {
        self.with(|state| state.jobs.push_front(job));
        self.changed.notify_waiters();
    }

    /// Takes out all that nobody has taken.
    pub fn take_all(&self) -> Vec<Job> {
        self.with(|state| state.jobs.drain(..).collect())
    }

    /// No more will come.
    pub fn close(&self) {
        self.with(|state| state.closed = true);
        self.changed.notify_waiters();
    }

    /// Whether no more will come.
    pub fn is_closed(&self) -> bool {
        self.with(|state| state.closed)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.with(|state| state.jobs.len())
    }

    /// Waits until few are left.
    pub async fn drained(&self) {
        self.drained.notified().await;
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
