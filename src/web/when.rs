//! Days and moments on the pages: in the digest's zone, as the page's language writes them.

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;

use super::AppState;
use crate::domain::{Locale, UtcMillis};
use crate::schedule::{local_day, start_of_day};
use crate::wording::format_date;

/// The day of a moment in the digest's zone, in words.
pub(super) fn day_of(state: &AppState, digest: &str, locale: &Locale, moment: UtcMillis) -> String {
    format_date(local_day(moment, zone(state, digest)), locale)
}

/// The time of a moment in the digest's zone, as `15:40`.
pub(super) fn time_of(state: &AppState, digest: &str, moment: UtcMillis) -> String {
    moment.to_utc().with_timezone(&zone(state, digest)).format("%H:%M").to_string()
}

/// When a pause of four weeks ends, and that day in words.
pub(super) fn four_weeks(state: &AppState, digest: &str, locale: &Locale) -> (UtcMillis, String) {
    let today = today(state, digest);
    let day = today.checked_add_days(Days::new(28)).unwrap_or(today);
    (start_of_day(day, zone(state, digest)), format_date(day, locale))
}

/// The zone of a digest; of one that is gone, UTC.
pub(super) fn zone(state: &AppState, digest: &str) -> Tz {
    state.subscribers.config().digest(digest).map_or(Tz::UTC, crate::config::Digest::timezone)
}

/// Today, there.
pub(super) fn today(state: &AppState, digest: &str) -> NaiveDate {
    local_day(state.subscribers.now(), zone(state, digest))
}
