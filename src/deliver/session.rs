//! The loop of one connection: it waits until the relay may be used and there is something for it, connects, and delivers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::filing;
use super::health::Admission;
use super::line::{End, Line};
use super::relay::{RelayError, SmtpRelay};
use super::run::Run;
use super::station::{Station, Way};

/// How long a connection that has to wait for another one waits before it looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Delivers what the feed has, one message after the other, until the feed ends: on the connection of that number to the
/// relay at `station`.
pub async fn work(run: Arc<Run>, station: usize, number: usize) {
    let Some(station) = run.shared.stations.get(station) else { return };
    match &station.way {
        Way::Outbox(outbox) => filing::work(&run, station, outbox, number).await,
        Way::Smtp(relay) => Box::pin(work_on_connections(&run, station, relay, number)).await,
    }
    station.health.release(number);
}

/// Waits until the relay may be used. `false`: no more deliveries will come.
pub(super) async fn admitted(run: &Run, station: &Station, number: usize) -> bool {
    loop {
        let wait = match station.health.admits(number, station.config.connections) {
            Admission::Go | Admission::Probe => return true,
            Admission::Wait(until) => until,
            Admission::Queue => Instant::now() + LOOK_AGAIN,
        };
        if run.feed.is_closed() {
            return false;
        }
        tokio::select! {
            () = run.rest_until(wait) => {}
            () = station.health.changed() => {}
            () = run.feed.closed() => {}
        }
    }
}

async fn work_on_connections(run: &Run, station: &Station, relay: &SmtpRelay, number: usize) {
    let mut open: Option<Line<'_>> = None;
    let mut failures = 0;
    while idle(run, &mut open, admitted(run, station, number)).await {
        let Some(job) = run.feed.try_next(station.place) else {
            // Nobody shall wait for a trial that has nothing to try with.
            station.health.release(number);
            // Whoever has waited asks again whether the relay may be used: the others have waited too.
            if idle(run, &mut open, run.feed.ready(station.place)).await {
                continue;
            }
            break;
        };
        let line = match open.take() {
            Some(line) => line,
            None => match run.connect(station, relay).await {
                Ok(conversation) => Line::new(run, station, number, conversation),
                Err(error) => {
                    run.feed.give_back_turn(station.place, job.to.domain());
                    run.give_back(station, job).await;
                    if !rest_after(run, station, &error, failures).await {
                        break;
                    }
                    failures += 1;
                    continue;
                }
            },
        };
        failures = 0;
        match line.deliver(job).await {
            End::Usable(line) => open = Some(*line),
            End::Closed => {}
            End::RelayFailed => {
                run.after_failure().await;
            }
        }
    }
    quit(open).await;
}

/// Waits, and closes the line when that takes too long, whatever it waits for: a server does not keep it for ever, and one
/// that is not used says nothing of whether the relay works.
async fn idle(run: &Run, open: &mut Option<Line<'_>>, wait: impl Future<Output = bool>) -> bool {
    tokio::pin!(wait);
    if open.is_some() {
        if let Ok(more) = timeout(run.shared.settings.timings.idle, &mut wait).await {
            return more;
        }
        quit(open.take()).await;
    }
    wait.await
}

/// Deals with a connection that did not come about, for the `failures + 1`th time in a row. `false`: the worker is done.
async fn rest_after(run: &Run, station: &Station, error: &RelayError, failures: u32) -> bool {
    if run.is_stopping() {
        return false;
    }
    if let RelayError::Throttled(words) = error {
        run.throttled(station, words);
        return run.after_failure().await;
    }
    if !station.is_connected() {
        run.relay_failed(station, &error.to_string());
        return run.after_failure().await;
    }
    // The relay works, only not for so many connections.
    tracing::debug!(%error, "the relay takes no further connection");
    if run.feed.is_closed() {
        return false;
    }
    run.rest_until(Instant::now() + station.health.pause_after(failures, &*run.shared.random)).await;
    true
}

async fn quit(line: Option<Line<'_>>) {
    if let Some(line) = line {
        line.quit().await;
    }
}
