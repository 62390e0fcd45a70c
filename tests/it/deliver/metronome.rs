//! Whether fifty came in a second, by the receiver's clock; and whether that can be told, on a machine with much else to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

const TICK: Duration = Duration::from_millis(5);

/// Ticks beside the receiver, and counts by how much it is late.
pub struct Metronome {
    /// Milliseconds.
    late: Arc<AtomicU64>,
    ticking: AbortHandle,
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

impl Metronome {
    pub fn start() -> Self {
        let late = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&late);
        let ticking = tokio::spawn(async move {
            loop {
                let begun = Instant::now();
                tokio::time::sleep(TICK).await;
                let by = begun.elapsed().saturating_sub(TICK * 2);
                count.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
            }
        });
        Self { late, ticking: ticking.abort_handle() }
    }

    /// For how many milliseconds this process has waited for the processor until now.
    pub fn late(&self) -> i64 {
        i64::try_from(self.late.load(Ordering::SeqCst)).unwrap()
    }

    /// Fifty came in a second, usually and over all, and never more. Where the receiver itself waited for the processor for a
    /// fiftieth of the time, so did the sender, and that less came proves nothing.
    #[track_caller]
    pub fn fifty_a_second(&self, times: &[i64]) {
        let took = |times: &[i64]| times[times.len() - 1] - times[0];
        #[allow(clippy::cast_precision_loss, reason = "a few seconds")]
        let rate = |messages: usize, took: i64| (messages - 1) as f64 * 1000.0 / took as f64;
        let mut seconds: Vec<f64> = times.windows(51).map(|window| rate(51, took(window))).collect();
        seconds.sort_by(f64::total_cmp);
        let (usual, whole) = (seconds[seconds.len() / 2], took(times));
        let late = self.late();
        let over_all = rate(times.len(), whole);
        let said = format!("{over_all} a second over all, {usual} usually, late by {late} ms of {whole}");
        assert!(usual <= 51.0 && over_all <= 51.0, "{said}");
        assert!(late * 50 > whole || usual >= 49.0 && over_all >= 49.0, "{said}");
    }
}
