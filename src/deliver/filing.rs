//! The loop of one connection to a folder: durable start, file, the next one.

use super::line::SENT;
use super::message::Job;
use super::outbox::Outbox;
use super::policy::Fate;
use super::run::{Attempt, Run};
use super::session::admitted;
use super::station::Station;
use crate::domain::DeliveryState;
use crate::store::Mark;

/// Delivers into `outbox` until the feed ends.
pub async fn work(run: &Run, station: &Station, outbox: &Outbox, number: usize) {
    let mut results = Vec::new();
    while admitted(run, station, number).await {
        let Some(job) = next_or_record(run, station, &mut results).await else { break };
        let Some(started) = run.start(station, &job, std::mem::take(&mut results)).await else { continue };
        let mut message = Vec::new();
        job.write(&*run.shared.links, started, &mut message);
        match outbox.put(job.row.id, message).await {
            Ok(()) => {
                run.worked(station, &job, station.refusals.date()).await;
                let words = "written".to_owned();
                results.push(run.result(station, &job.row, Attempt::Started(started), SENT, words));
            }
            Err(error) => {
                let kept = Fate { state: DeliveryState::Queued, due_at: None };
                results.push(run.result(station, &job.row, Attempt::Started(started), kept, error.to_string()));
                run.relay_failed(station, &error.to_string());
                run.recorder.record(std::mem::take(&mut results)).await;
                run.after_failure().await;
            }
        }
    }
    run.recorder.record(results).await;
}

/// The next delivery; before it waits for one it records what is known.
async fn next_or_record(run: &Run, station: &Station, results: &mut Vec<Mark>) -> Option<Job> {
    if let Some(job) = run.feed.try_next(station.place) {
        return Some(job);
    }
    run.recorder.record(std::mem::take(results)).await;
    run.feed.next(station.place).await
}
