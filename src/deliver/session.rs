//! The loop of one connection: envelope, durable start, content, answer; the next envelope goes ahead with the content.
//!
//! The start of a message is committed after the server has said 354 and before any content goes out, together with the
//! result of the message before. A start that is not granted costs the connection: whatever else was sent now would be
//! content.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::conversation::{Conversation, Delivered, Opened, Stop};
use super::feed::Feed;
use super::message::{Job, with_final_dot};
use super::outbox::Outbox;
use super::policy::{Fate, Step};
use super::relay::{RelayError, SmtpRelay};
use super::reply::Reply;
use super::run::{Attempt, Relay, Run, envelope};
use crate::domain::{DeliveryState, UtcMillis};
use crate::store::Mark;

const SENT: Fate = Fate { state: DeliveryState::Sent, due_at: None };
const FAILED: Fate = Fate { state: DeliveryState::Failed, due_at: None };

/// Delivers what the feed has, one message after the other, until the feed ends.
pub async fn work(run: Arc<Run>) {
    match &run.shared.relay {
        Relay::Outbox(outbox) => work_on_files(&run, outbox).await,
        Relay::Smtp(relay) => Box::pin(work_on_connections(&run, relay)).await,
    }
}

async fn work_on_files(run: &Run, outbox: &Outbox) {
    let mut results = Vec::new();
    while let Some(job) = next_or_record(&run.feed, run, &mut results).await {
        let Some(started) = run.start(&job, std::mem::take(&mut results)).await else { continue };
        let message = job.message(&*run.shared.links, started);
        match outbox.put(job.row.id, message).await {
            Ok(()) => {
                run.shared.health.worked();
                results.push(run.result(&job.row, Attempt::Started(started), SENT, "written".to_owned()));
            }
            Err(error) => {
                let kept = Fate { state: DeliveryState::Queued, due_at: None };
                results.push(run.result(&job.row, Attempt::Started(started), kept, error.to_string()));
                run.relay_failed(&error.to_string());
                run.recorder.record(std::mem::take(&mut results)).await;
                if !run.wait_for_relay().await {
                    break;
                }
            }
        }
    }
    run.recorder.record(results).await;
}

/// The next delivery; before it waits for one it records what is known.
async fn next_or_record(feed: &Feed, run: &Run, results: &mut Vec<Mark>) -> Option<Job> {
    if let Some(job) = feed.try_next() {
        return Some(job);
    }
    run.recorder.record(std::mem::take(results)).await;
    feed.next().await
}

async fn work_on_connections(run: &Run, relay: &SmtpRelay) {
    let mut open: Option<Line<'_>> = None;
    let mut failures = 0;
    loop {
        let job = match &open {
            None => run.feed.next().await,
            Some(_) => match timeout(run.shared.settings.timings.idle, run.feed.next()).await {
                Ok(job) => job,
                Err(_) => {
                    quit(open.take()).await;
                    continue;
                }
            },
        };
        let Some(job) = job else { break };
        let line = match open.take() {
            Some(line) => line,
            None => match run.connect(relay).await {
                Ok(conversation) => Line::new(run, conversation),
                Err(error) => {
                    run.give_back(job).await;
                    if !wait_after(run, &error, failures).await {
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
            End::RelayFailed if run.wait_for_relay().await => {}
            End::RelayFailed => break,
        }
    }
    quit(open).await;
}

/// Waits after a connection did not come about, for the `failures + 1`th time in a row. `false`: no need to wait.
async fn wait_after(run: &Run, error: &RelayError, failures: u32) -> bool {
    if run.is_stopping() {
        return false;
    }
    if !run.is_connected() {
        run.relay_failed(&error.to_string());
        return run.wait_for_relay().await;
    }
    // The relay works, only not for so many connections.
    tracing::debug!(%error, "the relay takes no further connection");
    if run.feed.is_closed() {
        return false;
    }
    run.rest_until(Instant::now() + run.shared.health.pause_after(failures, &*run.shared.random)).await;
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
    conversation: Conversation,
    /// Envelopes that it has seen.
    used: usize,
    /// Whether it has brought a message to its answer.
    worked: bool,
    /// Results that wait for the next start, to be committed with it.
    results: Vec<Mark>,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.run.closed();
    }
}

impl<'r> Line<'r> {
    fn new(run: &'r Run, conversation: Conversation) -> Self {
        Self { run, conversation, used: 0, worked: false, results: Vec::new() }
    }

    /// Takes leave of the server.
    async fn quit(mut self) {
        self.record().await;
        self.conversation.quit().await;
    }

    /// Delivers `first` and whatever follows it, as long as the line can.
    async fn deliver(mut self, first: Job) -> End<'r> {
        let mut job = first;
        let mut opened = None;
        loop {
            if opened.is_none() && !self.conversation.can_take(envelope(&job)) {
                let words = "the address needs SMTPUTF8, which the relay does not offer".to_owned();
                self.results.push(self.run.result(&job.row, Attempt::Claimed, FAILED, words));
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
                Ok(Opened::Ready) => {}
                Ok(Opened::Refused(_, reply)) if reply.closes() => return self.lost(job, &reply.words()).await,
                Ok(Opened::Refused(step, reply)) => {
                    if self.refused(&job, Attempt::Claimed, step, &reply) {
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
            let Some(content) = with_final_dot(job.message(&*self.run.shared.links, started)) else {
                let words = "the message is not text".to_owned();
                self.results.push(self.run.result(&job.row, Attempt::Started(started), FAILED, words));
                self.record().await;
                return End::Closed;
            };
            let ahead = self.ahead();
            let (delivered, next_opened) = self.conversation.deliver(content, ahead.as_ref().map(envelope)).await;
            if self.delivered(&job, started, delivered) {
                if let Some(ahead) = ahead {
                    self.run.give_back(ahead).await;
                }
                return self.relay_failed().await;
            }
            match (ahead, next_opened) {
                (Some(next), Some(step)) => (job, opened) = (next, Some(step)),
                (Some(next), None) => {
                    self.run.give_back(next).await;
                    return self.end().await;
                }
                (None, _) => match self.next().await {
                    Some(next) => job = next,
                    None => return self.end().await,
                },
            }
        }
    }

    async fn open(&mut self, job: &Job) -> Result<Opened, String> {
        self.used += 1;
        self.conversation.open(envelope(job)).await
    }

    /// Commits the start of `job` with the results so far. `None`: it must not be made.
    async fn start(&mut self, job: &Job) -> Option<UtcMillis> {
        let mut stops = self.run.stops.clone();
        tokio::select! {
            started = self.run.start(job, std::mem::take(&mut self.results)) => started,
            _ = stops.wait_for(|stop| *stop == Stop::Now) => None,
        }
    }

    /// The next delivery if its envelope may go ahead: never on the last message of a connection, nor when stopping.
    fn ahead(&mut self) -> Option<Job> {
        if !self.conversation.can_pipeline() || !self.has_room() {
            return None;
        }
        let job = self.run.feed.try_next_if(|job| self.conversation.can_take(envelope(job)))?;
        self.used += 1;
        Some(job)
    }

    /// The next delivery for this line, if there is one now.
    async fn next(&mut self) -> Option<Job> {
        if self.conversation.is_over() || !self.has_room() { None } else { self.run.feed.try_next() }
    }

    fn has_room(&self) -> bool {
        self.used < self.run.shared.settings.smtp.messages_per_connection && !self.run.is_stopping()
    }

    /// Notes what became of a content. `true`: the relay itself failed.
    fn delivered(&mut self, job: &Job, started: UtcMillis, delivered: Delivered) -> bool {
        match delivered {
            Delivered::Answered(reply) if reply.is_done() => {
                self.worked = true;
                self.run.shared.health.worked();
                self.results.push(self.run.result(&job.row, Attempt::Started(started), SENT, reply.words()));
                false
            }
            Delivered::Answered(reply) => {
                self.worked = true;
                self.refused(job, Attempt::Started(started), Step::Content, &reply)
            }
            Delivered::Incomplete(why) => {
                self.results.push(self.run.broken(job, Attempt::Started(started), &why));
                self.failed_at_once(&why)
            }
            Delivered::Unanswered(why) => {
                self.results.push(self.run.unanswered(job, started, &why));
                self.failed_at_once(&why)
            }
        }
    }

    fn refused(&mut self, job: &Job, attempt: Attempt, step: Step, reply: &Reply) -> bool {
        let (mark, relay_failed) = self.run.refused(job, attempt, step, reply);
        self.results.push(mark);
        relay_failed
    }

    /// The connection broke while `job`'s envelope was under way.
    async fn lost(mut self, job: Job, why: &str) -> End<'r> {
        if self.worked {
            // Connections end; the message that happened to be next is not to blame, and is free to go at once.
            self.run.give_back(job).await;
            return self.end().await;
        }
        self.results.push(self.run.broken(&job, Attempt::Claimed, why));
        self.failed_at_once(why);
        self.relay_failed().await
    }

    /// Whether a connection that breaks now says that the relay does not work: it has not got one message through.
    fn failed_at_once(&mut self, why: &str) -> bool {
        if !self.worked && !self.run.is_stopping() {
            self.run.relay_failed(why);
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
