//! Local time to moments: what happens in the hour that a clock change skips, and in the one that it repeats.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::{GapInfo, Tz};

/// The moment of a local time. One that the clocks skip is the first moment after the gap, one that they repeat is the
/// first of the two.
///
/// The mapping never goes backwards: of two local times the later one is never the earlier moment.
/// `None` only at the ends of `chrono`'s calendar.
pub fn moment_of(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Tz>> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(moment) | MappedLocalTime::Ambiguous(moment, _) => Some(moment),
        MappedLocalTime::None => GapInfo::new(&local, &zone)?.end,
    }
}

/// How much local time from this moment on was there before already: not zero only in the second pass of an hour that
/// the clocks repeat.
pub fn repeated_from(moment: &DateTime<Tz>) -> TimeDelta {
    match moment.timezone().from_local_datetime(&moment.naive_local()) {
        MappedLocalTime::Ambiguous(first, second) if second == *moment => second - first,
        _ => TimeDelta::zero(),
    }
}
