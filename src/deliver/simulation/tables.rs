//! The store of the model: tables, and statements on them that happen whole or not at all.
//!
//! Each statement is one call of [`crate::store::Session`], or one transaction of several. `lockstep` holds them against
//! both databases.

use std::collections::BTreeMap;

use super::Broken;
use crate::domain::DeliveryState as State;
use crate::store::Mark;

/// A node's name, as a number.
pub type NodeId = u32;

/// What somebody asks of the store.
#[derive(Clone, Debug)]
pub enum Statement {
    /// Records the issue of the period.
    Compose,
    /// Lays out the issue to the subscribers behind the first, up to the second.
    LayOut(usize, usize),
    /// Marks the layout as whole.
    LaidOut,
    Claim(NodeId, usize),
    Mark(NodeId, Vec<Mark>),
    Release(NodeId, Vec<usize>),
    /// The same, also for what was started.
    FreeStrays(NodeId, Vec<usize>, State),
    QueueDeferred,
    /// Frees all that anybody had: on a store of one's own.
    FreeAll(State),
    /// Sets a node's counter; says whether it had none.
    Beat(NodeId, i64),
    Others(NodeId),
    /// Takes a node's row away whose counter stands there, and frees what it had.
    Bury(NodeId, i64, State),
    /// A node that stops takes its own row away.
    Depart(NodeId),
    /// A subscriber leaves.
    Leave(usize),
    /// The operator tries again what is uncertain or has failed.
    Retry,
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// Whether it happened.
    Was(bool),
    Claimed(Vec<Job>),
    /// Deliveries that took their mark or lost their claim, with their new state.
    Marked(Vec<(usize, State)>),
    Nodes(Vec<(NodeId, i64)>),
}

/// A delivery as whoever claims it learns of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub delivery: usize,
    pub attempts: i64,
    /// When it was last started.
    pub started_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub subscriber: usize,
    pub state: State,
    pub owner: Option<NodeId>,
    pub started_at: Option<i64>,
    pub attempts: i64,
    pub due_at: i64,
}

/// Everything that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tables {
    /// How many issues the period has.
    pub issues: usize,
    pub laid_out_to: usize,
    pub laid_out: bool,
    pub rows: Vec<Row>,
    pub left: Vec<bool>,
    pub nodes: BTreeMap<NodeId, i64>,
}

impl Tables {
    pub fn new(people: usize) -> Self {
        Self { left: vec![false; people], ..Self::default() }
    }

    /// Runs a statement at that time by the clock of whoever asks.
    pub fn run(&mut self, statement: &Statement, now: i64, broken: Option<Broken>) -> Answer {
        match statement {
            Statement::Compose => {
                let fresh = self.issues == 0 || broken == Some(Broken::PeriodWithoutKey);
                self.issues += usize::from(fresh);
                Answer::Was(fresh)
            }
            Statement::LayOut(from, to) => Answer::Was(self.lay_out(*from, *to, now)),
            Statement::LaidOut => {
                self.laid_out = true;
                Answer::Done
            }
            Statement::Claim(node, limit) => self.claim(*node, *limit, now, broken),
            Statement::Mark(node, marks) => self.mark(*node, marks, broken),
            Statement::Release(node, in_hand) => {
                let free = |row: &Row| row.state == State::Claimed && row.owner == Some(*node);
                for (id, row) in self.rows.iter_mut().enumerate() {
                    if free(row) && !in_hand.contains(&id) {
                        (row.state, row.owner) = (State::Queued, None);
                    }
                }
                Answer::Done
            }
            Statement::FreeStrays(node, in_hand, started) => {
                for (id, row) in self.rows.iter_mut().enumerate() {
                    let stray = row.owner == Some(*node) && !in_hand.contains(&id);
                    match row.state {
                        State::Claimed if stray => (row.state, row.owner) = (State::Queued, None),
                        State::Sending if stray => (row.state, row.owner) = (*started, None),
                        _ => {}
                    }
                }
                Answer::Done
            }
            Statement::QueueDeferred => {
                for row in self.rows.iter_mut().filter(|row| row.state == State::Deferred && row.due_at <= now) {
                    row.state = State::Queued;
                }
                Answer::Done
            }
            Statement::FreeAll(to) => {
                self.free(|_| true, *to);
                Answer::Done
            }
            Statement::Beat(node, beat) => {
                let counted = self.nodes.get(node).copied().unwrap_or_default() + 1;
                let beat = if broken == Some(Broken::CountedFromOne) { counted } else { *beat };
                Answer::Was(self.nodes.insert(*node, beat).is_none())
            }
            Statement::Others(node) => self.others(*node),
            Statement::Bury(node, beat, to) => {
                let dead = self.nodes.get(node).copied().unwrap_or_default() == *beat;
                if dead {
                    self.nodes.remove(node);
                    self.free(|owner| owner == *node, *to);
                }
                Answer::Was(dead)
            }
            Statement::Depart(node) => {
                self.nodes.remove(node);
                Answer::Done
            }
            Statement::Leave(subscriber) => {
                self.left[*subscriber] = true;
                for row in self.rows.iter_mut().filter(|row| row.subscriber == *subscriber) {
                    if matches!(row.state, State::Queued | State::Claimed | State::Deferred | State::Uncertain) {
                        (row.state, row.owner) = (State::Cancelled, None);
                    }
                }
                Answer::Done
            }
            Statement::Retry => {
                for row in &mut self.rows {
                    match row.state {
                        State::Uncertain | State::Failed if !self.left[row.subscriber] => {
                            (row.state, row.due_at, row.attempts) = (State::Queued, now, 0);
                        }
                        State::Uncertain => row.state = State::Cancelled,
                        _ => {}
                    }
                }
                Answer::Done
            }
        }
    }

    fn lay_out(&mut self, from: usize, to: usize, now: i64) -> bool {
        if self.laid_out || self.laid_out_to != from {
            return false;
        }
        let wanted = (from..to).filter(|subscriber| !self.left[*subscriber]);
        self.rows.extend(wanted.map(|subscriber| Row {
            subscriber,
            state: State::Queued,
            owner: None,
            started_at: None,
            attempts: 0,
            due_at: now,
        }));
        self.laid_out_to = to;
        true
    }

    fn claim(&mut self, node: NodeId, limit: usize, now: i64, broken: Option<Broken>) -> Answer {
        let takes = |state: State| {
            state == State::Queued
                || broken == Some(Broken::ClaimOfAnything) && matches!(state, State::Claimed | State::Sending)
        };
        let mut due: Vec<usize> =
            (0..self.rows.len()).filter(|id| takes(self.rows[*id].state) && self.rows[*id].due_at <= now).collect();
        due.sort_by_key(|id| (self.rows[*id].due_at, *id));
        due.truncate(limit);
        for id in &due {
            (self.rows[*id].state, self.rows[*id].owner) = (State::Claimed, Some(node));
        }
        let job =
            |id: usize| Job { delivery: id, attempts: self.rows[id].attempts, started_at: self.rows[id].started_at };
        Answer::Claimed(due.into_iter().map(job).collect())
    }

    fn mark(&mut self, node: NodeId, marks: &[Mark], broken: Option<Broken>) -> Answer {
        let mut answers = Vec::new();
        for mark in marks {
            let id = usize::try_from(mark.id).unwrap();
            let wanted = !self.left[self.rows[id].subscriber] || broken == Some(Broken::StartForWhoHasLeft);
            let row = &mut self.rows[id];
            if takes(row, node, mark, wanted, broken) {
                row.attempts += if row.state == State::Claimed { mark.tries } else { 0 };
                row.state = mark.next;
                row.owner = row.owner.filter(|_| mark.next == State::Sending);
                row.due_at = mark.due_at.unwrap_or(row.due_at);
                row.started_at = mark.started_at.or(row.started_at);
                answers.push((id, row.state));
            } else if mark.next == State::Sending && row.owner == Some(node) && row.state == State::Claimed {
                // A start that is not granted loses its claim.
                row.state = if wanted { State::Queued } else { State::Cancelled };
                row.owner = None;
                answers.push((id, row.state));
            }
        }
        answers.sort_by_key(|(id, _)| *id);
        Answer::Marked(answers)
    }

    fn others(&self, node: NodeId) -> Answer {
        let mut nodes: Vec<(NodeId, i64)> =
            self.nodes.iter().filter(|(id, _)| **id != node).map(|(id, beat)| (*id, *beat)).collect();
        for owner in self.rows.iter().filter_map(|row| row.owner) {
            if owner != node && !nodes.iter().any(|(id, _)| *id == owner) {
                nodes.push((owner, 0));
            }
        }
        nodes.sort_unstable();
        Answer::Nodes(nodes)
    }

    fn free(&mut self, whose: impl Fn(NodeId) -> bool, started: State) {
        for row in self.rows.iter_mut().filter(|row| row.owner.is_some_and(&whose)) {
            match row.state {
                State::Claimed => (row.state, row.owner) = (State::Queued, None),
                State::Sending => (row.state, row.owner) = (started, None),
                _ => {}
            }
        }
    }
}

/// Whether a delivery takes a mark of a node.
fn takes(row: &Row, node: NodeId, mark: &Mark, wanted: bool, broken: Option<Broken>) -> bool {
    let own = row.owner == Some(node) || broken == Some(Broken::MarkOfAnybody);
    let starts = mark.next == State::Sending;
    let in_order = row.state == mark.expected && (!starts || wanted && row.started_at < mark.started_at);
    let again = row.state == State::Sending && starts && row.started_at == mark.started_at;
    let start_was_lost = row.state == State::Claimed && mark.expected == State::Sending && mark.next == State::Sent;
    let late = mark.expected == State::Sending
        && mark.token.is_some()
        && row.started_at == mark.token
        && broken != Some(Broken::LateResultDropped)
        && match row.state {
            State::Uncertain | State::Queued => true,
            State::Cancelled => mark.next == State::Sent,
            _ => false,
        };
    own && (in_order || again || start_was_lost) || late
}

/// The tables with what a loss of power would take.
#[derive(Clone, Debug)]
pub struct Database {
    pub tables: Tables,
    /// What is on disk for sure.
    synced: Tables,
    /// What the tables were after each commit since, and when that was.
    unsynced: Vec<(u64, Tables)>,
}

impl Database {
    pub fn new(people: usize) -> Self {
        let tables = Tables::new(people);
        Self { synced: tables.clone(), unsynced: Vec::new(), tables }
    }

    /// Notes that a statement was committed at `tick`; durably, or soon.
    pub fn committed(&mut self, tick: u64, durably: bool) {
        if durably { self.sync() } else { self.unsynced.push((tick, self.tables.clone())) }
    }

    /// Since when something has not been on disk.
    pub fn unsynced_since(&self) -> Option<u64> {
        self.unsynced.first().map(|(tick, _)| *tick)
    }

    /// Brings everything to the disk.
    pub fn sync(&mut self) {
        self.synced.clone_from(&self.tables);
        self.unsynced.clear();
    }

    /// Loses power: of the commits that are not on disk the first few survive. Gives since when they are lost.
    pub fn lose_power(&mut self, choose: impl FnOnce(usize) -> usize) -> Option<u64> {
        let survive = choose(self.unsynced.len() + 1);
        let lost = self.unsynced.get(survive).map(|(tick, _)| *tick);
        let last = survive.checked_sub(1).and_then(|last| self.unsynced.get(last));
        self.tables = last.map_or_else(|| self.synced.clone(), |(_, tables)| tables.clone());
        self.sync();
        lost
    }
}
