//! A deliverer of the model: the claims, the recorder, the heartbeat and the connections of one engine, each of which does
//! one thing at a time and may be stopped between any two.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::Broken;
use super::tables::{Answer, Job, NodeId, Statement};
use crate::deliver::lease::{Lease, Others};
use crate::deliver::policy::{Fate, Policy};
use crate::deliver::run::start_time;
use crate::domain::{DeliveryState as State, Random, UtcMillis};
use crate::store::{Mark, NodeRow};

pub const LEASE: u64 = 60;
const BEAT: u64 = 15;
/// How many deliveries are claimed at a time.
const CLAIM: usize = 3;

/// A statement on its way, and its answer when that is there; an error may mean either that it was run or not.
#[derive(Clone, Debug)]
pub struct Call {
    pub statement: Statement,
    pub answer: Option<Result<Answer, ()>>,
    since: u64,
}

/// What asks the store for something.
pub const CLAIMS: usize = 0;
pub const RECORDER: usize = 1;
pub const HEART: usize = 2;
pub const TENDING: usize = 3;

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

struct Entry {
    marks: Vec<Mark>,
    start: Option<(usize, usize)>,
}

pub struct Node {
    pub id: NodeId,
    pub frozen: bool,
    pub stopping: bool,
    pub gone: bool,
    /// By how much its clock is off.
    pub clock: i64,
    pub calls: [Option<Call>; 4],
    pub connections: Vec<Connection>,
    feed: VecDeque<Job>,
    in_hand: BTreeSet<usize>,
    strays: bool,
    entries: VecDeque<Entry>,
    batch: Vec<Entry>,
    pub lease: Lease,
    shared: bool,
    others: Others,
    to_bury: Vec<NodeRow>,
    next_beat: u64,
    policy: Policy,
    epoch: Instant,
    broken: Option<Broken>,
}

/// Never the same twice is not what a model wants.
struct Still;

impl Random for Still {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

impl Node {
    pub fn new(
        id: NodeId,
        connections: usize,
        shared: bool,
        policy: Policy,
        epoch: Instant,
        tick: u64,
        broken: Option<Broken>,
    ) -> Self {
        let begun = epoch + Duration::from_millis(tick);
        let length = Duration::from_millis(LEASE);
        Self {
            id,
            frozen: false,
            stopping: false,
            gone: false,
            clock: 0,
            calls: [const { None }; 4],
            connections: vec![Connection { line: Line::Free, results: Vec::new() }; connections],
            feed: VecDeque::new(),
            in_hand: BTreeSet::new(),
            // Whoever takes over frees what is left of a run that was broken off.
            strays: true,
            entries: VecDeque::new(),
            batch: Vec::new(),
            lease: if shared { Lease::shared(length, begun) } else { Lease::alone() },
            shared,
            others: Others::default(),
            to_bury: Vec::new(),
            next_beat: tick,
            policy,
            epoch,
            broken,
        }
    }

    pub fn at(&self, tick: u64) -> Instant {
        self.epoch + Duration::from_millis(tick)
    }

    fn holds_lease(&self, tick: u64) -> bool {
        self.lease.is_held_at(self.at(tick))
    }

    pub fn ask(&mut self, task: usize, statement: Statement, tick: u64) {
        self.calls[task] = Some(Call { statement, answer: None, since: tick });
    }

    /// Whether nothing is in flight and nothing waits to be recorded.
    pub fn is_quiet(&self) -> bool {
        let free = |connection: &Connection| matches!(connection.line, Line::Free) && connection.results.is_empty();
        self.connections.iter().all(free)
            && self.entries.is_empty()
            && self.batch.is_empty()
            && self.calls[RECORDER].is_none()
    }

    /// Lets a task ask for the next thing that it needs, if it needs something.
    pub fn begin(&mut self, task: usize, tick: u64) -> bool {
        if self.calls[task].is_some() || self.gone {
            return false;
        }
        let statement = match task {
            CLAIMS if self.stopping && self.is_quiet() => {
                self.feed.clear();
                self.in_hand.clear();
                if self.strays { Statement::Release(self.id, Vec::new()) } else { Statement::Depart(self.id) }
            }
            CLAIMS if self.stopping || !self.holds_lease(tick) || self.feed.len() > 1 => return false,
            CLAIMS if self.strays && self.broken != Some(Broken::StraysKept) => {
                Statement::Release(self.id, self.in_hand.iter().copied().collect())
            }
            CLAIMS => {
                self.strays = true;
                Statement::Claim(self.id, CLAIM)
            }
            RECORDER => {
                if self.batch.is_empty() {
                    self.take_batch();
                }
                let marks: Vec<Mark> = self.batch.iter().flat_map(|entry| entry.marks.clone()).collect();
                if marks.is_empty() {
                    self.batch.clear();
                    return false;
                }
                Statement::Mark(self.id, marks)
            }
            HEART if self.stopping && self.is_quiet() => return false,
            HEART if !self.shared => return false,
            HEART => match self.to_bury.pop() {
                Some(dead) => Statement::Bury(dead.node.parse().unwrap(), dead.beat, self.policy.after_death()),
                None if self.next_beat <= tick => Statement::Beat(self.id, self.lease.next_beat()),
                None => return false,
            },
            _ => return false,
        };
        self.ask(task, statement, tick);
        true
    }

    /// What goes into one statement: never two marks of one delivery, whose order the store would choose.
    fn take_batch(&mut self) {
        let mut ids = BTreeSet::new();
        while let Some(entry) = self.entries.pop_front() {
            if entry.marks.iter().any(|mark| ids.contains(&mark.id)) {
                self.entries.push_front(entry);
                return;
            }
            ids.extend(entry.marks.iter().map(|mark| mark.id));
            self.batch.push(entry);
        }
    }

    /// Takes the answer of a task's call, if it is there.
    pub fn hear(&mut self, task: usize, tick: u64) -> bool {
        if self.calls[task].as_ref().is_none_or(|call| call.answer.is_none()) {
            return false;
        }
        let Some(Call { statement, answer: Some(answer), since }) = self.calls[task].take() else { return false };
        match (statement, answer) {
            (Statement::Mark(..), Ok(Answer::Marked(taken))) => self.heard_marks(&taken),
            (Statement::Claim(..), Ok(Answer::Claimed(jobs))) => {
                self.strays = false;
                self.take_in(jobs);
            }
            (Statement::Release(..), Ok(_)) => self.strays = false,
            (Statement::Depart(_), Ok(_)) => self.gone = true,
            (Statement::Beat(..), Ok(_)) => {
                self.lease.renew(self.at(since), self.at(tick));
                self.ask(HEART, Statement::Others(self.id), tick);
            }
            (Statement::Others(_), Ok(Answer::Nodes(nodes))) => {
                let rows = nodes.into_iter().map(|(node, beat)| NodeRow { node: node.to_string(), beat }).collect();
                self.to_bury = self.others.observe(rows, self.at(tick), Duration::from_millis(LEASE));
                self.next_beat = tick + BEAT;
            }
            (Statement::Beat(..) | Statement::Others(_), Err(())) => self.next_beat = tick + BEAT,
            // Marks are repeated, and everything else is looked at anew.
            _ => {}
        }
        true
    }

    fn heard_marks(&mut self, taken: &[(usize, State)]) {
        for entry in std::mem::take(&mut self.batch) {
            let Some((place, delivery)) = entry.start else { continue };
            let granted = taken.contains(&(delivery, State::Sending));
            let line = &mut self.connections[place].line;
            let Line::Starting { job, token, term } = line.clone() else { continue };
            if granted {
                *line = Line::Granted { job, token, term };
            } else {
                // The server waits for content: the connection is dropped.
                *line = Line::Free;
                self.in_hand.remove(&delivery);
            }
        }
    }

    fn take_in(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            if self.in_hand.insert(job.delivery) {
                self.feed.push_back(job);
            } else {
                self.entries.push_back(Entry { marks: vec![mark(&job, State::Claimed, State::Queued)], start: None });
            }
        }
    }

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
        self.policy.unanswered(job.attempts + 1, UtcMillis(0), UtcMillis(now), &Still)
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
    Mark {
        id: i64::try_from(job.delivery).unwrap(),
        expected,
        next,
        mail: None,
        token: None,
        tries: 1,
        due_at: None,
        first_due_at: None,
        started_at: None,
        finished_at: None,
        relay: None,
        answer: None,
    }
}
