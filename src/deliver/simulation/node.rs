//! A deliverer of the model: the claims, the recorder, the heartbeat and the connections of one engine, each of which does
//! one thing at a time and may be stopped between any two.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::Broken;
use super::connection::{Connection, Line, mark};
use super::tables::{Answer, Job, NodeId, Statement};
use crate::deliver::lease::{Lease, Others};
use crate::deliver::policy::Policy;
use crate::deliver::settings::Timings;
use crate::domain::DeliveryState as State;
use crate::store::{Mark, NodeRow};

pub const LEASE: u64 = 160;
const BEAT: u64 = 20;
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

/// What waits to be recorded.
pub struct Entry {
    pub marks: Vec<Mark>,
    pub start: Option<(usize, usize)>,
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
    pub feed: VecDeque<Job>,
    pub in_hand: BTreeSet<usize>,
    strays: bool,
    next_look: u64,
    pub entries: VecDeque<Entry>,
    batch: Vec<Entry>,
    pub lease: Lease,
    shared: bool,
    others: Others,
    to_bury: Vec<NodeRow>,
    next_beat: u64,
    pub policy: Policy,
    epoch: Instant,
    pub broken: Option<Broken>,
}

fn timings() -> Timings {
    let [beat, lease] = [BEAT, LEASE].map(Duration::from_millis);
    Timings { beat, lease, ..Timings::default() }
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
            next_look: tick,
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

    pub fn holds_lease(&self, tick: u64) -> bool {
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
            CLAIMS if self.looks_for_strays(tick) => {
                self.next_look = tick + 2 * BEAT;
                Statement::FreeStrays(self.id, self.known(), self.policy.after_death())
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
            (Statement::Release(..) | Statement::FreeStrays(..), Ok(_)) => self.strays = false,
            (Statement::Depart(_), Ok(_)) => self.gone = true,
            (Statement::Beat(..), Ok(Answer::Was(anew))) => {
                if self.lease.renew(self.at(since), self.at(tick), anew) {
                    self.forget();
                }
                self.ask(HEART, Statement::Others(self.id), tick);
            }
            (Statement::Others(_), Ok(Answer::Nodes(nodes))) => {
                let rows = nodes.into_iter().map(|(node, beat)| NodeRow { node: node.to_string(), beat }).collect();
                self.to_bury = match self.broken {
                    Some(Broken::BuriedWithoutALook) => rows,
                    _ => self.others.observe(rows, self.at(tick), timings()),
                };
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

    fn looks_for_strays(&self, tick: u64) -> bool {
        match self.broken {
            Some(Broken::StraysKept) => false,
            Some(Broken::LostResultsKept) => self.strays,
            _ => self.strays || self.next_look <= tick,
        }
    }

    /// What it has in hand, or has a result of that is not in the store.
    fn known(&self) -> Vec<usize> {
        let entries = self.entries.iter().chain(&self.batch).flat_map(|entry| &entry.marks);
        let results = self.connections.iter().flat_map(|connection| &connection.results);
        let unrecorded = entries.chain(results).map(|mark| usize::try_from(mark.id).unwrap());
        self.in_hand.iter().copied().chain(unrecorded).collect()
    }

    /// What it had may be others' by now, and what is still in its name is found as a stray.
    fn forget(&mut self) {
        for job in std::mem::take(&mut self.feed) {
            self.in_hand.remove(&job.delivery);
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
}
