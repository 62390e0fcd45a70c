//! The loop of one connection: envelope, durable start, content, answer; the next envelope goes ahead with the content.
//!
//! The start of a message is committed after the server has said 354 and before any content goes out, together with the
//! result of the message before. A start that is not granted costs the connection: whatever else was sent now would be
//! content.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::conversation::{Conversation, Delivered, Opened, Stop};
use super::filing;
use super::health::Admission;
use super::message::Job;
use super::policy::{Blame, Fate, Step, blame};
use super::relay::{RelayError, SmtpRelay};
use super::reply::Reply;
use super::run::{Attempt, Run, envelope};
use super::station::{Station, Way};
use crate::domain::{DeliveryState, UtcMillis};
use crate::store::Mark;

pub(super) const SENT: Fate = Fate { state: DeliveryState::Sent, due_at: None };
const FAILED: Fate = Fate { state: DeliveryState::Failed, due_at: None };

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
    while admitted(run, station, number).await {
        let Some(job) = run.feed.try_next(station.place) else {
            // Nobody shall wait for a trial that has nothing to try with.
            station.health.release(number);
            // Whoever has waited asks again whether the relay may be used: the others have waited too.
            let ready = run.feed.ready(station.place);
            let more = match &open {
                None => ready.await,
                Some(_) => match timeout(run.shared.settings.timings.idle, ready).await {
                    Ok(more) => more,
                    Err(_) => {
                        quit(open.take()).await;
                        true
                    }
                },
            };
            if more {
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

/// How a line ended a series of deliveries.
enum End<'r> {
    /// The feed is empty; the line can be used again.
    Usable(Box<Line<'r>>),
    /// It is used up, or broken, and so is nothing else.
    Closed,
    /// The relay itself does not work.
    RelayFailed,
}

/// One connection in use.
struct Line<'r> {
    run: &'r Run,
    station: &'r Station,
    /// Which of the relay's connections it is.
    number: usize,
    conversation: Conversation,
    /// Envelopes that it has seen.
    used: usize,
    /// When the envelope of the message in hand went out, as its relay's refusals are counted.
    date: u64,
    /// Whether it has brought a message to its answer.
    worked: bool,
    /// Results that wait for the next start, to be committed with it.
    results: Vec<Mark>,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.station.closed();
    }
}

impl<'r> Line<'r> {
    fn new(run: &'r Run, station: &'r Station, number: usize, conversation: Conversation) -> Self {
        Self { run, station, number, conversation, used: 0, date: 0, worked: false, results: Vec::new() }
    }

    /// Takes leave of the server.
    async fn quit(mut self) {
        self.record().await;
        self.conversation.quit().await;
    }

    /// Delivers `first` and whatever follows it, as long as the line can.
    async fn deliver(mut self, first: Job) -> End<'r> {
        if !self.station.health.goes_on(self.number) {
            // It has asked for less on another one while this one was made.
            self.run.feed.give_back_turn(self.station.place, first.to.domain());
            self.run.give_back(self.station, first).await;
            return self.end().await;
        }
        let mut job = first;
        let mut opened = None;
        loop {
            let objection = if opened.is_none() { self.conversation.objection(envelope(&job)) } else { None };
            if let Some(words) = objection {
                self.results.push(self.result(&job, Attempt::Claimed, FAILED, words.to_owned()));
                match self.next().await {
                    Some(next) => job = next,
                    None => return self.end().await,
                }
                continue;
            }
            let step = match opened.take() {
                Some(step) => step,
                None => self.open(&job).await,
            };
            match step {
                // Nothing of it is begun any more, or not by this relay, and whatever is said now would be content.
                Ok(Opened::Ready) if !self.goes_on_with(&job) => {
                    self.record().await;
                    self.run.give_back(self.station, job).await;
                    return End::Closed;
                }
                Ok(Opened::Ready) => {}
                Ok(Opened::Refused(step, reply)) if reply.closes() && blame(step, &reply) != Blame::Throttled => {
                    return self.lost(job, &reply.words()).await;
                }
                Ok(Opened::Refused(step, reply)) => {
                    if self.refused(&job, Attempt::Claimed, step, &reply).await {
                        return self.relay_failed().await;
                    }
                    // Nothing else is to be committed soon if the next ones are refused as well.
                    self.record().await;
                    match self.next().await {
                        Some(next) => job = next,
                        None => return self.end().await,
                    }
                    continue;
                }
                Err(why) => return self.lost(job, &why).await,
            }
            let Some(started) = self.start(&job).await else { return End::Closed };
            let mut content = self.conversation.buffer();
            job.write_stuffed(&*self.run.shared.links, started, &mut content);
            let (ahead, date) = (self.ahead(), self.station.refusals.date());
            let flight = self.run.recorder.flight();
            let (delivered, next_opened) = self.conversation.deliver(content, ahead.as_ref().map(envelope)).await;
            drop(flight);
            if self.delivered(&job, started, delivered).await {
                if let Some(ahead) = ahead {
                    self.run.give_back(self.station, ahead).await;
                }
                return self.relay_failed().await;
            }
            self.date = date;
            match (ahead, next_opened) {
                (Some(next), Some(step)) => (job, opened) = (next, Some(step)),
                (Some(next), None) => {
                    self.run.feed.give_back_turn(self.station.place, next.to.domain());
                    self.run.give_back(self.station, next).await;
                    return self.end().await;
                }
                (None, _) => match self.next().await {
                    Some(next) => job = next,
                    None => return self.end().await,
                },
            }
        }
    }

    fn goes_on_with(&self, job: &Job) -> bool {
        self.run.goes_on_with(job) && self.station.health.goes_on(self.number)
    }

    async fn open(&mut self, job: &Job) -> Result<Opened, String> {
        self.used += 1;
        self.date = self.station.refusals.date();
        self.conversation.open(envelope(job)).await
    }

    /// Commits the start of `job` with the results so far. `None`: it must not be made.
    async fn start(&mut self, job: &Job) -> Option<UtcMillis> {
        let mut stops = self.run.stops.clone();
        tokio::select! {
            started = self.run.start(self.station, job, std::mem::take(&mut self.results)) => started,
            _ = stops.wait_for(|stop| *stop == Stop::Now) => None,
        }
    }

    /// The next delivery if its envelope may go ahead: never on the last message of a connection, nor when stopping.
    fn ahead(&mut self) -> Option<Job> {
        if !self.conversation.can_pipeline() || !self.has_room() {
            return None;
        }
        let job = self
            .run
            .feed
            .try_next_if(self.station.place, |job| self.conversation.objection(envelope(job)).is_none())?;
        self.used += 1;
        Some(job)
    }

    /// The next delivery for this line, if there is one now.
    async fn next(&mut self) -> Option<Job> {
        if self.conversation.is_over() || !self.has_room() { None } else { self.run.feed.try_next(self.station.place) }
    }

    fn has_room(&self) -> bool {
        let is_used_up = self.used >= self.station.config.messages_per_connection;
        let is_welcome = !self.station.refuses_us();
        !is_used_up && is_welcome && !self.run.is_stopping() && self.station.health.goes_on(self.number)
    }

    /// Notes what became of a content. `true`: the relay itself failed.
    async fn delivered(&mut self, job: &Job, started: UtcMillis, delivered: Delivered) -> bool {
        match delivered {
            Delivered::Answered(reply) if reply.is_done() => {
                self.worked = true;
                self.station.group_worked();
                self.run.worked(self.station, self.date).await;
                self.results.push(self.result(job, Attempt::Started(started), SENT, reply.words()));
                false
            }
            Delivered::Answered(reply) => {
                self.worked = true;
                self.refused(job, Attempt::Started(started), Step::Content, &reply).await
            }
            Delivered::Incomplete(why) => {
                self.results.push(self.run.broken(self.station, job, Attempt::Started(started), &why));
                self.failed_at_once(&why)
            }
            Delivered::Unanswered(why) => {
                self.results.push(self.run.unanswered(self.station, job, started, &why));
                self.failed_at_once(&why)
            }
        }
    }

    fn result(&self, job: &Job, attempt: Attempt, fate: Fate, words: String) -> Mark {
        self.run.result(self.station, &job.row, attempt, fate, words)
    }

    async fn refused(&mut self, job: &Job, attempt: Attempt, step: Step, reply: &Reply) -> bool {
        let (marks, relay_failed) = self.run.refused(self.station, job, attempt, step, reply).await;
        self.results.extend(marks);
        relay_failed
    }

    /// The connection broke while `job`'s envelope was under way.
    async fn lost(mut self, job: Job, why: &str) -> End<'r> {
        if !self.conversation.has_taken_sender() {
            self.run.feed.give_back_turn(self.station.place, job.to.domain());
        }
        if self.worked {
            // Connections end; the message that happened to be next is not to blame, and is free to go at once.
            self.run.give_back(self.station, job).await;
            return self.end().await;
        }
        if self.conversation.pipelines() {
            self.station.group_broke();
        }
        self.results.push(self.run.broken(self.station, &job, Attempt::Claimed, why));
        self.failed_at_once(why);
        self.relay_failed().await
    }

    /// Whether a connection that breaks now says that the relay does not work: it has not got one message through.
    fn failed_at_once(&mut self, why: &str) -> bool {
        if !self.worked && !self.run.is_stopping() {
            self.run.relay_failed(self.station, why);
        }
        !self.worked
    }

    async fn relay_failed(mut self) -> End<'r> {
        self.record().await;
        if !self.conversation.is_over() {
            self.quit().await;
        }
        End::RelayFailed
    }

    async fn end(mut self) -> End<'r> {
        self.record().await;
        if self.conversation.is_over() {
            return End::Closed;
        }
        if !self.has_room() {
            self.quit().await;
            return End::Closed;
        }
        End::Usable(Box::new(self))
    }

    async fn record(&mut self) {
        self.run.recorder.record(std::mem::take(&mut self.results)).await;
    }
}
