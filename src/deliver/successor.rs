//! An engine in the place of another: other settings, and the same knowledge.

use std::sync::Arc;

use super::engine::Engine;
use super::message::Links;
use super::pace::Limit;
use super::run::Shared;
use super::settings::Settings;
use super::tally::Tally;

impl Engine {
    /// The same, whose results are counted in `tally` too.
    #[must_use]
    pub fn counting(mut self, tally: Arc<Tally>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.tally = tally;
        }
        self
    }

    /// An engine with other settings in the place of this one, whose runs are over: it has its right to deliver and its
    /// name, and knows how the relays have been doing and how far their rates are used.
    pub fn successor(&self, settings: Settings, links: Arc<dyn Links>) -> Self {
        let old = &self.shared;
        let (clock, random) = (Arc::clone(&old.clock), Arc::clone(&old.random));
        let mut engine = Self::locked(old.store.clone(), Arc::clone(&self.lock), settings, links, clock, random);
        if let Some(shared) = Arc::get_mut(&mut engine.shared) {
            shared.node.clone_from(&old.node);
            shared.lease.count_on_from(&old.lease);
            shared.counts = Arc::clone(&old.counts);
            shared.tally = Arc::clone(&old.tally);
            shared.forward = Arc::clone(&old.forward);
            for station in &mut shared.stations {
                old.stations.iter().for_each(|old| station.inherit(old));
            }
            let reached =
                old.reached().iter().filter_map(|(limit, at)| Some((here(limit, old, shared)?, *at))).collect();
            *shared.reached() = reached;
        }
        engine
    }
}

/// The same limit among other settings; a relay is known by its id.
fn here(limit: &Limit, old: &Shared, new: &Shared) -> Option<Limit> {
    let Limit::Relay(place) = limit else { return Some(limit.clone()) };
    let id = &old.stations.get(*place)?.config.id;
    new.stations.iter().find(|station| station.config.id == *id).map(|station| Limit::Relay(station.place))
}
