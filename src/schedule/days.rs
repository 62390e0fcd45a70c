//! Days of a zone and the moments they begin at.

use chrono::{NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Tz;

use crate::domain::UtcMillis;

/// The day that a moment falls on in a zone.
pub fn local_day(at: UtcMillis, zone: Tz) -> NaiveDate {
    at.to_utc().with_timezone(&zone).date_naive()
}

/// The moment at which a day begins in a zone: midnight, or the end of the gap where the clocks skip midnight.
pub fn start_of_day(day: NaiveDate, zone: Tz) -> UtcMillis {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=180)
        .find_map(|minute| zone.from_local_datetime(&(midnight + chrono::TimeDelta::minutes(minute))).earliest())
        .map_or_else(|| midnight.and_utc().into(), UtcMillis::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_at_midnight_of_its_zone() {
        assert_eq!(start_of_day(day("2026-06-24"), chrono_tz::Europe::London).to_string(), "2026-06-23T23:00:00Z");
        assert_eq!(
            local_day(start_of_day(day("2026-06-24"), chrono_tz::Asia::Kolkata), chrono_tz::Asia::Kolkata),
            day("2026-06-24")
        );
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_after_the_gap() {
        assert_eq!(start_of_day(day("2026-09-06"), chrono_tz::America::Santiago).to_string(), "2026-09-06T04:00:00Z");
    }
}
