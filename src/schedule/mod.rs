//! Cron and time zone to the periods that are due.

use chrono_tz::Tz;

/// A five-field cron expression in a time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    timezone: Tz,
}

impl Schedule {
    /// The zone it is read in.
    pub fn timezone(&self) -> Tz {
        self.timezone
    }
}
