//! The limits of one relay, or of all relays together.

use tokio::time::Instant;

use super::gate::Gate;
use super::pace::SECOND;
use crate::config::Rate;

/// One relay's, or all relays', limits.
#[derive(Debug, Default)]
pub struct Scope {
    /// Its rate's, where it has one.
    pub gate: Option<Gate>,
    /// Places of its quotas that are in hand; none: it has no quota.
    pub places: Option<u32>,
}

impl Scope {
    /// Those rates; `has_quota`: whether it has places only where the store has given some.
    pub fn new(rates: &[Rate], has_quota: bool, gate: fn(Rate) -> Gate) -> Self {
        let gate = rates.iter().find(|rate| rate.per == SECOND).map(|rate| gate(*rate));
        Self { gate, places: has_quota.then_some(0) }
    }

    /// When the next one may go; `None`: not before it has places again.
    pub fn opens(&self, now: Instant) -> Option<Instant> {
        match self.places {
            Some(0) => None,
            _ => Some(self.gate.as_ref().map_or(now, |gate| gate.opens(now))),
        }
    }

    /// One goes.
    pub fn pass(&mut self, now: Instant) {
        if let Some(gate) = &mut self.gate {
            gate.pass(now);
        }
        self.places = self.places.map(|places| places.saturating_sub(1));
    }
}
