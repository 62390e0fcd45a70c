//! Unites what several rows of one person choose of the same digest: else the first would count alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::wishes::Wishes;
use crate::domain::SubscriptionState;
use crate::subscribers::choice::{Chosen, Topics};

/// What the rows of those choose whom a file has more than once.
#[derive(Default)]
pub(super) struct United {
    /// By the person, and whether the rows are mere requests, which say nothing of what was confirmed.
    chosen: HashMap<(u64, bool), Arc<Wishes>>,
}

impl United {
    /// Notes what a row chooses.
    pub(super) fn note(&mut self, person: u64, asks: bool, wishes: &Arc<Wishes>) {
        match self.chosen.entry((person, asks)) {
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(wishes));
            }
            Entry::Occupied(mut entry) if !Arc::ptr_eq(entry.get(), wishes) => {
                let mut all = Wishes { choice: entry.get().choice.clone(), chosen: true, ..Wishes::default() };
                add_topics(&mut all, wishes);
                let fresh = |chosen: &&Chosen| all.choice.iter().all(|have| have.digest != chosen.digest);
                let fresh: Vec<Chosen> = wishes.choice.iter().filter(fresh).cloned().collect();
                all.choice.extend(fresh);
                entry.insert(Arc::new(all));
            }
            Entry::Occupied(_) => {}
        }
    }

    /// What a row chooses, with all topics of its digests that another row of that person chooses.
    pub(super) fn with_others(&mut self, person: u64, asks: bool, wishes: &Arc<Wishes>) -> Arc<Wishes> {
        self.note(person, asks, wishes);
        let mut own = Wishes::clone(wishes);
        if let Some(all) = self.chosen.get(&(person, asks)) {
            add_topics(&mut own, all);
        }
        if own == **wishes { Arc::clone(wishes) } else { Arc::new(own) }
    }
}

/// Adds the topics of the digests that both have.
fn add_topics(wishes: &mut Wishes, others: &Wishes) {
    let add = |digest: &str, topics: Topics| match others.choice.iter().find(|other| other.digest == digest) {
        Some(other) => topics.union(&other.topics),
        None => topics,
    };
    for chosen in &mut wishes.choice {
        chosen.topics = add(&chosen.digest, chosen.topics.clone());
    }
    for have in wishes.exact.iter_mut().filter(|have| have.state != SubscriptionState::Left) {
        have.topics = add(&have.digest, Topics::parse(&have.topics)).stored();
    }
}
