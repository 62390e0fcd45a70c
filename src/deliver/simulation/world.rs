//! The world of the model: nodes, a store, a relay and whatever may go wrong, in an order that a seed decides.

use std::time::{Duration, Instant};

use super::Broken;
use super::attempts::Attempts;
use super::connection::Line;
use super::faults::{Dice, Faults};
use super::node::{CLAIMS, Call, HEART, Node, RECORDER, TENDING};
use super::tables::{Answer, Database, Row, Statement};
use crate::config::AfterCrash;
use crate::deliver::policy::{Fate, Policy};
use crate::domain::DeliveryState as State;
use crate::store::Durability;

/// For how long marks may not be on disk.
pub const BOUND: u64 = 40;

/// By how much clocks are off at most, more or less.
const LATEST_CLOCK: u64 = 400;

/// A statement that was run, with what came of it.
pub type Step = (Statement, i64, Answer, super::tables::Tables);

pub struct World {
    pub(super) dice: Dice,
    pub(super) faults: Faults,
    pub shared: bool,
    pub policy: Policy,
    pub(super) people: usize,
    pub(super) tick: u64,
    epoch: Instant,
    pub database: Database,
    pub(super) nodes: Vec<Node>,
    made: u32,
    /// Statements of processes that have died, still on their way to the server.
    pub(super) ghosts: Vec<(Statement, i64)>,
    pub attempts: Attempts,
    /// What the store was asked, for whoever compares.
    pub steps: Vec<Step>,
    broken: Option<Broken>,
}

impl World {
    /// The world of a seed. `power`: whether it may be lost.
    pub fn new(seed: u64, power: bool, broken: Option<Broken>) -> Self {
        let mut dice = Dice::new(seed);
        let mut faults = Faults::choose(&mut dice);
        if !power {
            faults.power_loss = 0;
        }
        let people = 4 + dice.below(5);
        let after_crash = if dice.once_in(2) { AfterCrash::Hold } else { AfterCrash::Resend };
        let policy = Policy { retry_for: Duration::from_secs(48 * 3600), after_crash };
        Self {
            shared: !dice.once_in(4),
            faults,
            policy,
            people,
            tick: 1000,
            epoch: Instant::now(),
            database: Database::new(people),
            nodes: Vec::new(),
            made: 0,
            ghosts: Vec::new(),
            attempts: Attempts::new(people, after_crash == AfterCrash::Hold),
            steps: Vec::new(),
            broken,
            dice,
        }
    }

    /// Runs it to its end: faults first, then whatever is left. `Err`: what must not be.
    pub fn run(&mut self) -> Result<(), String> {
        self.add_node()?;
        for _ in 0..800 {
            self.tick += self.dice.below(3) as u64;
            self.go_wrong()?;
            self.go_on()?;
        }
        self.heal();
        for _ in 0..20_000 {
            if self.is_over() {
                return self.attempts.check_end(&self.database.tables);
            }
            self.tick += 1;
            self.wait_for_what_is_due();
            self.go_on()?;
            if self.dice.once_in(300) {
                self.execute(&Statement::Retry, self.wall(0))?;
            }
        }
        Err(format!("it never ends: {:?}", self.database.tables))
    }

    fn add_node(&mut self) -> Result<(), String> {
        let connections = 1 + self.dice.below(3);
        self.made += 1;
        if !self.shared {
            // Whoever has the store's lock frees what the last one had.
            let to = self.policy.after_death();
            self.execute(&Statement::FreeAll(to), self.wall(0))?;
        }
        let node = Node::new(self.made, connections, self.shared, self.policy, self.epoch, self.tick, self.broken);
        self.nodes.push(node);
        Ok(())
    }

    pub(super) fn wall(&self, offset: i64) -> i64 {
        // Coarse, so that moments coincide.
        (i64::try_from(self.tick).unwrap() + offset) / 4
    }

    /// From now on nothing goes wrong.
    fn heal(&mut self) {
        self.faults = Faults::default();
        for node in &mut self.nodes {
            node.frozen = false;
        }
    }

    /// Where all that is open is due later, it becomes later.
    fn wait_for_what_is_due(&mut self) {
        let now = self.wall(0);
        let open = |state| matches!(state, State::Queued | State::Claimed | State::Sending | State::Deferred);
        let rows = self.database.tables.rows.iter().filter(|row| open(row.state));
        let waits = |row: &Row| matches!(row.state, State::Queued | State::Deferred) && row.due_at > now;
        let Some(due) = rows.clone().map(|row| row.due_at).min() else { return };
        if rows.clone().all(waits) {
            self.tick = u64::try_from(due).unwrap() * 4 + LATEST_CLOCK;
        }
    }

    fn is_over(&self) -> bool {
        let open = |state| {
            matches!(state, State::Queued | State::Claimed | State::Sending | State::Deferred | State::Uncertain)
        };
        let tables = &self.database.tables;
        tables.laid_out
            && !tables.rows.iter().any(|row| open(row.state))
            && self.ghosts.is_empty()
            && self.nodes.iter().all(|node| node.gone || node.is_quiet())
    }

    /// One step of something that is running.
    fn go_on(&mut self) -> Result<(), String> {
        if !self.ghosts.is_empty() && self.dice.once_in(5) {
            let (statement, now) = self.ghosts.swap_remove(self.dice.below(self.ghosts.len()));
            self.execute(&statement, now)?;
        }
        self.nodes.retain(|node| !node.gone);
        if self.nodes.is_empty() || self.shared && self.nodes.len() < 3 && self.dice.once_in(40) {
            self.add_node()?;
        }
        self.sync_in_time();
        let place = self.dice.below(self.nodes.len());
        for task in [CLAIMS, RECORDER, HEART, TENDING] {
            // A statement that is on its way arrives also when whoever sent it stands still.
            self.carry(place, task)?;
        }
        if self.nodes[place].frozen {
            return Ok(());
        }
        let now = self.wall(self.nodes[place].clock);
        let connections = self.nodes[place].connections.len();
        match self.dice.below(4 + connections) {
            TENDING => self.tend(place, now),
            task if task < TENDING => {
                let node = &mut self.nodes[place];
                if !node.hear(task, self.tick) {
                    node.begin(task, self.tick);
                }
                Ok(())
            }
            line => self.step_line(place, line - 4, now),
        }
    }

    /// Lets a call of a node come to the store, and its answer become known.
    fn carry(&mut self, place: usize, task: usize) -> Result<(), String> {
        let Some(Call { statement, answer: None, .. }) = &self.nodes[place].calls[task] else { return Ok(()) };
        let (statement, now) = (statement.clone(), self.wall(self.nodes[place].clock));
        if self.dice.once_in(self.faults.late_request) {
            return Ok(());
        }
        let answer = if self.dice.once_in(self.faults.lost_request) {
            Err(())
        } else {
            let answer = self.execute(&statement, now)?;
            if self.dice.once_in(self.faults.lost_answer) { Err(()) } else { Ok(answer) }
        };
        if let Some(call) = &mut self.nodes[place].calls[task] {
            call.answer = Some(answer);
        }
        Ok(())
    }

    /// Runs a statement, and looks at what it did.
    pub(super) fn execute(&mut self, statement: &Statement, now: i64) -> Result<Answer, String> {
        let before = self.database.tables.clone();
        let answer = self.database.tables.run(statement, now, self.broken);
        let durably = match statement {
            Statement::Mark(..) => self.policy.durability() == Durability::Full,
            Statement::Compose | Statement::LayOut(..) | Statement::LaidOut => true,
            Statement::Beat(..) | Statement::Bury(..) | Statement::Leave(_) | Statement::Retry => true,
            _ => false,
        };
        if self.database.tables != before {
            self.database.committed(self.tick, durably);
        }
        self.steps.push((statement.clone(), now, answer.clone(), self.database.tables.clone()));
        self.attempts.after(statement, &before, &self.database.tables, self.tick)?;
        if let (Statement::Bury(node, ..), Answer::Was(true)) = (statement, &answer) {
            self.attempts.excuse_node(*node, self.lines_of(*node))?;
        }
        Ok(answer)
    }

    /// What the recorders that run do, also when they have nothing to record: marks are not off the disk for long.
    fn sync_in_time(&mut self) {
        let run = self.nodes.iter().any(|node| !node.frozen);
        let late = run && self.database.unsynced_since().is_some_and(|since| self.tick - since >= BOUND);
        if late && self.broken != Some(Broken::NeverSynced) {
            self.database.sync();
        }
    }

    fn lines_of(&self, node: u32) -> usize {
        self.nodes.iter().find(|one| one.id == node).map_or(3, |node| node.connections.len())
    }

    /// Composing and layout, of which any node does a step.
    fn tend(&mut self, place: usize, now: i64) -> Result<(), String> {
        if self.nodes[place].hear(TENDING, self.tick) || self.nodes[place].calls[TENDING].is_some() {
            return Ok(());
        }
        let tables = &self.database.tables;
        let due = |row: &Row| row.state == State::Deferred && row.due_at <= now;
        let statement = if tables.issues == 0 || self.dice.once_in(60) {
            Statement::Compose
        } else if tables.rows.iter().any(due) {
            Statement::QueueDeferred
        } else if tables.laid_out {
            return Ok(());
        } else if tables.laid_out_to == self.people {
            Statement::LaidOut
        } else {
            Statement::LayOut(tables.laid_out_to, (tables.laid_out_to + 3).min(self.people))
        };
        self.nodes[place].ask(TENDING, statement, self.tick);
        Ok(())
    }

    fn step_line(&mut self, place: usize, number: usize, now: i64) -> Result<(), String> {
        let node = &mut self.nodes[place];
        if !node.may_go_on(number) {
            return Ok(());
        }
        match node.connections[number].line.clone() {
            Line::Free => node.take_up(number),
            Line::Opening(job) if self.dice.once_in(self.faults.broken_connection) => node.close(number, Some(job)),
            Line::Opening(job) if self.dice.once_in(self.faults.refusal) => {
                node.refused_before_start(number, &job, now);
            }
            Line::Opening(job) if node.stopping => node.give_up(number, &job),
            Line::Opening(job) if self.broken == Some(Broken::StartAfterContent) => {
                node.connections[number].line = Line::Looked { job, token: now };
            }
            Line::Opening(job) => node.start(number, job, now),
            Line::Starting { .. } => {}
            Line::Granted { job, token, term } => {
                let delivery = job.delivery;
                if node.look(number, job, token, term, self.tick) {
                    self.attempts.looked(node.id, number, delivery, token, &self.database.tables);
                }
            }
            Line::Looked { job, token } => {
                let broken = self.dice.once_in(self.faults.broken_connection);
                if broken && self.dice.once_in(2) {
                    let fate = node.cut_short(&job, now);
                    node.result(number, &job, token, fate);
                    node.close(number, None);
                    return Ok(());
                }
                let taken = !self.dice.once_in(self.faults.refusal);
                let next = node.ahead();
                self.attempts.content(node.id, job.delivery, token, taken)?;
                node.connections[number].line = Line::Waiting { job, token, taken, next };
            }
            Line::Waiting { job, token, taken, next } => {
                if self.dice.once_in(self.faults.broken_connection) {
                    self.attempts.unanswered(job.delivery, token);
                    let fate = node.unanswered(&job, now);
                    node.result(number, &job, token, fate);
                    node.close(number, next);
                    return Ok(());
                }
                let fate = if taken { Fate { state: State::Sent, due_at: None } } else { node.refused(&job, now) };
                node.result(number, &job, token, fate);
                node.connections[number].line = next.map_or(Line::Free, Line::Opening);
            }
        }
        Ok(())
    }
}
