//! Holidays: days of an iCalendar file, on which nothing comes out; it comes on the next working day instead.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Weekday};
use icalendar::{Calendar, CalendarDateTime, Component, DatePerhapsTime, Event, EventLike};

/// Until when a day that comes back every year is written out.
const LAST_YEAR: i32 = 2100;

/// The longest single holiday, in days: a longer one is more likely a mistake, such as a term.
const LONGEST: i64 = 60;

/// Why a text is no calendar of holidays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HolidaysError {
    /// It cannot be read.
    #[error("it is not an iCalendar file (RFC 5545): {0}")]
    NotACalendar(String),
    /// An event says no day.
    #[error("the event `{0}` has no day that it begins on")]
    NoDay(String),
    /// An event is longer than any holiday.
    #[error("the event `{0}` takes {1} days; leave out what is no holiday")]
    TooLong(String, i64),
    /// An event comes back in a way that is not understood.
    #[error("the event `{0}` comes back by a rule that cannot be read; write its days out")]
    Rule(String),
    /// There is no event.
    #[error("it has no event, so no day would be a holiday")]
    Empty,
}

/// The days on which nothing comes out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays(BTreeSet<NaiveDate>);

impl Holidays {
    /// Reads an iCalendar file: each day of each event, those that come back until the year 2100.
    ///
    /// # Errors
    /// [`HolidaysError`] names the event that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, HolidaysError> {
        let calendar: Calendar = text.parse().map_err(HolidaysError::NotACalendar)?;
        let mut days = BTreeSet::new();
        for event in calendar.components.iter().filter_map(icalendar::CalendarComponent::as_event) {
            add(&mut days, event)?;
        }
        if days.is_empty() { Err(HolidaysError::Empty) } else { Ok(Self(days)) }
    }

    /// Whether no day is a holiday.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether that day is a holiday.
    pub fn has(&self, day: NaiveDate) -> bool {
        self.0.contains(&day)
    }

    /// Whether people work on that day: it is neither a holiday nor a Saturday or Sunday.
    fn is_working(&self, day: NaiveDate) -> bool {
        !self.has(day) && !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
    }

    /// The first working day after that day; none at the end of the calendar.
    pub fn next_working(&self, day: NaiveDate) -> Option<NaiveDate> {
        std::iter::successors(day.succ_opt(), NaiveDate::succ_opt).find(|day| self.is_working(*day))
    }

    /// The first of the days whose issues may come out on `day`: itself, and the days without work right before.
    pub fn first_that_moves_to(&self, day: NaiveDate) -> NaiveDate {
        let free = |day: &NaiveDate| day.pred_opt().filter(|before| !self.is_working(*before));
        std::iter::successors(Some(day), free).last().unwrap_or(day)
    }
}

fn add(days: &mut BTreeSet<NaiveDate>, event: &Event) -> Result<(), HolidaysError> {
    let name =
        || event.get_summary().or(event.get_uid()).unwrap_or("without a name").chars().take(60).collect::<String>();
    let first = event.get_start().map(|start| start.date_naive()).ok_or_else(|| HolidaysError::NoDay(name()))?;
    let length = match event.get_end() {
        // A date is the day after the last one; a time may be within the last day.
        Some(DatePerhapsTime::Date(end)) => (end - first).num_days(),
        Some(DatePerhapsTime::DateTime(end)) => (last_day(&end) - first).num_days() + 1,
        None => 1,
    };
    if length > LONGEST {
        return Err(HolidaysError::TooLong(name(), length));
    }
    for start in starts(event, first).ok_or_else(|| HolidaysError::Rule(name()))? {
        days.extend(start.iter_days().take(usize::try_from(length.max(1)).unwrap_or(1)));
    }
    Ok(())
}

/// The last day that an event with this end reaches into.
fn last_day(end: &CalendarDateTime) -> NaiveDate {
    let end = match end {
        CalendarDateTime::Floating(local) => *local,
        CalendarDateTime::Utc(moment) => moment.naive_utc(),
        CalendarDateTime::WithTimezone { date_time, .. } => *date_time,
    };
    (end - TimeDelta::seconds(1)).date()
}

/// The first days of an event, each time that it comes. `None`: its rule cannot be read.
fn starts(event: &Event, first: NaiveDate) -> Option<Vec<NaiveDate>> {
    const REPEATING: [&str; 3] = ["RRULE", "RDATE", "EXDATE"];
    if !REPEATING.iter().any(|key| event.property_value(key).is_some() || event.multi_properties().contains_key(*key)) {
        return Some(vec![first]);
    }
    // Ten a year is more than any holiday needs; a rule for every week or day is none of a holiday.
    let limit = u16::try_from((LAST_YEAR - first.year()).max(1) * 10).ok()?;
    let until =
        NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31)?.checked_add_days(Days::new(1))?.and_time(chrono::NaiveTime::MIN);
    let until: DateTime<rrule::Tz> = until.and_utc().with_timezone(&rrule::Tz::UTC);
    let set = event.get_recurrence().ok()?.before(until).all(limit);
    (!set.limited).then(|| set.dates.iter().map(DateTime::date_naive).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(events: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Northfold//Holidays//EN\r\n{events}END:VCALENDAR\r\n")
    }

    fn event(lines: &str) -> String {
        let lines = lines.replace('\n', "\r\n");
        format!(
            "BEGIN:VEVENT\r\nUID:a@northfold.example\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:A day off\r\n{lines}\r\nEND:VEVENT\r\n"
        )
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn holidays(lines: &str) -> Holidays {
        Holidays::parse(&calendar(&event(lines))).unwrap()
    }

    #[test]
    fn a_day_is_given_by_its_date_and_the_end_is_the_day_after() {
        let one = holidays("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261226");
        assert!(one.has(day("2026-12-25")) && !one.has(day("2026-12-26")));
        let two = holidays("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227");
        assert!(two.has(day("2026-12-26")) && !two.has(day("2026-12-27")));
        assert!(holidays("DTSTART;VALUE=DATE:20261225").has(day("2026-12-25")));
        let timed = holidays("DTSTART:20261225T000000\nDTEND:20261227T000000");
        assert!(timed.has(day("2026-12-26")) && !timed.has(day("2026-12-27")));
    }

    #[test]
    fn a_day_that_comes_back_every_year_is_there_in_each() {
        let christmas = holidays("DTSTART;VALUE=DATE:20201225\nRRULE:FREQ=YEARLY");
        assert!(christmas.has(day("2020-12-25")) && christmas.has(day("2099-12-25")));
        let monday = holidays("DTSTART;VALUE=DATE:20260504\nRRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=1MO");
        assert!(monday.has(day("2027-05-03")) && !monday.has(day("2027-05-04")));
    }

    #[test]
    fn what_is_no_holiday_is_told_by_the_event_s_name() {
        for (bad, words) in [
            ("DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260701", "`A day off` takes 181 days"),
            ("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY", "`A day off` comes back by a rule"),
            ("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=NEVER", "`A day off` comes back by a rule"),
            ("LOCATION:Leeds", "`A day off` has no day"),
        ] {
            let error = Holidays::parse(&calendar(&event(bad))).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(Holidays::parse(&calendar("")).unwrap_err(), HolidaysError::Empty);
        assert!(matches!(
            Holidays::parse("Christmas: 25 December"),
            Err(HolidaysError::NotACalendar(_) | HolidaysError::Empty)
        ));
    }

    #[test]
    fn the_next_working_day_is_no_weekend_and_no_holiday() {
        let easter = holidays("DTSTART;VALUE=DATE:20270326\nDTEND;VALUE=DATE:20270330");
        assert_eq!(easter.next_working(day("2027-03-26")), Some(day("2027-03-30")));
        assert_eq!(easter.first_that_moves_to(day("2027-03-30")), day("2027-03-26"));
        assert_eq!(easter.first_that_moves_to(day("2027-03-31")), day("2027-03-31"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(lines in "(DTSTART|DTEND|RRULE|EXDATE)?(;VALUE=DATE)?:?[0-9A-Z;=,]{0,20}") {
            let _ = Holidays::parse(&calendar(&event(&lines)));
        }
    }
}
