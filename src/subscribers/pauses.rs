//! Which digests somebody has paused, and when each comes again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::choose::paused_until;
use crate::domain::UtcMillis;
use crate::store::SubscriptionRow;

/// The digests that somebody has paused, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pauses(BTreeMap<String, UtcMillis>);

impl FromIterator<(String, UtcMillis)> for Pauses {
    fn from_iter<I: IntoIterator<Item = (String, UtcMillis)>>(pauses: I) -> Self {
        Self(pauses.into_iter().collect())
    }
}

impl Pauses {
    /// Those that are not over among these subscriptions.
    pub(super) fn of(have: &[SubscriptionRow], now: UtcMillis) -> Self {
        have.iter().filter_map(|have| Some((have.digest.clone(), paused_until(have, now)?))).collect()
    }

    /// Until when a digest is paused.
    pub fn until(&self, digest: &str) -> Option<UtcMillis> {
        self.0.get(digest).copied()
    }

    /// The moment whose next issue of a digest is the next that comes to them: what is due as a pause ends comes.
    pub fn over(&self, digest: &str, now: UtcMillis) -> UtcMillis {
        self.until(digest).map_or(now, |until| now.max(until.minus(Duration::from_millis(1))))
    }
}
