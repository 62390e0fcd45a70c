//! How the relay itself is doing: failures that are no message's make everybody leave it alone for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::policy::jittered;
use crate::domain::Random;

/// How the relay is doing.
#[derive(Debug)]
pub struct Health {
    first_pause: Duration,
    longest_pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
    words: Option<String>,
}

impl Health {
    /// Well, until it fails.
    pub fn new(first_pause: Duration, longest_pause: Duration) -> Self {
        Self { first_pause, longest_pause, state: Mutex::default() }
    }

    /// It has failed, in these words. Gives the pause, which doubles with each failure in a row.
    pub fn failed(&self, words: &str, random: &dyn Random) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = self.pause_after(state.failures, random);
        state.failures += 1;
        state.until = Some(Instant::now() + pause);
        state.words = Some(words.to_owned());
        pause
    }

    /// The pause after so many failures in a row before.
    pub fn pause_after(&self, failures: u32, random: &dyn Random) -> Duration {
        let factor = 2_u32.saturating_pow(failures.min(20));
        jittered(self.first_pause.saturating_mul(factor).min(self.longest_pause), random)
    }

    /// It has taken a message.
    pub fn worked(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failures > 0 {
            *state = State::default();
        }
    }

    /// Until when it is left alone.
    pub fn paused_until(&self) -> Option<Instant> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.until.filter(|until| *until > Instant::now())
    }

    /// What it failed with, unless it has worked since.
    pub fn words(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).words.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemRandom;

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_make_longer_pauses_and_a_success_ends_them() {
        let health = Health::new(Duration::from_secs(1), Duration::from_secs(60));
        let pauses: Vec<_> = (0..9).map(|_| health.failed("no", &SystemRandom)).collect();
        assert!(pauses[0] <= Duration::from_millis(1200) && pauses[3] >= Duration::from_millis(6400));
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(72)));
        assert!(health.paused_until().is_some());
        tokio::time::advance(Duration::from_secs(73)).await;
        assert!(health.paused_until().is_none() && health.words().is_some());
        health.worked();
        assert!(health.words().is_none());
        assert!(health.failed("no", &SystemRandom) <= Duration::from_millis(1200));
    }
}
