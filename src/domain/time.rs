//! Moments in time as UTC milliseconds, and the clock that tells them.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use serde::{Serialize, Serializer};

/// A moment in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct UtcMillis(pub i64);

impl UtcMillis {
    /// The same moment as a `chrono` value; moments outside its range (±262,000 years) are clamped to the epoch.
    pub fn to_utc(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0).single().unwrap_or_default()
    }

    /// RFC 3339 in UTC to the millisecond, as far as there are any: what is read back is the same moment.
    pub fn exact(self) -> String {
        self.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// This moment and `duration` more; saturates.
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment less `duration`; saturates.
    pub fn minus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl<Z: TimeZone> From<DateTime<Z>> for UtcMillis {
    fn from(time: DateTime<Z>) -> Self {
        Self(time.timestamp_millis())
    }
}

/// RFC 3339 in UTC with whole seconds, as in `2026-11-23T08:00:00Z`.
impl fmt::Display for UtcMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl fmt::Debug for UtcMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for UtcMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Tells the time. Rooms take it as an argument, so that a test can say "it is 01:30 on the night the clocks change".
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> UtcMillis;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UtcMillis {
        Utc::now().into()
    }
}
