//! Knows the people whom a file has more than once, at nine octets or so for each person of it; and whose former addresses
//! it names.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::Arc;

use super::united::United;
use super::wishes::Wishes;
use super::{stricter, strictness};
use crate::domain::{EmailAddress, SubscriberState};

/// Which bits of a [`Seen`] are the state.
const STATE: u64 = 7;

/// A person, by a short hash that keeps the strictest state so far in its lowest bits.
#[derive(Clone, Copy)]
struct Seen(u64);

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.0 & !STATE == other.0 & !STATE
    }
}

impl Eq for Seen {}

impl Hash for Seen {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 & !STATE);
    }
}

/// What is a hash already is its own.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        // The set takes a bucket from the low bits, which are the same in all.
        self.0 = value.rotate_right(32);
    }
}

/// Collects the people of a file.
pub(super) struct Collector {
    hasher: RandomState,
    seen: HashSet<Seen, BuildHasherDefault<Same>>,
    twice: HashMap<u64, SubscriberState>,
    moved: HashMap<u64, EmailAddress>,
    doubtful: HashSet<u64>,
    united: United,
    /// How many rows repeat a person.
    pub(super) repeats: u64,
}

/// The people whom a file has more than once, and the strictest of the states that it gives them.
pub(super) struct Duplicates {
    hasher: RandomState,
    twice: HashMap<u64, SubscriberState>,
    begun: HashSet<u64>,
    /// The present address of whoever had another one before, by that one.
    moved: HashMap<u64, EmailAddress>,
    /// Of whom a bad row may say that they have gone.
    doubtful: HashSet<u64>,
    united: United,
}

impl Collector {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            seen: HashSet::default(),
            twice: HashMap::new(),
            moved: HashMap::new(),
            doubtful: HashSet::new(),
            united: United::default(),
            repeats: 0,
        }
    }

    /// Notes a row of a person, and says whether there was one before.
    pub(super) fn see(&mut self, address: &EmailAddress, state: SubscriberState) -> bool {
        let key = key(&self.hasher, address);
        let new = Seen(key | u64::from(strictness(state)));
        let Some(before) = self.seen.get(&new).copied() else {
            self.seen.insert(new);
            return false;
        };
        self.repeats += 1;
        let strictest = stricter(by_strictness(before.0 & STATE), state);
        self.seen.replace(Seen(key | u64::from(strictness(strictest))));
        self.twice.insert(key, strictest);
        true
    }

    /// Notes what another row of a person chooses; the first has not to be remembered, since it comes first again.
    pub(super) fn choose(&mut self, address: &EmailAddress, asks: bool, wishes: &Arc<Wishes>) {
        self.united.note(key(&self.hasher, address), asks, wishes);
    }

    /// Notes that a person had an address before.
    pub(super) fn see_former(&mut self, former: &EmailAddress, now: &EmailAddress) {
        self.moved.entry(key(&self.hasher, former)).or_insert_with(|| now.clone());
    }

    /// Notes a bad row of a person of which it is unclear whether it says that they have gone.
    pub(super) fn doubt(&mut self, address: &EmailAddress) {
        self.doubtful.insert(key(&self.hasher, address));
    }

    /// All have been noted.
    pub(super) fn finish(self) -> Duplicates {
        let Self { hasher, twice, moved, doubtful, united, .. } = self;
        Duplicates { hasher, twice, begun: HashSet::new(), moved, doubtful, united }
    }
}

impl Duplicates {
    /// The present address of the person of whom the file says that they had this one before.
    pub(super) fn moved_from(&self, address: &EmailAddress) -> Option<&EmailAddress> {
        if self.moved.is_empty() {
            return None;
        }
        self.moved.get(&key(&self.hasher, address))
    }

    /// Whether a bad row of the file may say that this person has gone.
    pub(super) fn is_doubtful(&self, address: &EmailAddress) -> bool {
        !self.doubtful.is_empty() && self.doubtful.contains(&key(&self.hasher, address))
    }

    /// What a row chooses of somebody whom the file has more than once, together with the others.
    pub(super) fn united(&mut self, address: &EmailAddress, asks: bool, wishes: &Arc<Wishes>) -> Arc<Wishes> {
        self.united.with_others(key(&self.hasher, address), asks, wishes)
    }

    /// For the next row of a person whom the file has more than once: the strictest state that it gives them, and
    /// whether there was a row of theirs before.
    pub(super) fn next(&mut self, address: &EmailAddress) -> Option<(SubscriberState, bool)> {
        if self.twice.is_empty() {
            return None;
        }
        let key = key(&self.hasher, address);
        let strictest = *self.twice.get(&key)?;
        Some((strictest, !self.begun.insert(key)))
    }
}

fn key(hasher: &RandomState, address: &EmailAddress) -> u64 {
    // As the keyed hash of the address, which it stands for.
    hasher.hash_one(address.folded()) & !STATE
}

fn by_strictness(level: u64) -> SubscriberState {
    let fits = |state: &&SubscriberState| u64::from(strictness(**state)) == level;
    SubscriberState::ALL.iter().find(fits).copied().unwrap_or(SubscriberState::Complained)
}
