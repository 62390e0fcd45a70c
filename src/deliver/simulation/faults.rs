//! What may go wrong in the model, as the dice have it.

use std::collections::BTreeSet;

use super::tables::Statement;
use super::world::{BOUND, World};

/// A generator of numbers that a seed decides (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    /// Once in so many times; never for 0.
    pub fn once_in(&mut self, times: usize) -> bool {
        times > 0 && self.below(times) == 0
    }
}

/// How often what goes wrong: once in so many steps; 0: never.
#[derive(Default)]
pub struct Faults {
    pub crash: usize,
    pub freeze: usize,
    pub lost_request: usize,
    pub lost_answer: usize,
    pub late_request: usize,
    pub broken_connection: usize,
    pub refusal: usize,
    pub leaving: usize,
    pub clock_step: usize,
    pub power_loss: usize,
    pub retry: usize,
    pub stop: usize,
}

impl Faults {
    /// Each is there in every other world, so that what one does is not hidden behind what the others excuse.
    pub fn choose(dice: &mut Dice) -> Self {
        let mut often = |times: usize| if dice.once_in(2) { times } else { 0 };
        Self {
            crash: often(60),
            freeze: often(40),
            lost_request: often(8),
            lost_answer: often(8),
            late_request: often(6),
            broken_connection: often(6),
            refusal: often(6),
            leaving: often(50),
            clock_step: often(30),
            power_loss: often(90),
            retry: often(60),
            stop: often(90),
        }
    }
}

impl World {
    /// What may go wrong, goes wrong.
    pub(super) fn go_wrong(&mut self) -> Result<(), String> {
        let place = self.dice.below(self.nodes.len().max(1));
        if self.nodes.len() > place {
            if self.dice.once_in(self.faults.crash) {
                self.crash(place)?;
                return Ok(());
            }
            let node = &mut self.nodes[place];
            // For longer than a lease as often as not.
            let other = if node.frozen { 150 } else { self.faults.freeze };
            node.frozen ^= self.dice.once_in(other);
            node.stopping |= self.dice.once_in(self.faults.stop);
            if self.dice.once_in(self.faults.clock_step) {
                node.clock += i64::try_from(self.dice.below(160)).unwrap() - 80;
            }
        }
        if self.dice.once_in(self.faults.leaving) {
            let who = self.dice.below(self.people);
            self.execute(&Statement::Leave(who), self.wall(0))?;
        }
        if self.dice.once_in(self.faults.retry) {
            self.execute(&Statement::Retry, self.wall(0))?;
        }
        if self.dice.once_in(self.faults.power_loss) { self.lose_power() } else { Ok(()) }
    }

    /// A process dies; what it had asked of a server may still be done.
    fn crash(&mut self, place: usize) -> Result<(), String> {
        let node = self.nodes.remove(place);
        let now = self.wall(node.clock);
        if self.shared {
            let under_way = node.calls.into_iter().flatten().filter(|call| call.answer.is_none());
            self.ghosts.extend(under_way.map(|call| (call.statement, now)));
        }
        self.attempts.excuse_node(node.id, node.connections.len())
    }

    /// The machine of the store loses power; on a store of one's own that is the node's machine too.
    fn lose_power(&mut self) -> Result<(), String> {
        let dice = &mut self.dice;
        let lost = self.database.lose_power(|choices| dice.below(choices));
        // Who stands still syncs nothing either.
        if let Some(since) = lost.filter(|_| self.faults.freeze == 0 && !self.attempts.hold)
            && self.tick - since > BOUND + 5
        {
            return Err(format!("marks of {} ago were lost", self.tick - since));
        }
        self.attempts.lost_since(lost.unwrap_or(self.tick));
        let dead: BTreeSet<u32> =
            if self.shared { BTreeSet::new() } else { self.nodes.iter().map(|node| node.id).collect() };
        for id in dead {
            if let Some(place) = self.nodes.iter().position(|node| node.id == id) {
                self.crash(place)?;
            }
        }
        Ok(())
    }
}
