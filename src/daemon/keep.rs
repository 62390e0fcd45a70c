//! Keeps a part going: whatever it falls over is told, and it is started again after a pause that grows.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::alerts::Alerts;
use crate::status::Part;

/// The pause after the first fall; each further one doubles it.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(300);

/// After so long a time without a fall the next one is the first again.
const LONG: Duration = Duration::from_secs(600);

/// From how many falls in a row on the operator is told.
const TOLD_FROM: u32 = 3;

/// Runs a part until it is told to stop; starts it again when it falls over, or ends by itself.
pub(super) async fn keep<F: Future<Output = ()> + Send + 'static>(
    part: Part,
    alerts: Option<Alerts>,
    stopped: watch::Receiver<bool>,
    run: impl Fn(Part, watch::Receiver<bool>) -> F,
) {
    let mut falls = 0;
    loop {
        let began = Instant::now();
        let error = match tokio::spawn(run(part.clone(), stopped.clone())).await {
            Ok(()) => "it ended by itself".to_owned(),
            Err(error) => error.to_string(),
        };
        if *stopped.borrow() {
            return;
        }
        falls = if began.elapsed() >= LONG { 1 } else { falls + 1 };
        let pause = pause_after(falls);
        part.fell(&error, falls, pause);
        if let Some(alerts) = alerts.as_ref().filter(|_| falls >= TOLD_FROM) {
            let subject = format!("A part of Postround falls over again and again: {}", part.name());
            let text = "It is started again by itself, each time after a longer pause; the other parts go on.\nThe log \
                        has what it falls over.";
            alerts.raise(&format!("part:{}", part.name()), &subject, text);
        }
        tokio::select! {
            () = until(stopped.clone()) => return,
            () = tokio::time::sleep(pause) => part.starts(),
        }
    }
}

fn pause_after(falls: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(falls.saturating_sub(1).min(16))).min(LONGEST)
}

/// Waits until it is time to stop.
pub(super) async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the daemon itself is gone.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// What a step gives; `None` when it was time to stop before it was done. What it had not committed did not happen.
pub(super) async fn unless_stopped<T>(stopped: &watch::Receiver<bool>, step: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = until(stopped.clone()) => None,
        output = step => Some(output),
    }
}

/// Waits for the next look. `false`: it is time to stop.
pub(super) async fn rest(stopped: &watch::Receiver<bool>, pause: Duration) -> bool {
    unless_stopped(stopped, tokio::time::sleep(pause)).await.is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::status::Parts;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses: Vec<u64> = (1..=11).map(|falls| pause_after(falls).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pause_after(u32::MAX), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_panics_or_ends_is_started_again_later_each_time_until_it_is_told_to_stop() {
        let (parts, starts) = (Parts::default(), Arc::new(AtomicU32::new(0)));
        let (stop, stopped) = watch::channel(false);
        let (alerts, mut raised) = Alerts::new();
        let counted = Arc::clone(&starts);
        let kept = tokio::spawn(keep(parts.part("collect"), Some(alerts), stopped, move |part, stopped| {
            let start = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(start != 0, "the first one falls over");
                if start >= 3 {
                    part.works();
                    until(stopped).await;
                }
            }
        }));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!((parts.words()["collect"], starts.load(Ordering::SeqCst)), ("restarting", 1));
        tokio::time::sleep(Duration::from_millis(1000)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 2, "after a second");
        tokio::time::sleep(Duration::from_millis(2000)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 3, "after two more");
        assert_eq!(raised.recv().await.unwrap().key, "part:collect");
        tokio::time::sleep(Duration::from_millis(4000)).await;
        assert_eq!((parts.words()["collect"], starts.load(Ordering::SeqCst)), ("ok", 4));
        stop.send_replace(true);
        kept.await.unwrap();
        assert_eq!(parts.all()[0].2, 3, "a part that was told to stop has not fallen");
    }
}
