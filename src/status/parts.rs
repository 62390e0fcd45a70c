//! The parts of the daemon, each with its state; what lasts is told in the log now and then, not at every step.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often trouble that lasts is told in the log.
const AGAIN: Duration = Duration::from_secs(300);

/// How a part is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// It has not done anything yet.
    Starting,
    /// Its last step worked.
    Ok,
    /// Another process does its work.
    Standby,
    /// Its last step failed; it tries again.
    Failing,
    /// It fell over, and is started again when its pause is over.
    Restarting,
}

impl PartState {
    /// The word for supervisors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::Standby => "standby",
            Self::Failing => "failing",
            Self::Restarting => "restarting",
        }
    }

    /// Whether all is as it should be.
    pub fn is_well(self) -> bool {
        !matches!(self, Self::Failing | Self::Restarting)
    }
}

#[derive(Debug)]
struct Record {
    state: PartState,
    restarts: u64,
    error: String,
    told: Option<Instant>,
}

/// All parts. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Parts(Arc<Mutex<BTreeMap<&'static str, Record>>>);

/// A part of all, which reports its state.
#[derive(Clone, Debug)]
pub struct Part {
    name: &'static str,
    parts: Parts,
}

impl Parts {
    /// The part of that name.
    pub fn part(&self, name: &'static str) -> Part {
        let part = Part { name, parts: self.clone() };
        part.change(|_| {});
        part
    }

    /// Each part with its state and how often it was started again, in the order of their names.
    pub fn all(&self) -> Vec<(&'static str, PartState, u64)> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().map(|(name, record)| (*name, record.state, record.restarts)).collect()
    }

    /// Each part with the word for its state.
    pub fn words(&self) -> BTreeMap<&'static str, &'static str> {
        self.all().into_iter().map(|(name, state, _)| (name, state.as_str())).collect()
    }
}

impl Part {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A step of it worked.
    pub fn works(&self) {
        if self.change(|record| record.state = PartState::Ok) == PartState::Failing {
            tracing::info!(part = self.name, "works again");
        }
    }

    /// Another process does its work.
    pub fn stands_by(&self) {
        self.change(|record| record.state = PartState::Standby);
    }

    /// A step of it failed. Told in the log when it is new, and every few minutes while it lasts.
    pub fn fails(&self, error: impl Display) {
        let error = error.to_string();
        let mut tell = false;
        self.change(|record| {
            let now = Instant::now();
            tell = record.error != error || record.told.is_none_or(|told| now - told >= AGAIN);
            if tell {
                record.told = Some(now);
            }
            record.state = PartState::Failing;
            record.error.clone_from(&error);
        });
        if tell {
            tracing::error!(part = self.name, error, "fails; it is tried again by itself");
        }
    }

    /// It fell over, for the `falls`th time in a row, and is started again after `pause`.
    pub fn fell(&self, error: impl Display, falls: u32, pause: Duration) {
        self.change(|record| {
            record.state = PartState::Restarting;
            record.restarts += 1;
        });
        tracing::error!(part = self.name, %error, falls, pause = pause.as_secs_f32(), "a part fell over; it is started again");
    }

    /// It is started again.
    pub fn starts(&self) {
        self.change(|record| record.state = PartState::Starting);
    }

    /// Changes its record; gives the state before.
    fn change(&self, change: impl FnOnce(&mut Record)) -> PartState {
        let mut parts = self.parts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Record { state: PartState::Starting, restarts: 0, error: String::new(), told: None };
        let record = parts.entry(self.name).or_insert_with(fresh);
        let before = record.state;
        change(record);
        if record.state == PartState::Ok {
            record.error.clear();
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_seen_as_it_reports_itself() {
        let parts = Parts::default();
        let part = parts.part("collect");
        let state = || parts.words()["collect"];
        assert_eq!(state(), "starting");
        part.works();
        assert_eq!(state(), "ok");
        part.fails("the store is gone");
        assert_eq!(state(), "failing");
        part.fell("it panicked", 1, Duration::from_secs(1));
        assert_eq!((state(), parts.all()[0].2), ("restarting", 1));
        parts.part("collect").starts();
        assert_eq!((state(), parts.all()[0].2), ("starting", 1), "the same part, with its past");
    }
}
