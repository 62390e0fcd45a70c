//! What an answer means that is not the one that goes on: for the delivery, for its address, and for the relay.

use std::time::Duration;

use super::message::Job;
use super::policy::{Blame, Fate, Step, blame};
use super::reply::Reply;
use super::run::{Attempt, Run, Shared, first_due};
use super::station::{Borne, Refused, Station};
use crate::domain::DeliveryState;
use crate::store::{ClaimedRow, Mark};

const FAILED: Fate = Fate { state: DeliveryState::Failed, due_at: None };

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
                let pause = if blame == Blame::Relay {
                    self.relay_failed(station, &reply.words())
                } else {
                    self.throttled(station, &reply.words())
                };
                return (vec![self.kept(station, row, attempt, pause, reply.words())], true);
            }
            Blame::Address => {
                let mark = self.result(station, row, attempt, FAILED, reply.words());
                return (self.bury(row, mark).await.into_iter().collect(), false);
            }
            Blame::Failed | Blame::Deferred => {}
        }
        let for_good = blame != Blame::Deferred;
        let refused = Refused { row: row.clone(), attempt, words: reply.words(), for_good };
        let refused = match station.bear(refused, reply) {
            Borne::Not(refused) => *refused,
            Borne::Enough(all) => {
                let pause = self.relay_failed(station, &reply.words());
                let marks = all.into_iter().map(|one| self.kept(station, &one.row, one.attempt, pause, one.words));
                return (marks.collect(), true);
            }
            Borne::Kept(others) => {
                return (others.into_iter().map(|one| self.own_fault(station, one)).collect(), false);
            }
        };
        (vec![self.own_fault(station, refused)], false)
    }

    /// The result of a refusal that was kept back, and is the message's own.
    pub fn own_fault(&self, station: &Station, refused: Refused) -> Mark {
        let Refused { row, attempt, words, for_good } = refused;
        if for_good {
            return self.result(station, &row, attempt, FAILED, words);
        }
        let fate = |first, now| self.shared.policy.refused(row.attempts + 1, first, now, &*self.shared.random);
        self.tried(station, &row, attempt, fate, words)
    }

    /// Records what `station` has refused, was kept back, and was not about us.
    pub async fn forgive(&self, station: &Station) {
        let marks = station.forgive().into_iter().map(|refused| self.own_fault(station, refused)).collect();
        self.recorder.record(marks).await;
    }

    /// The result of an attempt that the relay is to blame for: it does not count.
    fn kept(&self, station: &Station, row: &ClaimedRow, attempt: Attempt, pause: Duration, words: String) -> Mark {
        let kept = Fate { state: DeliveryState::Queued, due_at: None };
        let due = self.shared.clock.now().plus(pause);
        // Behind the others, since the next one may have a sender that the relay accepts.
        let mark = self.result(station, row, attempt, kept, words);
        Mark { tries: 0, due_at: Some(due.0), first_due_at: Some(first_due(row, due).0), ..mark }
    }

    /// The address is dead: nothing goes there any more. Gives the mark back where it has still to be recorded.
    async fn bury(&self, row: &ClaimedRow, mark: Mark) -> Option<Mark> {
        let Some(subscriber) = &row.subscriber else { return Some(mark) };
        let Shared { store, node, clock, .. } = &*self.shared;
        match super::bury::bury(store, node, &mark, subscriber, &row.address, clock.now()).await {
            Ok(()) => {
                self.recorder.recorded(row.id);
                None
            }
            Err(error) => {
                tracing::warn!(%error, delivery = row.id, "an address that does not exist could not be suppressed");
                Some(mark)
            }
        }
    }
}
