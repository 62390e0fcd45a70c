//! One connection in use: envelope, durable start, content, answer; the next envelope goes ahead with the content.
//!
//! The start of a message is committed after the server has said 354 and before any content goes out, together with the
//! result of the message before. A start that is not granted costs the connection: whatever else was sent now would be
//! content.

use super::conversation::{Conversation, Delivered, Opened, Stop};
use super::message::Job;
use super::policy::{Blame, Fate, Step, blame};
use super::reply::Reply;
use super::run::{Attempt, Run, envelope};
use super::station::Station;
use crate::domain::{DeliveryState, UtcMillis};
use crate::store::Mark;

/// The fate of what the relay has taken.
pub const SENT: Fate = Fate { state: DeliveryState::Sent, due_at: None };

/// How a line ended a series of deliveries.
pub enum End<'r> {
    /// The feed is empty; the line can be used again.
    Usable(Box<Line<'r>>),
    /// It is used up, or broken, and so is nothing else.
    Closed,
    /// The relay itself does not work.
    RelayFailed,
}

/// How far an envelope has come.
enum Prepared {
    /// The content may follow.
    Ready,
    /// The server waits for the content, and nothing of it is begun any more, or not by this relay: whatever is said now would be
    /// content.
    Unwanted,
    /// It has its result, and the line goes on.
    Settled,
    /// The connection broke.
    Lost(String),
    /// The relay itself does not work.
    RelayFailed,
}

/// A delivery at the line, with what has been done for it ahead.
struct InHand {
    job: Job,
    /// What was answered to its envelope, if that has gone out.
    opened: Option<Result<Opened, String>>,
    /// Its message, if that has been written.
    content: Option<Vec<u8>>,
}

impl From<Job> for InHand {
    fn from(job: Job) -> Self {
        Self { job, opened: None, content: None }
    }
}

/// One connection in use.
pub struct Line<'r> {
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
    /// A buffer for the next message.
    spare: Vec<u8>,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.station.closed();
    }
}

impl<'r> Line<'r> {
    /// A new one, whose server has been greeted.
    pub fn new(run: &'r Run, station: &'r Station, number: usize, conversation: Conversation) -> Self {
        Self {
            run,
            station,
            number,
            conversation,
            used: 0,
            date: 0,
            worked: false,
            results: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes leave of the server.
    pub async fn quit(mut self) {
        self.record().await;
        self.conversation.quit().await;
    }

    /// Delivers `first` and whatever follows it, as long as the line can.
    pub async fn deliver(mut self, first: Job) -> End<'r> {
        if !self.station.health.goes_on(self.number) {
            // It has asked for less on another one while this one was made.
            self.run.feed.give_back_turn(self.station.place, first.to.domain());
            self.run.give_back(self.station, first).await;
            return self.end().await;
        }
        let mut hand = InHand::from(first);
        loop {
            match self.prepare(&hand.job, hand.opened.take()).await {
                Prepared::Ready => {}
                Prepared::Unwanted => {
                    self.record().await;
                    self.run.give_back(self.station, hand.job).await;
                    return End::Closed;
                }
                Prepared::Settled => match self.next() {
                    Some(next) => {
                        hand = next.into();
                        continue;
                    }
                    None => return self.end().await,
                },
                Prepared::Lost(why) => return self.lost(hand.job, &why).await,
                Prepared::RelayFailed => return self.relay_failed().await,
            }
            let Some(started) = self.start(&hand.job).await else { return End::Closed };
            let content = hand.content.take().unwrap_or_else(|| write(self.run, &hand.job, &mut self.spare));
            let (ahead, date) = (self.ahead(), self.station.refusals.date());
            let flight = self.run.recorder.flight();
            // The next message is written while this one is under way, so that the relay need not wait for it.
            let (next, Self { run, conversation, spare, .. }) = (ahead.as_ref(), &mut self);
            let ((delivered, opened), content) = tokio::join!(
                biased;
                conversation.deliver(content, next.map(envelope)),
                async { next.map(|next| write(run, next, spare)) },
            );
            drop(flight);
            self.spare = self.conversation.buffer();
            if self.delivered(&hand.job, started, delivered).await {
                if let Some(ahead) = ahead {
                    self.run.give_back(self.station, ahead).await;
                }
                return self.relay_failed().await;
            }
            self.date = date;
            hand = match (ahead, opened) {
                (Some(job), opened @ Some(_)) => InHand { job, opened, content },
                (Some(next), None) => {
                    self.run.feed.give_back_turn(self.station.place, next.to.domain());
                    self.run.give_back(self.station, next).await;
                    return self.end().await;
                }
                (None, _) => match self.next() {
                    Some(next) => next.into(),
                    None => return self.end().await,
                },
            };
        }
    }

    /// Brings a message to where its content may follow. `opened`: what was answered to its envelope, if that has gone ahead.
    async fn prepare(&mut self, job: &Job, opened: Option<Result<Opened, String>>) -> Prepared {
        let objection = if opened.is_none() { self.conversation.objection(envelope(job)) } else { None };
        if let Some(words) = objection {
            self.run.feed.give_back_place(self.station.place, job.to.domain());
            self.results.push(self.run.unable(self.station, &job.row, words));
            return Prepared::Settled;
        }
        let step = match opened {
            Some(step) => step,
            None => self.open(job).await,
        };
        match step {
            Ok(Opened::Ready) if self.run.goes_on_with(job) && self.station.health.goes_on(self.number) => {
                Prepared::Ready
            }
            Ok(Opened::Ready) => Prepared::Unwanted,
            Ok(Opened::Refused(step, reply)) if reply.closes() && blame(step, &reply) != Blame::Throttled => {
                Prepared::Lost(reply.words())
            }
            Ok(Opened::Refused(step, reply)) => {
                if self.refused(job, Attempt::Claimed, step, &reply).await {
                    return Prepared::RelayFailed;
                }
                // Nothing else is to be committed soon if the next ones are refused as well.
                self.record().await;
                Prepared::Settled
            }
            Err(why) => Prepared::Lost(why),
        }
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
    fn next(&mut self) -> Option<Job> {
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
                self.run.worked(self.station, job, self.date).await;
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

/// The message of a delivery as it goes out now, in that buffer.
fn write(run: &Run, job: &Job, buffer: &mut Vec<u8>) -> Vec<u8> {
    let mut content = std::mem::take(buffer);
    job.write_stuffed(&*run.shared.links, run.shared.clock.now(), &mut content);
    content
}
