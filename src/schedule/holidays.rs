//! Holidays: days of an iCalendar file, on which nothing comes out; it comes on the next working day instead.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Weekday};
use chrono_tz::Tz;
use rrule::{RRule, Unvalidated};

use super::ics::{self, Event, Property, When, Wrong};

/// Until when a day that comes back every year is written out.
const LAST_YEAR: i32 = 2100;

/// Ten a year is more than any holiday needs; a rule for every week or day is none of a holiday.
const A_YEAR: i32 = 10;

/// The longest single holiday, in days: a longer one is more likely a mistake, such as a term.
const LONGEST: i64 = 60;

/// Why a text is no calendar of holidays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {what}")]
pub struct HolidaysError {
    /// The line that is wrong, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl From<Wrong> for HolidaysError {
    fn from((line, what): Wrong) -> Self {
        Self { line, what }
    }
}

/// The days on which nothing comes out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays(BTreeSet<NaiveDate>);

impl Holidays {
    /// Reads an iCalendar file: each day of each event, those that come back until the year 2100. A time counts for the days
    /// of whose noon it is, in the zone `here`, or else for the day on which it begins.
    ///
    /// # Errors
    /// [`HolidaysError`] names the line that cannot be understood.
    pub fn parse(text: &str, here: Tz) -> Result<Self, HolidaysError> {
        let events = ics::events(text)?;
        if events.is_empty() {
            return Err((1, "it has no event, so no day would be a holiday".to_owned()).into());
        }
        let replaced = replaced(&events)?;
        let mut days = BTreeSet::new();
        for event in events.iter().filter(|event| !is_cancelled(event)) {
            add(&mut days, event, &replaced, here)?;
        }
        Ok(Self(days))
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

fn is_cancelled(event: &Event) -> bool {
    event.get("STATUS").is_some_and(|status| status.value.eq_ignore_ascii_case("CANCELLED"))
}

/// The times of events that come back for which another event stands, by the name that both have.
fn replaced(events: &[Event]) -> Result<Vec<(&str, When)>, Wrong> {
    let mut replaced = Vec::new();
    for event in events {
        let Some(property) = event.get("RECURRENCE-ID") else { continue };
        if property.parameter("RANGE").is_some() {
            let words = "a change of all that follow; make it an event of its own";
            return Err(property.wrong(words));
        }
        let uid = event.get("UID").map_or("", |uid| uid.value.as_str());
        replaced.extend(property.times()?.into_iter().map(|time| (uid, time)));
    }
    Ok(replaced)
}

fn add(days: &mut BTreeSet<NaiveDate>, event: &Event, replaced: &[(&str, When)], here: Tz) -> Result<(), Wrong> {
    let begins = event
        .get("DTSTART")
        .ok_or_else(|| (event.line, format!("the event `{}` has no day that it begins on", event.name())))?;
    let first = begins.times()?.into_iter().next().ok_or_else(|| begins.wrong("no day"))?;
    let length = length(event, first, here)?;
    if length.num_days() > LONGEST {
        let words =
            format!("the event `{}` takes {} days; leave out what is no holiday", event.name(), length.num_days());
        return Err((begins.line, words));
    }
    for start in starts(event, first, replaced, here)? {
        days.extend(days_of(start, length, here));
    }
    Ok(())
}

/// How long an event is; what has no end is a day, or a moment.
fn length(event: &Event, first: When, here: Tz) -> Result<TimeDelta, Wrong> {
    if let Some(ends) = event.get("DTEND") {
        let end = ends.times()?.into_iter().next().ok_or_else(|| ends.wrong("no day"))?;
        let length = first.until(end, here);
        return if length < TimeDelta::zero() {
            Err(ends.wrong("before the event begins; leave it out for one day"))
        } else {
            Ok(length)
        };
    }
    match event.get("DURATION") {
        Some(duration) => duration.length(),
        None => Ok(TimeDelta::zero()),
    }
}

/// The days of one occurrence.
fn days_of(start: When, length: TimeDelta, here: Tz) -> Vec<NaiveDate> {
    let begin = start.local(here);
    let end = begin + length;
    let days = begin.date().iter_days().take_while(|day| day.and_time(NaiveTime::MIN) < end);
    let noon = |day: &NaiveDate| {
        let noon = day.and_time(NaiveTime::MIN) + TimeDelta::hours(12);
        matches!(start, When::Day(_)) || (begin <= noon && noon < end)
    };
    let days: Vec<NaiveDate> = days.filter(noon).collect();
    if days.is_empty() { vec![begin.date()] } else { days }
}

/// When an event begins, each time that it comes.
fn starts(event: &Event, first: When, replaced: &[(&str, When)], here: Tz) -> Result<Vec<When>, Wrong> {
    let mut starts = vec![first];
    for rule in event.all("RRULE") {
        let times = by_rule(rule, first, here).ok_or_else(|| {
            let words =
                format!("the event `{}` comes back by a rule that cannot be read; write its days out", event.name());
            (rule.line, words)
        })?;
        starts.extend(times.into_iter().map(|time| first.like(time)));
    }
    for property in event.all("RDATE") {
        starts.extend(property.times()?);
    }
    let mut gone = Vec::new();
    for property in event.all("EXDATE") {
        gone.extend(property.times()?);
    }
    if event.get("RECURRENCE-ID").is_none() {
        let uid = event.get("UID").map_or("", |uid| uid.value.as_str());
        gone.extend(replaced.iter().filter(|(of, _)| *of == uid).map(|(_, time)| *time));
    }
    starts.retain(|start| !gone.iter().any(|gone| start.is(*gone, here)));
    Ok(starts)
}

/// The times that a rule gives, as they are written. `None`: it cannot be read, or gives too many.
fn by_rule(rule: &Property, first: When, here: Tz) -> Option<Vec<NaiveDateTime>> {
    let parts: Option<Vec<String>> = rule
        .value
        .split(';')
        .map(|part| match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("UNTIL") => until(value, first, here),
            _ => Some(part.to_owned()),
        })
        .collect();
    let rule: RRule<Unvalidated> = parts?.join(";").parse().ok()?;
    let utc = |time: NaiveDateTime| rrule::Tz::UTC.from_utc_datetime(&time);
    let last = NaiveDate::from_ymd_opt(LAST_YEAR + 1, 1, 1)?.and_time(NaiveTime::MIN);
    let limit = u16::try_from((LAST_YEAR - first.written().year()).max(1) * A_YEAR).ok()?;
    let set = rule.build(utc(first.written())).ok()?.before(utc(last)).all(limit);
    (!set.limited).then(|| set.dates.iter().map(chrono::DateTime::naive_utc).collect())
}

/// Until when a rule goes, written as its first time is, and as if that were UTC.
fn until(text: &str, first: When, here: Tz) -> Option<String> {
    let last = match (When::parse(text, None)?, first) {
        (When::Day(day), _) => day.and_hms_opt(23, 59, 59)?,
        (When::Utc(time), When::Local(_, zone)) => zone.unwrap_or(here).from_utc_datetime(&time).naive_local(),
        (When::Utc(time), When::Day(_)) => here.from_utc_datetime(&time).naive_local(),
        (time, _) => time.written(),
    };
    Some(format!("UNTIL={}Z", last.format("%Y%m%dT%H%M%S")))
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
        Holidays::parse(&calendar(&event(lines)), Tz::Europe__Berlin).unwrap()
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
    fn a_time_in_utc_is_that_of_the_digests_zone() {
        let christmas = holidays("DTSTART:20261224T230000Z\nDTEND:20261225T230000Z");
        assert_eq!(christmas.0, [day("2026-12-25")].into());
        let by_midnight = holidays("DTSTART:20261225T000000Z\nDTEND:20261226T000000Z");
        assert_eq!(by_midnight.0, [day("2026-12-25")].into(), "the hour after midnight is no day off");
        let each = holidays("DTSTART:20261224T230000Z\nDURATION:P1D\nRRULE:FREQ=YEARLY;UNTIL=20281224T230000Z");
        assert_eq!(each.0, ["2026-12-25", "2027-12-25", "2028-12-25"].map(day).into());
        let elsewhere = holidays("DTSTART;TZID=America/New_York:20261126T000000\nDURATION:P1D");
        assert_eq!(elsewhere.0, [day("2026-11-26")].into(), "a day off there is that day");
    }

    #[test]
    fn an_event_lasts_until_its_end_or_for_its_duration() {
        assert_eq!(
            holidays("DTSTART;VALUE=DATE:20261225\nDURATION:P2D").0,
            ["2026-12-25", "2026-12-26"].map(day).into()
        );
        assert_eq!(holidays("DTSTART;VALUE=DATE:20261225\nDURATION:P1W").0.len(), 7);
        assert_eq!(holidays("DTSTART:20261225T000000\nDURATION:PT24H").0, [day("2026-12-25")].into());
        assert_eq!(holidays("DTSTART:20261225T090000").0, [day("2026-12-25")].into());
        assert_eq!(holidays("DTSTART:20261225T140000\nDTEND:20261225T180000").0, [day("2026-12-25")].into());
    }

    #[test]
    fn what_is_cancelled_or_left_out_is_no_holiday() {
        assert!(holidays("DTSTART;VALUE=DATE:20261225\nSTATUS:CANCELLED").is_empty());
        let yearly = "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;COUNT=3";
        assert_eq!(holidays(yearly).0.len(), 3);
        let but_one = holidays(&format!("{yearly}\nEXDATE;VALUE=DATE:20271225"));
        assert_eq!(but_one.0, ["2026-12-25", "2028-12-25"].map(day).into());
        let by_time =
            holidays("DTSTART:20261224T230000Z\nDURATION:P1D\nRRULE:FREQ=YEARLY;COUNT=2\nEXDATE:20261224T230000Z");
        assert_eq!(by_time.0, [day("2027-12-25")].into());
        let and_more = holidays("DTSTART;VALUE=DATE:20261225\nRDATE;VALUE=DATE:20270104,20270105");
        assert_eq!(and_more.0, ["2026-12-25", "2027-01-04", "2027-01-05"].map(day).into());
    }

    #[test]
    fn an_event_that_stands_for_one_of_those_that_come_back_replaces_it() {
        let yearly = event("DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;COUNT=3");
        let with = |lines: &str| Holidays::parse(&calendar(&format!("{yearly}{}", event(lines))), Tz::UTC).unwrap().0;
        let moved = with("RECURRENCE-ID;VALUE=DATE:20271225\nDTSTART;VALUE=DATE:20271227");
        assert_eq!(moved, ["2026-12-25", "2027-12-27", "2028-12-25"].map(day).into());
        let gone = with("RECURRENCE-ID;VALUE=DATE:20271225\nDTSTART;VALUE=DATE:20271225\nSTATUS:CANCELLED");
        assert_eq!(gone, ["2026-12-25", "2028-12-25"].map(day).into());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        // The calendar's first lines are three, the event's four.
        for (bad, line, words) in [
            ("DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260701", 8, "`A day off` takes 181 days"),
            ("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY", 9, "`A day off` comes back by a rule"),
            ("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=NEVER", 9, "`A day off` comes back by a rule"),
            ("DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260104", 9, "before the event begins"),
            ("DTSTART;VALUE=DATE:20260105\nDURATION:one day", 9, "no length of time"),
            ("DTSTART;VALUE=DATE:2026-01-05", 8, "`DTSTART:2026-01-05` is no day and no time"),
            ("DTSTART;VALUE=DATE:20260105\nEXDATE:tomorrow", 9, "`EXDATE:tomorrow` is no day"),
            ("DTSTART;VALUE=DATE:20260105\nthe day after", 9, "`the day after` has no colon"),
            ("RECURRENCE-ID;RANGE=THISANDFUTURE:20260105\nDTSTART;VALUE=DATE:20260105", 8, "all that follow"),
            ("DTSTART;VALUE=DATE:20260105\nEND:VCALENDAR", 9, "where BEGIN:VEVENT of line 4 has to end"),
            ("LOCATION:Leeds", 4, "`A day off` has no day"),
        ] {
            let error = Holidays::parse(&calendar(&event(bad)), Tz::UTC).unwrap_err();
            assert!(error.line == line && error.what.contains(words), "{error}");
        }
        let of = |text: &str| Holidays::parse(text, Tz::UTC).unwrap_err().to_string();
        assert!(of(&calendar("")).starts_with("1: it has no event"));
        assert!(of("Christmas: 25 December").starts_with("1: it is no iCalendar file"));
        assert!(of("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n").starts_with("2: BEGIN:VEVENT has no END"));
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
            let _ = Holidays::parse(&calendar(&event(&lines)), Tz::Europe__London);
        }
    }
}
