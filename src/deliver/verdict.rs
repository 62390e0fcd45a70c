//! What an answer means that is not the one that goes on: for the delivery, for its address, and for the relay.

use std::time::Duration;

use tokio::time::Instant;

use super::message::Job;
use super::others::Others;
use super::policy::{Blame, Fate, Step, blame, grudge};
use super::recorder;
use super::refusals::{self, Refused};
use super::reply::Reply;
use super::run::{Attempt, Run, Shared, first_due};
use super::station::Station;
use super::told::Told;
use crate::domain::DeliveryState;
use crate::store::{ClaimedRow, Mark};

const FAILED: Fate = Fate { state: DeliveryState::Failed, due_at: None };

/// For how long a relay that has refused a delivery leaves it to others; and one that cannot take it, since it will not be
/// able to so soon.
const REFUSED: Duration = Duration::from_secs(30);
const UNABLE: Duration = Duration::from_secs(600);

impl Run {
    /// The results of an answer that is not the one that goes on. `true`: it is about the relay.
    pub async fn refused(
        &self,
        station: &Station,
        job: &Job,
        attempt: Attempt,
        step: Step,
        reply: &Reply,
    ) -> (Vec<Mark>, bool) {
        let row = &job.row;
        let blame = blame(step, reply);
        match blame {
            Blame::Relay | Blame::Throttled => {
                let (mark, relay_failed) = self.refused_as_ours(station, job, attempt, blame, reply.words());
                // What is in the feed from a sender that was refused makes room for others.
                self.take_in(Vec::new()).await;
                return (vec![mark], relay_failed);
            }
            Blame::Address => {
                let mark = self.result(station, row, attempt, FAILED, reply.words());
                return (self.bury(row, mark).await.into_iter().collect(), false);
            }
            Blame::Failed | Blame::Deferred => {}
        }
        let (words, for_good) = (reply.words(), blame != Blame::Deferred);
        let Some(reason) = grudge(reply) else {
            return (vec![self.own_fault(station, row, attempt, words, for_good)], false);
        };
        let refused = Refused { row: row.clone(), attempt, words, reason, for_good };
        let Some(all) = station.refusals.keep(refused, station.config.connections) else {
            return (Vec::new(), false);
        };
        self.relay_failed(station, &reply.words());
        let kept = |one: Refused| self.turned_away(station, &one.row, None, one.attempt, one.words);
        (all.into_iter().map(kept).collect(), true)
    }

    /// The result of a refusal in words that are about us. `true`: it is about the relay, as far as is known.
    fn refused_as_ours(
        &self,
        station: &Station,
        job: &Job,
        attempt: Attempt,
        blame: Blame,
        words: String,
    ) -> (Mark, bool) {
        let row = &job.row;
        // Whoever asks for less speed asks us for it, whoever a message is from.
        let sender = (blame == Blame::Relay).then(|| job.from().as_str());
        if station.unwelcome.is_own(row.id, sender, &words) {
            let mark = match self.others(station, row, REFUSED) {
                Others::Free => self.kept_for(station, row, attempt, words, Duration::ZERO),
                Others::Away | Others::None => self.own_fault(station, row, attempt, words, false),
            };
            return (mark, false);
        }
        if blame == Blame::Relay {
            self.relay_failed(station, &words);
        } else {
            self.throttled(station, &words);
            if station.unwelcome.is_first(row.id, station.refusals.note()) {
                return (self.kept(station, row, attempt, words), true);
            }
        }
        (self.turned_away(station, row, sender, attempt, words), true)
    }

    /// The result of a refusal that the relay, which rests, is to blame for as far as is known. When its rest is over it is tried
    /// with others first: where it takes them, it is not to blame.
    fn turned_away(
        &self,
        station: &Station,
        row: &ClaimedRow,
        sender: Option<&str>,
        attempt: Attempt,
        words: String,
    ) -> Mark {
        let Shared { settings, .. } = &*self.shared;
        let rests = station.health.paused_until().map(|until| until.saturating_duration_since(Instant::now()));
        let (number, rests) = (station.refusals.note(), rests.unwrap_or_default());
        let wait = station.unwelcome.refused(row.id, sender, number, rests, settings.timings.poll);
        let wait = if self.others(station, row, wait) == Others::Free { Duration::ZERO } else { wait };
        self.kept_for(station, row, attempt, words, wait)
    }

    fn all_kept(&self, station: &Station, all: Vec<Refused>) -> Vec<Mark> {
        all.into_iter().map(|one| self.kept(station, &one.row, one.attempt, one.words)).collect()
    }

    fn all_own(&self, station: &Station, all: Vec<Refused>) -> Vec<Mark> {
        let own = |one: Refused| self.own_fault(station, &one.row, one.attempt, one.words, one.for_good);
        all.into_iter().map(own).collect()
    }

    /// The result of a refusal that is the message's own.
    fn own_fault(&self, station: &Station, row: &ClaimedRow, attempt: Attempt, words: String, for_good: bool) -> Mark {
        if for_good {
            return self.result(station, row, attempt, FAILED, words);
        }
        let fate = |first, now| self.shared.policy.refused(row.attempts + 1, first, now, &*self.shared.random);
        self.tried(station, row, attempt, fate, words)
    }

    /// The relay has taken a message whose envelope went out at that date of its refusals.
    pub async fn worked(&self, station: &Station, job: &Job, date: u64) {
        station.unwelcome.worked(job, date);
        let Some(own) = station.refusals.worked(date) else { return };
        station.health.worked();
        if !own.is_empty() {
            self.recorder.record(self.all_own(station, own)).await;
        }
    }

    /// Settles the refusals that are kept back where nothing else will: of relays that rest, and where there is `nothing_more`
    /// to do. What other relays have not been asked for goes to them. Of the rest, some for one reason to several domains
    /// are about us, and put off; others are each message's own.
    pub async fn settle_refusals(&self, nothing_more: bool) {
        let kept: usize = self.shared.stations.iter().map(|station| station.refusals.count()).sum();
        if kept == 0 || self.is_stopping() {
            return;
        }
        // What was claimed and has no result yet is with a relay, or waits for one.
        let is_over = nothing_more && self.count_in_hand() <= kept;
        for station in &self.shared.stations {
            let marks = if station.health.paused_until().is_some() {
                self.all_kept(station, station.refusals.take())
            } else if is_over {
                self.judged(station, station.refusals.take())
            } else {
                continue;
            };
            self.recorder.record(marks).await;
        }
    }

    /// Settles the last of them; what nobody can know of goes back into the queue.
    pub async fn end_refusals(&self) {
        self.settle_refusals(true).await;
        for station in &self.shared.stations {
            self.recorder.record(self.all_kept(station, station.refusals.take())).await;
        }
    }

    /// The results of refusals by a relay that has nothing more to do.
    fn judged(&self, station: &Station, all: Vec<Refused>) -> Vec<Mark> {
        let (mut for_others, mut last) = (Vec::new(), Vec::new());
        for one in all {
            match self.others(station, &one.row, REFUSED) {
                Others::Free => for_others.push(one),
                Others::Away => last.push(Refused { for_good: false, ..one }),
                Others::None => last.push(one),
            }
        }
        let mut marks = self.all_kept(station, for_others);
        if !last.is_empty() {
            self.shared.stations.iter().for_each(|station| station.refusals.forget());
        }
        let (about_us, own) = refusals::part(last);
        if let Some(one) = about_us.first() {
            self.relay_failed(station, &one.words);
        }
        let put_off = about_us.into_iter().map(|one| self.own_fault(station, &one.row, one.attempt, one.words, false));
        marks.extend(put_off);
        marks.extend(self.all_own(station, own));
        marks
    }

    /// The result of a delivery that the relay cannot take at all, as it has said from the first.
    pub fn unable(&self, station: &Station, row: &ClaimedRow, words: &str) -> Mark {
        let words = words.to_owned();
        match self.others(station, row, UNABLE) {
            Others::Free => self.kept(station, row, Attempt::Claimed, words),
            others => self.own_fault(station, row, Attempt::Claimed, words, others == Others::None),
        }
    }

    /// Who else may have a delivery that the relay has not taken. They have so long for it, where they are not resting.
    fn others(&self, station: &Station, row: &ClaimedRow, time: Duration) -> Others {
        self.feed.keep_from(station.place, row.id, time, |relay| self.shared.rests(relay))
    }

    /// The result of an attempt that the relay is to blame for: it does not count. Another relay may have it at once; where
    /// all rest, the first that is tried again.
    fn kept(&self, station: &Station, row: &ClaimedRow, attempt: Attempt, words: String) -> Mark {
        let rest = self.shared.paused_until().map(|until| until.saturating_duration_since(Instant::now()));
        self.kept_for(station, row, attempt, words, rest.unwrap_or_default())
    }

    fn kept_for(&self, station: &Station, row: &ClaimedRow, attempt: Attempt, words: String, wait: Duration) -> Mark {
        let kept = Fate { state: DeliveryState::Queued, due_at: None };
        let due = self.shared.due_now().plus(wait);
        let mark = self.result(station, row, attempt, kept, words);
        Mark { tries: 0, due_at: Some(due.0), first_due_at: Some(first_due(row, due).0), ..mark }
    }

    /// The address is dead: nothing goes there any more. It is tried again while the store is out of reach, or another
    /// transaction in the way. Gives the mark back where it has still to be recorded.
    async fn bury(&self, row: &ClaimedRow, mark: Mark) -> Option<Mark> {
        let Some(subscriber) = &row.subscriber else { return Some(mark) };
        let Shared { store, node, clock, .. } = &*self.shared;
        let (mut pause, mut told) = (recorder::FIRST_PAUSE, Told::default());
        loop {
            let error = match super::bury::bury(store, node, &mark, subscriber, &row.address, clock.now()).await {
                Ok(()) => {
                    self.recorder.recorded(row.id);
                    return None;
                }
                Err(error) => error,
            };
            if !error.is_transient() || self.is_stopping() {
                tracing::warn!(%error, delivery = row.id, "an address that does not exist could not be suppressed");
                return Some(mark);
            }
            if told.again() {
                tracing::warn!(%error, delivery = row.id, "suppressing an address that does not exist waits for the store");
            }
            self.rest_until(Instant::now() + pause).await;
            pause = (pause * 2).min(recorder::LONGEST_PAUSE);
        }
    }
}
