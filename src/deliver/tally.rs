//! Counts results for the metrics: by digest, and refusals for now by who runs the recipient's mail and by reason.
//!
//! Nothing here can tell one recipient from another: a domain counts as one of a few providers, and the rest together.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::provider::Provider;
use super::reason::Reason;
use crate::domain::DeliveryState;

/// The seconds over which the rate is taken.
const WINDOW: usize = 60;

/// How a result is called: that of a delivery which is neither sent, deferred nor failed is kept for another attempt.
const RESULTS: [&str; 4] = ["sent", "deferred", "failed", "kept"];

/// Counts since the process started. Shared by all engines that it has had.
#[derive(Debug)]
pub struct Tally {
    began: Instant,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    results: BTreeMap<String, [u64; RESULTS.len()]>,
    deferrals: BTreeMap<(Provider, Reason), u64>,
    /// How many were sent in which second, the latest ones.
    seconds: [(u64, u64); WINDOW],
}

impl Default for Tally {
    fn default() -> Self {
        let counts = Counts { results: BTreeMap::new(), deferrals: BTreeMap::new(), seconds: [(0, 0); WINDOW] };
        Self { began: Instant::now(), counts: Mutex::new(counts) }
    }
}

impl Tally {
    /// A delivery of `digest` to `address` came to `state`, with these words of the relay's.
    pub fn count(&self, digest: Option<&str>, address: &str, state: DeliveryState, words: &str) {
        let second = self.began.elapsed().as_secs();
        let digest = digest.unwrap_or_default();
        let mut counts = self.counts();
        let result = match state {
            DeliveryState::Sent => 0,
            DeliveryState::Deferred => 1,
            DeliveryState::Failed => 2,
            _ => 3,
        };
        match counts.results.get_mut(digest) {
            Some(results) => results[result] += 1,
            None => {
                let mut results = [0; RESULTS.len()];
                results[result] = 1;
                counts.results.insert(digest.to_owned(), results);
            }
        }
        if state == DeliveryState::Sent {
            let place = usize::try_from(second % WINDOW as u64).unwrap_or_default();
            let slot = &mut counts.seconds[place];
            *slot = if slot.0 == second { (second, slot.1 + 1) } else { (second, 1) };
        }
        if state == DeliveryState::Deferred {
            *counts.deferrals.entry((Provider::of(address), Reason::of(words))).or_default() += 1;
        }
    }

    /// The results of each digest; of mails that belong to none, under `""`.
    pub fn results(&self) -> Vec<(String, Vec<(&'static str, u64)>)> {
        let named = |counts: &[u64; RESULTS.len()]| RESULTS.into_iter().zip(*counts).collect();
        self.counts().results.iter().map(|(digest, counts)| (digest.clone(), named(counts))).collect()
    }

    /// Refusals for now, by provider and reason.
    pub fn deferrals(&self) -> Vec<(&'static str, &'static str, u64)> {
        let counts = self.counts();
        counts.deferrals.iter().map(|((provider, reason), n)| (provider.as_str(), reason.as_str(), *n)).collect()
    }

    /// Messages a second that were sent in the last minute.
    #[allow(clippy::cast_precision_loss, reason = "so many messages are not sent in a minute")]
    pub fn rate(&self) -> f64 {
        let now = self.began.elapsed().as_secs();
        let counts = self.counts();
        let recent = counts.seconds.iter().filter(|(second, _)| second + (WINDOW as u64) > now);
        recent.map(|(_, sent)| *sent).sum::<u64>() as f64 / WINDOW as f64
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn results_are_counted_by_digest_and_the_rate_is_that_of_the_last_minute() {
        let tally = Tally::default();
        for _ in 0..120 {
            tally.count(Some("weekly"), "jo@gmail.com", DeliveryState::Sent, "250 2.0.0 Ok");
        }
        tally.count(None, "ops@northfold.example", DeliveryState::Queued, "no connection");
        let weekly = vec![("sent", 120), ("deferred", 0), ("failed", 0), ("kept", 0)];
        let other = vec![("sent", 0), ("deferred", 0), ("failed", 0), ("kept", 1)];
        assert_eq!(tally.results(), [(String::new(), other), ("weekly".to_owned(), weekly)]);
        assert!((tally.rate() - 2.0).abs() < 1e-9);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(tally.rate() < 1e-9, "that was long ago");
    }

    #[test]
    fn deferrals_are_counted_by_few_providers_and_reasons() {
        let tally = Tally::default();
        let defer = |address: &str, words: &str| tally.count(Some("weekly"), address, DeliveryState::Deferred, words);
        defer("jo@gmail.com", "452 4.2.2 Over quota");
        defer("al@googlemail.com", "452 4.2.2 Full");
        for number in 0..100 {
            defer(&format!("x@village{number}.example"), "451 4.7.1 Greylisted");
        }
        assert_eq!(tally.deferrals(), [("gmail", "mailbox full", 2), ("other", "greylisted", 100)]);
    }
}
