//! The connections of the model's deliverer: envelope, start, look, content, answer, one step at a time.

use super::Broken;
use super::node::{Entry, Node};
use super::tables::Job;
use crate::deliver::policy::Fate;
use crate::deliver::run::start_time;
use crate::domain::{DeliveryState as State, Random, UtcMillis};
use crate::store::Mark;

/// Where a connection is with a message.
#[derive(Clone, Debug)]
pub enum Line {
    Free,
    /// The envelope is out.
    Opening(Job),
    /// The server has said 354, and the start is on its way to the store.
    Starting {
        job: Job,
        token: i64,
        term: u64,
    },
    Granted {
        job: Job,
        token: i64,
        term: u64,
    },
    /// The lease has been looked at: the content goes out next.
    Looked {
        job: Job,
        token: i64,
    },
    /// The content is out, with the envelope of the next message behind it where there is one.
    Waiting {
        job: Job,
        token: i64,
        taken: bool,
        next: Option<Job>,
    },
}

#[derive(Clone, Debug)]
pub struct Connection {
    pub line: Line,
    /// Results that wait for the next start.
    pub results: Vec<Mark>,
}

/// What is random in the program is decided by the seed alone.
struct Still;

impl Random for Still {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

impl Node {
    /// Whether a connection has something to do, other than to wait for the recorder.
    pub fn may_go_on(&self, place: usize) -> bool {
        match self.connections[place].line {
            Line::Free => !self.stopping && !self.feed.is_empty() || !self.connections[place].results.is_empty(),
            Line::Starting { .. } => false,
            _ => true,
        }
    }

    /// A free connection takes a job, or records what it knows.
    pub fn take_up(&mut self, place: usize) {
        match self.feed.pop_front().filter(|_| !self.stopping) {
            Some(job) => self.connections[place].line = Line::Opening(job),
            None => self.record(place),
        }
    }

    /// The server says 354: the start goes to the store, with the results before it.
    pub fn start(&mut self, place: usize, job: Job, now: i64) {
        let token = start_time(UtcMillis(now), job.started_at.map(UtcMillis)).0;
        let term = self.lease.term();
        let mut marks = if self.broken == Some(Broken::ResultsLater) {
            Vec::new()
        } else {
            std::mem::take(&mut self.connections[place].results)
        };
        let start = Mark { started_at: Some(token), ..mark(&job, State::Claimed, State::Sending) };
        marks.push(start);
        self.entries.push_back(Entry { marks, start: Some((place, job.delivery)) });
        self.connections[place].line = Line::Starting { job, token, term };
    }

    /// The start is granted: is the lease still the one under which it was asked for?
    pub fn look(&mut self, place: usize, job: Job, token: i64, term: u64, tick: u64) -> bool {
        let held = match self.broken {
            Some(Broken::LeaseNotLookedAt) => true,
            Some(Broken::LeaseOfAnyTerm) => self.holds_lease(tick),
            _ => self.lease.is_held_in(term, self.at(tick)),
        };
        if held {
            self.connections[place].line = Line::Looked { job, token };
        } else {
            self.result(place, &job, token, Fate { state: State::Queued, due_at: None });
            self.record(place);
            self.connections[place].line = Line::Free;
        }
        held
    }

    /// The next job for a connection whose content goes out, if its envelope may go ahead.
    pub fn ahead(&mut self) -> Option<Job> {
        if self.stopping { None } else { self.feed.pop_front() }
    }

    pub fn result(&mut self, place: usize, job: &Job, token: i64, fate: Fate) {
        self.in_hand.remove(&job.delivery);
        let due_at = fate.due_at.map(|due| due.0);
        let result = Mark { token: Some(token), due_at, ..mark(job, State::Sending, fate.state) };
        self.connections[place].results.push(result);
    }

    /// An envelope was refused for now.
    pub fn refused_before_start(&mut self, place: usize, job: &Job, now: i64) {
        self.in_hand.remove(&job.delivery);
        let Fate { state, due_at } = self.refused(job, now);
        let result = Mark { due_at: due_at.map(|due| due.0), ..mark(job, State::Claimed, state) };
        self.connections[place].results.push(result);
        self.record(place);
        self.connections[place].line = Line::Free;
    }

    pub fn refused(&self, job: &Job, now: i64) -> Fate {
        self.policy.refused(job.attempts + 1, UtcMillis(0), UtcMillis(now), &Still)
    }

    pub fn cut_short(&self, job: &Job, now: i64) -> Fate {
        self.policy.broken(job.attempts + 1, UtcMillis(0), UtcMillis(now), &Still)
    }

    pub fn unanswered(&self, job: &Job, now: i64) -> Fate {
        self.policy.unanswered(true, job.attempts + 1, UtcMillis(0), UtcMillis(now), &Still)
    }

    /// The server says 354 when nothing is begun any more: the connection is dropped, and the claim given back.
    pub fn give_up(&mut self, place: usize, job: &Job) {
        self.in_hand.remove(&job.delivery);
        self.connections[place].results.push(Mark { tries: 0, ..mark(job, State::Claimed, State::Queued) });
        self.record(place);
        self.connections[place].line = Line::Free;
    }

    /// The connection is over: what it knows is recorded, and the message whose envelope was ahead is for another one.
    pub fn close(&mut self, place: usize, next: Option<Job>) {
        self.feed.extend(next);
        self.record(place);
        self.connections[place].line = Line::Free;
    }

    pub fn record(&mut self, place: usize) {
        let marks = std::mem::take(&mut self.connections[place].results);
        if !marks.is_empty() {
            self.entries.push_back(Entry { marks, start: None });
        }
    }
}

pub fn mark(job: &Job, expected: State, next: State) -> Mark {
    Mark { tries: 1, ..Mark::of(i64::try_from(job.delivery).unwrap(), expected, next) }
}
