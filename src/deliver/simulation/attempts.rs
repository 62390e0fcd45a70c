//! What really happened, beside what the store says of it: every content that went out, and whether its repeat is excused.

use std::collections::{BTreeMap, BTreeSet};

use super::tables::{NodeId, Statement, Tables};
use crate::domain::DeliveryState as State;

/// A message whose content goes out, from the last look before that on.
struct Attempt {
    delivery: usize,
    subscriber: usize,
    token: i64,
    node: NodeId,
    line: usize,
    /// The relay has taken it.
    arrived: bool,
    /// Whether its result was brought to the store, which may not have wanted it any more.
    told: bool,
    /// When its result was committed.
    recorded: Option<u64>,
    /// Something happened to this very one after which nobody can know whether it arrived.
    excused: bool,
}

pub struct Attempts {
    /// Whether what is uncertain waits for the operator.
    pub hold: bool,
    all: Vec<Attempt>,
    /// Starts that have been committed, and when.
    granted: BTreeMap<(usize, i64), u64>,
    /// Those of them that were lost.
    lost: BTreeSet<(usize, i64)>,
    left: Vec<bool>,
}

impl Attempts {
    pub fn new(people: usize, hold: bool) -> Self {
        Self { hold, all: Vec::new(), granted: BTreeMap::new(), lost: BTreeSet::new(), left: vec![false; people] }
    }

    /// A node has looked at its lease for the last time.
    pub fn looked(&mut self, node: NodeId, line: usize, delivery: usize, token: i64, tables: &Tables) {
        let subscriber = tables.rows.get(delivery).map_or(delivery, |row| row.subscriber);
        let excused = self.lost.contains(&(delivery, token));
        let (arrived, told, recorded) = (false, false, None);
        self.all.push(Attempt { delivery, subscriber, token, node, line, arrived, told, recorded, excused });
    }

    /// The content goes out; the relay takes it, or not.
    pub fn content(&mut self, node: NodeId, delivery: usize, token: i64, arrived: bool) -> Result<(), String> {
        let this = self.all.iter().position(|one| one.node == node && one.delivery == delivery && one.token == token);
        let Some(this) = this.filter(|_| self.granted.contains_key(&(delivery, token))) else {
            return Err(format!("the content of {delivery} went out without a start in the store"));
        };
        let line = self.all[this].line;
        if self.all[..this].iter().any(|one| one.node == node && one.line == line && !one.told) {
            return Err(format!("connection {line} of node {node} sent on without the result of what it had sent"));
        }
        self.all[this].arrived = arrived;
        self.count(self.all[this].subscriber)
    }

    /// Of all that arrived at somebody, all but one must be excused.
    fn count(&self, subscriber: usize) -> Result<(), String> {
        let arrived = self.all.iter().filter(|one| one.subscriber == subscriber && one.arrived);
        if arrived.clone().filter(|one| !one.excused).count() <= 1 {
            return Ok(());
        }
        let which: Vec<_> = arrived.map(|one| (one.node, one.line, one.token, one.recorded, one.excused)).collect();
        Err(format!("subscriber {subscriber} got it again without a reason: {which:?}"))
    }

    /// The connection ended after the content and before its answer.
    pub fn unanswered(&mut self, delivery: usize, token: i64) {
        let hold = self.hold;
        for one in self.all.iter_mut().filter(|one| one.delivery == delivery && one.token == token) {
            one.excused |= !hold;
        }
    }

    /// A node is dead, or taken for dead, with so many connections open.
    pub fn excuse_node(&mut self, node: NodeId, connections: usize) -> Result<(), String> {
        let mut excused = 0;
        for one in self.all.iter_mut().filter(|one| one.node == node && !one.told && !one.excused) {
            excused += 1;
            one.excused = !self.hold;
        }
        if excused > connections {
            return Err(format!("{excused} may be repeated, of {connections} connections"));
        }
        Ok(())
    }

    /// The store has lost what was committed since then: what was started or had its result in that time may go out again.
    pub fn lost_since(&mut self, tick: u64) {
        if self.hold {
            return;
        }
        let lost = self.granted.iter().filter(|(_, granted)| **granted >= tick).map(|(start, _)| *start);
        self.lost.extend(lost);
        for one in &mut self.all {
            let start_is_lost = self.lost.contains(&(one.delivery, one.token));
            if start_is_lost || one.recorded.is_some_and(|recorded| recorded >= tick) {
                (one.recorded, one.excused) = (None, true);
            }
        }
    }

    /// Looks at what a statement did.
    pub fn after(&mut self, statement: &Statement, before: &Tables, after: &Tables, tick: u64) -> Result<(), String> {
        if after.issues > 1 {
            return Err("the period has two issues".to_owned());
        }
        match statement {
            Statement::Leave(subscriber) => self.left[*subscriber] = true,
            Statement::Retry if self.hold => {
                // The operator takes it on themselves.
                let uncertain = |id: &usize| before.rows[*id].state == State::Uncertain;
                for id in (0..before.rows.len()).filter(uncertain) {
                    self.all.iter_mut().filter(|one| one.delivery == id).for_each(|one| one.excused = true);
                }
            }
            Statement::Mark(_, marks) => {
                for mark in marks {
                    let id = usize::try_from(mark.id).unwrap();
                    let (Some(old), Some(new)) = (before.rows.get(id), after.rows.get(id)) else { continue };
                    self.marked(id, mark, old, new, tick)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn marked(
        &mut self,
        id: usize,
        mark: &crate::store::Mark,
        old: &super::tables::Row,
        new: &super::tables::Row,
        tick: u64,
    ) -> Result<(), String> {
        if new.state == State::Sending && mark.next == State::Sending && new.started_at == mark.started_at {
            if old.state != State::Sending && self.left[new.subscriber] {
                return Err(format!("a start to {} after the answer to their leaving", new.subscriber));
            }
            self.granted.extend(mark.started_at.map(|token| ((id, token), tick)));
        }
        let late = old.state == State::Uncertain && mark.next == State::Sent && old.started_at == mark.token;
        if late && new.state != State::Sent {
            return Err(format!("the late result of {id} did not clear `uncertain`"));
        }
        for one in self.all.iter_mut().filter(|one| one.delivery == id && Some(one.token) == mark.token) {
            one.told = true;
            if new.state == mark.next {
                one.recorded.get_or_insert(tick);
            }
        }
        Ok(())
    }

    /// At the end nobody has been lost.
    pub fn check_end(&self, tables: &Tables) -> Result<(), String> {
        for subscriber in 0..self.left.len() {
            let rows = tables.rows.iter().filter(|row| row.subscriber == subscriber);
            if rows.clone().count() > 1 {
                return Err(format!("subscriber {subscriber} has two deliveries of the issue"));
            }
            let arrived = self.all.iter().any(|one| one.subscriber == subscriber && one.arrived);
            let is_sent = rows.clone().any(|row| row.state == State::Sent);
            if !arrived && (is_sent || !self.left[subscriber]) {
                return Err(format!("subscriber {subscriber} got nothing: {:?}", rows.collect::<Vec<_>>()));
            }
        }
        Ok(())
    }
}
