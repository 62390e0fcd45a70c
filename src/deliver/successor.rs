//! An engine in the place of another: other settings, and the same knowledge.

use std::sync::Arc;

use super::engine::Engine;
use super::message::Links;
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
    /// name, and knows how the relays have been doing.
    pub fn successor(&self, settings: Settings, links: Arc<dyn Links>) -> Self {
        let old = &self.shared;
        let (clock, random) = (Arc::clone(&old.clock), Arc::clone(&old.random));
        let mut engine = Self::locked(old.store.clone(), Arc::clone(&self.lock), settings, links, clock, random);
        engine.forward = Arc::clone(&self.forward);
        if let Some(shared) = Arc::get_mut(&mut engine.shared) {
            shared.node.clone_from(&old.node);
            shared.lease.count_on_from(&old.lease);
            shared.events = old.events.clone();
            shared.counts = Arc::clone(&old.counts);
            shared.tally = Arc::clone(&old.tally);
            for station in &mut shared.stations {
                old.stations.iter().for_each(|old| station.inherit(old));
            }
        }
        engine
    }
}
