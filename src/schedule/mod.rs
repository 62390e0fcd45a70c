//! Cron and time zone to the periods that are due.
//!
//! An expression is matched in naive local time, where each day has its 24 hours, and each match is then mapped to the
//! zone by our own rule: what the clocks skip happens at the first moment after the gap, what they repeat happens the
//! first time. The `cron` crate does the matching; its own idea of zones, weekday numbers and the two day fields is
//! not cron's, so it gets sets of numbers in UTC, and one schedule for each day field where either is enough.

mod days;
mod expression;
mod holidays;
mod ics;
#[cfg(test)]
mod tests;
mod zone;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

pub use days::{local_day, start_of_day};
pub use holidays::{Holidays, HolidaysError};

use crate::domain::UtcMillis;
use expression::Expression;

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not five fields.
    #[error(
        "{}; a schedule has five fields: minute, hour, day of the month, month, weekday, as in `0 8 * * MON`",
        match .0 { 0 => "it is empty".to_owned(), 1 => "it has one field".to_owned(), n => format!("it has {n} fields") }
    )]
    Fields(usize),
    /// An `@word` that stands for nothing.
    #[error("`{0}` is not a shorthand; there are @hourly, @daily, @weekly, @monthly and @yearly")]
    Shorthand(String),
    /// Something that a field cannot have.
    #[error(
        "`{value}` cannot stand in the field for the {field}; it takes {least} to {most}{}, lists, ranges and steps",
        match *.field { "month" => " or JAN to DEC", "weekday" => " or SUN to SAT", _ => "" }
    )]
    Value {
        /// Which field.
        field: &'static str,
        /// The piece of it.
        value: String,
        /// Its smallest number.
        least: u32,
        /// Its greatest number.
        most: u32,
    },
    /// A range from a later to an earlier value.
    #[error("the range `{range}` of the {field} runs backwards; write it as two, with a comma between")]
    Backwards {
        /// Which field.
        field: &'static str,
        /// The range.
        range: String,
    },
    /// A day that no month of the expression has.
    #[error("`{0}` never comes: none of its months has such a day; choose a day that exists")]
    Never(String),
}

/// A five-field cron expression in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    expression: String,
    timezone: Tz,
    /// One, or one for each day field when either is enough.
    matchers: Vec<cron::Schedule>,
    /// Days on which nothing comes out.
    holidays: Arc<Holidays>,
}

/// A time at which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The time that the expression gives: what the period is known by, whatever becomes of the holidays.
    pub scheduled: UtcMillis,
    /// When it is due: the same, or the same time of the next working day.
    pub due: UtcMillis,
}

impl Schedule {
    /// Reads an expression such as `0 8 * * MON`, or `@daily`, in a zone.
    ///
    /// # Errors
    /// [`ScheduleError`] says which field is wrong, or that the expression never comes.
    pub fn parse(cron: &str, timezone: Tz) -> Result<Self, ScheduleError> {
        let expression = Expression::parse(cron)?;
        let never = || ScheduleError::Never(cron.trim().to_owned());
        let texts = if expression.either_day {
            vec![crate_text(&expression, true, false), crate_text(&expression, false, true)]
        } else {
            vec![crate_text(&expression, true, true)]
        };
        let matchers = texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>().map_err(|_| never())?;
        let schedule = Self { expression: cron.trim().to_owned(), timezone, matchers, holidays: Arc::default() };
        schedule.local_after(EPOCH).ok_or_else(never)?;
        Ok(schedule)
    }

    /// The zone it is read in.
    pub fn timezone(&self) -> Tz {
        self.timezone
    }

    /// The expression as it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The same, but what falls on a holiday comes on the next working day, at the same time; once, where that day has
    /// something at that time already.
    pub fn with_holidays(self, holidays: Arc<Holidays>) -> Self {
        Self { holidays, ..self }
    }

    /// The first occurrence after that moment; none when the calendar of the matching ends, in the year 2100.
    pub fn next_after(&self, moment: UtcMillis) -> Option<UtcMillis> {
        if self.holidays.is_empty() {
            return self.next_by_expression(moment);
        }
        // What a holiday has put off may still lie ahead: one before today, or today itself.
        let from = UtcMillis(self.first_that_moves_to(moment).0 - 1);
        let mut best: Option<UtcMillis> = None;
        let mut scheduled = self.next_by_expression(from)?;
        // What is scheduled later than the best so far is not due earlier.
        while best.is_none_or(|best| scheduled < best) {
            let due = self.due(scheduled).filter(|due| *due > moment);
            best = best.into_iter().chain(due).min();
            match self.next_by_expression(scheduled) {
                Some(next) => scheduled = next,
                None => break,
            }
        }
        best
    }

    /// The first time after that moment that the expression gives.
    fn next_by_expression(&self, moment: UtcMillis) -> Option<UtcMillis> {
        // All that is not later by the clock on the wall is not later in truth either. The other way round does not
        // hold: in the second pass of a repeated hour, its minutes to come have been.
        let mut local = self.local(moment).naive_local();
        loop {
            local = self.local_after(local)?;
            let occurrence = UtcMillis::from(zone::moment_of(local, self.timezone)?);
            if occurrence > moment {
                return Some(occurrence);
            }
        }
    }

    /// The next `count` occurrences after that moment.
    pub fn upcoming(&self, after: UtcMillis, count: usize) -> Vec<UtcMillis> {
        std::iter::successors(self.next_after(after), |last| self.next_after(*last)).take(count).collect()
    }

    /// The period that is due: the last occurrence that is not after that moment; none before 1970.
    pub fn latest_due(&self, moment: UtcMillis) -> Option<Occurrence> {
        let mut scheduled = self.latest_at_or_before(moment);
        if self.holidays.is_empty() {
            return scheduled.map(|scheduled| Occurrence { scheduled, due: scheduled });
        }
        let mut best: Option<Occurrence> = None;
        while let Some(at) = scheduled {
            if best.is_some_and(|best| at < self.first_that_moves_to(best.due)) {
                break;
            }
            let due = self.due(at).filter(|due| *due <= moment).map(|due| Occurrence { scheduled: at, due });
            // Of two at one time the later is known by it: the one that was not moved.
            best = best.into_iter().chain(due).max_by_key(|occurrence| (occurrence.due, occurrence.scheduled));
            scheduled = self.latest_at_or_before(UtcMillis(at.0 - 1));
        }
        best
    }

    /// When that which the expression gives is due. None at the end of the calendar.
    fn due(&self, scheduled: UtcMillis) -> Option<UtcMillis> {
        let local = self.local(scheduled).naive_local();
        if !self.holidays.has(local.date()) {
            return Some(scheduled);
        }
        let moved = self.holidays.next_working(local.date())?.and_time(local.time());
        zone::moment_of(moved, self.timezone).map(UtcMillis::from)
    }

    /// The beginning of the first day whose occurrences may be due on the day of that moment.
    fn first_that_moves_to(&self, due: UtcMillis) -> UtcMillis {
        start_of_day(self.holidays.first_that_moves_to(local_day(due, self.timezone)), self.timezone)
    }

    /// The last time, not after that moment, that the expression gives; none before 1970.
    pub fn latest_at_or_before(&self, moment: UtcMillis) -> Option<UtcMillis> {
        let here = self.local(moment);
        let mut local = here.naive_local().trunc_subsecs(0) + zone::repeated_from(&here) + TimeDelta::seconds(1);
        loop {
            local = self.local_before(local)?;
            let occurrence = UtcMillis::from(zone::moment_of(local, self.timezone)?);
            if occurrence <= moment {
                return Some(occurrence);
            }
        }
    }

    /// How long one period around that moment is: from the latest occurrence to the next. At the ends of the calendar,
    /// the length of the nearest period.
    pub fn period(&self, now: UtcMillis) -> Duration {
        let latest = self.latest_at_or_before(now).or_else(|| self.next_by_expression(now));
        let next = latest.and_then(|latest| self.next_by_expression(latest));
        match (latest, next) {
            (Some(latest), Some(next)) => between(latest.0, next.0),
            (Some(last), None) => {
                let before = self.latest_at_or_before(UtcMillis(last.0 - 1));
                before.map(|before| between(before.0, last.0)).unwrap_or_default()
            }
            (None, _) => Duration::ZERO,
        }
    }

    /// The shortest distance between two occurrences by the clock on the wall: a day for `0 8 * * MON-FRI`.
    pub fn shortest_period(&self) -> Duration {
        let locals = std::iter::successors(self.local_after(EPOCH), |last| self.local_after(*last));
        let locals: Vec<NaiveDateTime> = locals.take(100).collect();
        let gaps = locals.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok());
        gaps.min().unwrap_or_default()
    }

    /// The moment in the schedule's zone, for RFC 3339 with its offset; one outside of the years 0 to 9999, which
    /// RFC 3339 cannot write, is moved to their end.
    pub fn local(&self, moment: UtcMillis) -> DateTime<Tz> {
        const FIRST: i64 = -62_167_132_800_000; // 0000-01-02
        const LAST: i64 = 253_402_214_400_000; // 9999-12-31
        UtcMillis(moment.0.clamp(FIRST, LAST)).to_utc().with_timezone(&self.timezone)
    }

    /// The first match after a local time, as local time.
    fn local_after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let local = local.max(EPOCH - TimeDelta::seconds(1)).min(end_of_calendar());
        let after = Utc.from_utc_datetime(&local.trunc_subsecs(0));
        self.matchers.iter().filter_map(|matcher| matcher.after(&after).next()).min().map(|next| next.naive_utc())
    }

    /// The last match before a local time, as local time.
    fn local_before(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let local = local.max(EPOCH).min(end_of_calendar());
        let before = Utc.from_utc_datetime(&local.trunc_subsecs(0));
        self.matchers.iter().filter_map(|matcher| matcher.after(&before).next_back()).max().map(|last| last.naive_utc())
    }
}

/// Where the calendar of the matching begins.
const EPOCH: NaiveDateTime = DateTime::UNIX_EPOCH.naive_utc();

fn between(earlier: i64, later: i64) -> Duration {
    Duration::from_millis(u64::try_from(later - earlier).unwrap_or_default())
}

/// A time after all that the `cron` crate matches: its years end with 2100.
fn end_of_calendar() -> NaiveDateTime {
    const DAYS_TO_2101: u64 = 47_847;
    EPOCH + chrono::Days::new(DAYS_TO_2101)
}

/// The expression in the words of the `cron` crate: with seconds, Sunday as 1, and every number written out.
fn crate_text(expression: &Expression, with_days: bool, with_weekdays: bool) -> String {
    let list = |set: &BTreeSet<u32>, plus: u32| {
        set.iter().map(|number| (number + plus).to_string()).collect::<Vec<_>>().join(",")
    };
    let part = |set: &Option<BTreeSet<u32>>, used: bool, plus: u32| match set {
        Some(set) if used => list(set, plus),
        _ => "*".to_owned(),
    };
    format!(
        "0 {} {} {} {} {}",
        list(&expression.minutes, 0),
        list(&expression.hours, 0),
        part(&expression.days, with_days, 0),
        list(&expression.months, 0),
        part(&expression.weekdays, with_weekdays, 1),
    )
}
