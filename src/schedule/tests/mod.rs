//! The rules of the contract on schedules, and a walk through every minute that must see the same.

mod years;

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

const ZONES: [Tz; 6] = [
    Tz::Europe__London,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kolkata,
    Tz::America__Santiago,
    Tz::UTC,
];

fn at(text: &str) -> UtcMillis {
    DateTime::parse_from_rfc3339(text).unwrap().into()
}

fn london(cron: &str) -> Schedule {
    Schedule::parse(cron, Tz::Europe__London).unwrap()
}

#[track_caller]
fn check_upcoming(schedule: &Schedule, after: &str, expected: &[&str]) {
    let found = schedule.upcoming(at(after), expected.len());
    let found: Vec<String> = found.into_iter().map(|moment| schedule.local(moment).to_rfc3339()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_weekly_schedule_keeps_its_hour_through_the_clock_changes() {
    let expected = ["2027-03-22T08:00:00+00:00", "2027-03-29T08:00:00+01:00", "2027-04-05T08:00:00+01:00"];
    check_upcoming(&london("0 8 * * MON"), "2027-03-16T00:00:00Z", &expected);
}

#[test]
fn a_time_that_the_spring_change_skips_runs_once_at_the_first_moment_after_the_gap() {
    let expected = ["2027-03-27T01:30:00+00:00", "2027-03-28T02:00:00+01:00", "2027-03-29T01:30:00+01:00"];
    check_upcoming(&london("30 1 * * *"), "2027-03-27T00:00:00Z", &expected);
    let several = ["2027-03-28T00:45:00+00:00", "2027-03-28T02:00:00+01:00", "2027-03-28T02:15:00+01:00"];
    check_upcoming(&london("*/15 * * * *"), "2027-03-28T00:30:00Z", &several);
}

#[test]
fn a_time_that_the_autumn_change_repeats_runs_the_first_time_only() {
    let expected = ["2027-10-30T01:30:00+01:00", "2027-10-31T01:30:00+01:00", "2027-11-01T01:30:00+00:00"];
    check_upcoming(&london("30 1 * * *"), "2027-10-30T00:00:00Z", &expected);
    let second_pass = at("2027-10-31T01:10:00Z");
    assert_eq!(london("30 1 * * *").latest_at_or_before(second_pass), Some(at("2027-10-31T00:30:00Z")));
    assert_eq!(london("40 1 * * *").latest_at_or_before(second_pass), Some(at("2027-10-31T00:40:00Z")));
    assert_eq!(london("40 1 * * *").next_after(second_pass), Some(at("2027-11-01T01:40:00Z")));
}

#[test]
fn with_both_day_fields_set_either_is_enough() {
    let expected = ["2026-11-01T08:00:00+00:00", "2026-11-02T08:00:00+00:00", "2026-11-09T08:00:00+00:00"];
    check_upcoming(&london("0 8 1 * MON"), "2026-10-31T00:00:00Z", &expected);
}

#[test]
fn a_day_field_that_begins_with_a_star_only_narrows_as_in_cron() {
    let expected = ["2026-11-09T08:00:00+00:00", "2026-11-23T08:00:00+00:00"];
    check_upcoming(&london("0 8 */2 * MON"), "2026-11-03T00:00:00Z", &expected);
}

#[test]
fn sunday_is_0_and_7_and_sun() {
    for sunday in ["0", "7", "SUN", "sunday", "0,7", "7-7"] {
        check_upcoming(&london(&format!("0 8 * * {sunday}")), "2026-11-02T00:00:00Z", &["2026-11-08T08:00:00+00:00"]);
    }
    assert_eq!(Expression::parse("0 8 * * FRI-SUN").unwrap().weekdays, Some(BTreeSet::from([0, 5, 6])));
    assert_eq!(Expression::parse("0 8 * * 5-7").unwrap().weekdays, Some(BTreeSet::from([0, 5, 6])));
    assert_eq!(Expression::parse("0 8 * * SUN-TUE").unwrap().weekdays, Some(BTreeSet::from([0, 1, 2])));
}

#[test]
fn shorthands_stand_for_what_cron_says() {
    for (short, next) in [
        ("@hourly", "2026-11-04T11:00:00+00:00"),
        ("@daily", "2026-11-05T00:00:00+00:00"),
        ("@midnight", "2026-11-05T00:00:00+00:00"),
        ("@weekly", "2026-11-08T00:00:00+00:00"),
        ("@monthly", "2026-12-01T00:00:00+00:00"),
        ("@yearly", "2027-01-01T00:00:00+00:00"),
    ] {
        check_upcoming(&london(short), "2026-11-04T10:20:30Z", &[next]);
    }
}

#[test]
fn lists_ranges_steps_and_names_are_read() {
    let expression = Expression::parse("0,30-34/2,55/2 8-10 1 JAN-mar,December *").unwrap();
    assert_eq!(expression.minutes, BTreeSet::from([0, 30, 32, 34, 55, 57, 59]));
    assert_eq!(expression.hours, BTreeSet::from([8, 9, 10]));
    assert_eq!(expression.months, BTreeSet::from([1, 2, 3, 12]));
    assert_eq!(expression.weekdays, None);
}

#[test]
fn what_is_no_schedule_is_refused_with_a_reason() {
    for (bad, reason) in [
        ("", "it is empty"),
        ("0 8 * *", "it has 4 fields"),
        ("0 0 8 * * MON", "it has 6 fields"),
        ("60 8 * * *", "`60` cannot stand in the field for the minute; it takes 0 to 59"),
        ("0 24 * * *", "hour"),
        ("0 8 0 * *", "day of the month"),
        ("0 8 * 13 *", "month; it takes 1 to 12 or JAN to DEC"),
        ("0 8 * * 8", "weekday; it takes 0 to 7 or SUN to SAT"),
        ("0 8 * * FUN", "`FUN`"),
        ("0 8 ? * MON", "`?`"),
        ("0 8 L * *", "`L`"),
        ("*/0 8 * * *", "`0`"),
        ("*/ 8 * * *", "``"),
        ("+5 8 * * *", "`+5`"),
        ("5, 8 * * *", "``"),
        ("0 17-9 * * *", "`17-9` of the hour runs backwards"),
        ("0 8 * * FRI-MON", "backwards"),
        ("@fortnightly", "@weekly"),
        ("0 8 30 2 *", "never comes"),
        ("0 8 31 4,6,9,11 *", "never comes"),
    ] {
        let error = Schedule::parse(bad, Tz::UTC).unwrap_err().to_string();
        assert!(error.contains(reason), "{bad:?}: {error}");
    }
}

#[test]
fn a_leap_day_comes_every_four_years() {
    check_upcoming(&london("0 8 29 2 *"), "2026-01-01T00:00:00Z", &["2028-02-29T08:00:00+00:00"]);
}

#[test]
fn a_period_reaches_from_the_latest_occurrence_to_the_next() {
    const HOUR: u64 = 3600;
    let weekly = london("0 8 * * MON");
    assert_eq!(weekly.period(at("2026-11-04T10:00:00Z")).as_secs(), 7 * 24 * HOUR);
    assert_eq!(weekly.period(at("2026-11-02T08:00:00Z")).as_secs(), 7 * 24 * HOUR);
    assert_eq!(weekly.period(at("2027-03-24T10:00:00Z")).as_secs(), 7 * 24 * HOUR - HOUR);
    assert_eq!(london("0 8 * * MON-FRI").period(at("2026-11-07T10:00:00Z")).as_secs(), 3 * 24 * HOUR);
    assert_eq!(london("0 8 * * MON-FRI").shortest_period().as_secs(), 24 * HOUR);
    assert_eq!(weekly.shortest_period().as_secs(), 7 * 24 * HOUR);
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for zone in ZONES {
        let schedule = Schedule::parse("0 8 * * *", zone).unwrap();
        for moment in [i64::MIN, -1, 0, 1, 4_133_980_799_000, 4_133_980_800_000, 253_402_300_799_999, i64::MAX] {
            let moment = UtcMillis(moment);
            assert!(schedule.next_after(moment).is_none_or(|next| next > moment));
            assert!(schedule.latest_at_or_before(moment).is_none_or(|latest| latest <= moment));
            assert!(schedule.period(moment) >= std::time::Duration::from_secs(23 * 3600));
        }
    }
}

/// An expression as text, and what it means without anybody parsing it.
#[derive(Clone, Debug)]
struct Meant {
    text: String,
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    days: Option<BTreeSet<u32>>,
    months: BTreeSet<u32>,
    weekdays: Option<BTreeSet<u32>>,
}

impl Meant {
    fn matches(&self, local: NaiveDateTime) -> bool {
        self.minutes.contains(&local.minute()) && self.hours.contains(&local.hour()) && self.matches_day(local.date())
    }

    fn matches_day(&self, date: NaiveDate) -> bool {
        let day = self.days.as_ref().map(|days| days.contains(&date.day()));
        let weekday = self.weekdays.as_ref().map(|days| days.contains(&date.weekday().num_days_from_sunday()));
        self.months.contains(&date.month())
            && match (day, weekday) {
                (Some(day), Some(weekday)) => day || weekday,
                (day, weekday) => day.unwrap_or(true) && weekday.unwrap_or(true),
            }
    }
}

/// A field's text and its set: a star, a list, a range or a step.
fn field(least: u32, most: u32) -> impl Strategy<Value = (String, Option<BTreeSet<u32>>)> {
    let list = |set: BTreeSet<u32>| (set.iter().map(ToString::to_string).collect::<Vec<_>>().join(","), Some(set));
    prop_oneof![
        2 => Just(("*".to_owned(), None)),
        3 => prop::collection::btree_set(least..=most, 1..4).prop_map(list),
        1 => (least..=most, least..=most).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}"), Some((a..=b).collect()))
        }),
        1 => (least..=most, 1..=most).prop_map(move |(from, step)| {
            (format!("{from}-{most}/{step}"), Some((from..=most).step_by(usize::try_from(step).unwrap()).collect()))
        }),
    ]
}

fn meant() -> impl Strategy<Value = Meant> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).prop_map(
        |(minute, hour, day, month, weekday)| Meant {
            text: format!("{} {} {} {} {}", minute.0, hour.0, day.0, month.0, weekday.0),
            minutes: minute.1.unwrap_or_else(|| (0..=59).collect()),
            hours: hour.1.unwrap_or_else(|| (0..=23).collect()),
            days: day.1,
            months: month.1.unwrap_or_else(|| (1..=12).collect()),
            weekdays: weekday.1.map(|set| set.into_iter().map(|day| day % 7).collect()),
        },
    )
}

/// Every moment in `minutes` minutes from `start` at which the expression fires: the wall clock has moved on over a
/// minute that matches, further than it ever was.
fn walk(meant: &[&Meant], zone: Tz, start: DateTime<Utc>, minutes: i64) -> Vec<Vec<UtcMillis>> {
    let mut fired = vec![Vec::new(); meant.len()];
    let before = start - TimeDelta::hours(3); // so that the furthest minute so far is known also within a repeated hour
    let mut furthest = before.with_timezone(&zone).naive_local();
    for minute in 1..minutes + 180 {
        let moment = before + TimeDelta::minutes(minute);
        let local = moment.with_timezone(&zone).naive_local();
        while furthest < local {
            furthest += TimeDelta::minutes(1);
            for (meant, fired) in meant.iter().zip(&mut fired) {
                if moment > start && meant.matches(furthest) && fired.last() != Some(&moment.into()) {
                    fired.push(moment.into());
                }
            }
        }
    }
    fired
}

/// Starts of spans: a day before each of the zone's clock changes in 2026 and 2027, or any day.
fn starts(zone: Tz) -> Vec<DateTime<Utc>> {
    let first: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let offset = |day: i64| {
        use chrono::Offset;
        (first + TimeDelta::days(day)).with_timezone(&zone).offset().fix()
    };
    let changes = (0..730).filter(|day| offset(*day) != offset(day + 1));
    changes.chain([17, 58, 364, 400]).map(|day| first + TimeDelta::days(day - 1)).collect()
}

#[track_caller]
fn compare(meant: &[&Meant], zone: Tz, start: DateTime<Utc>, minutes: i64) {
    let end = UtcMillis::from(start + TimeDelta::minutes(minutes));
    for (meant, expected) in meant.iter().zip(walk(meant, zone, start, minutes)) {
        let Ok(schedule) = Schedule::parse(&meant.text, zone) else {
            assert_eq!(expected, [], "{} in {zone}", meant.text);
            continue;
        };
        let from = UtcMillis::from(start);
        let forward = std::iter::successors(schedule.next_after(from), |last| schedule.next_after(*last));
        let forward: Vec<UtcMillis> = forward.take_while(|moment| *moment < end).collect();
        assert_eq!(forward, expected, "{} in {zone} from {start}", meant.text);
        let last = UtcMillis(end.0 - 1);
        let back = std::iter::successors(schedule.latest_at_or_before(last), |next| {
            schedule.latest_at_or_before(UtcMillis(next.0 - 1))
        });
        let mut back: Vec<UtcMillis> = back.take_while(|moment| *moment > from).collect();
        back.reverse();
        assert_eq!(back, expected, "{} in {zone} back to {start}", meant.text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn a_walk_through_every_minute_sees_the_same(
        meant in prop::collection::vec(meant(), 6), zone in prop::sample::select(&ZONES[..]), place in any::<prop::sample::Index>(), shift in 0..1440_i64,
    ) {
        let start = *place.get(&starts(zone)) + TimeDelta::minutes(shift);
        compare(&meant.iter().collect::<Vec<_>>(), zone, start, 3 * 1440);
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,24}|[0-9*/,@A-Z -]{0,20}") {
        let _ = Schedule::parse(&text, Tz::Europe__London);
    }
}

/// The four days of Easter 2027 and Christmas 2026, in London.
fn with_holidays(expression: &str) -> Schedule {
    let event = |first: &str, end: &str| {
        format!("BEGIN:VEVENT\r\nUID:{first}\r\nDTSTART;VALUE=DATE:{first}\r\nDTEND;VALUE=DATE:{end}\r\nEND:VEVENT\r\n")
    };
    let days = event("20261225", "20261227") + &event("20261228", "20261229") + &event("20270326", "20270330");
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{days}END:VCALENDAR\r\n");
    london(expression).with_holidays(std::sync::Arc::new(Holidays::parse(&text, Tz::Europe__London).unwrap()))
}

#[test]
fn what_falls_on_a_holiday_comes_on_the_next_working_day_at_the_same_time() {
    check_upcoming(
        &with_holidays("0 8 * * MON"),
        "2027-03-20T00:00:00Z",
        &["2027-03-22T08:00:00+00:00", "2027-03-30T08:00:00+01:00", "2027-04-05T08:00:00+01:00"],
    );
    // Friday's and Monday's issue would both come on Tuesday, which has its own: one of them does.
    check_upcoming(
        &with_holidays("0 8 * * *"),
        "2026-12-24T00:00:00Z",
        &["2026-12-24T08:00:00+00:00", "2026-12-27T08:00:00+00:00", "2026-12-29T08:00:00+00:00"],
    );
}

#[test]
fn on_the_holiday_itself_what_it_has_put_off_still_lies_ahead() {
    let weekly = with_holidays("30 0 * * FRI");
    for earlier in ["2026-12-25T00:29:00Z", "2026-12-25T00:30:00Z", "2026-12-25T18:00:00Z", "2026-12-28T12:00:00Z"] {
        assert_eq!(weekly.next_after(at(earlier)), Some(at("2026-12-29T00:30:00Z")), "{earlier}");
    }
    assert_eq!(weekly.next_after(at("2026-12-29T00:30:00Z")), Some(at("2027-01-01T00:30:00Z")));
}

#[test]
fn a_period_that_a_holiday_moves_is_known_by_its_own_time() {
    let weekly = with_holidays("0 8 * * MON");
    let (monday, tuesday) = (at("2027-03-29T07:00:00Z"), at("2027-03-30T07:00:00Z"));
    assert_eq!(weekly.latest_due(UtcMillis(tuesday.0 - 1)).unwrap().due, at("2027-03-22T08:00:00Z"));
    assert_eq!(weekly.latest_due(tuesday), Some(Occurrence { scheduled: monday, due: tuesday }));
    let both = with_holidays("0 8 * * MON,TUE");
    assert_eq!(both.latest_due(tuesday), Some(Occurrence { scheduled: tuesday, due: tuesday }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn with_holidays_too_the_next_and_the_latest_are_those_of_a_walk(
        hours in proptest::collection::btree_set(0u32..24, 1..4),
        weekdays in "(MON|FRI|SUN|[*]|TUE-THU|MON,SAT)",
        offset in 0i64..(14 * 24 * 60),
        christmas in any::<bool>(),
    ) {
        let hours: Vec<String> = hours.iter().map(u32::to_string).collect();
        let schedule = with_holidays(&format!("30 {} * * {weekdays}", hours.join(",")));
        let begin = if christmas { at("2026-12-20T00:00:00Z") } else { at("2027-03-20T00:00:00Z") };
        let moment = UtcMillis(begin.0 + offset * 60_000);
        // All that is scheduled around, each moved where it must be.
        let plain = Schedule { holidays: std::sync::Arc::default(), ..schedule.clone() };
        let all = plain.upcoming(UtcMillis(begin.0 - 21 * 86_400_000), 2000);
        let due: BTreeSet<UtcMillis> = all.iter().filter_map(|at| schedule.due(*at)).collect();
        prop_assert_eq!(schedule.next_after(moment), due.range(UtcMillis(moment.0 + 1)..).next().copied());
        prop_assert_eq!(schedule.latest_due(moment).map(|latest| latest.due), due.range(..=moment).next_back().copied());
    }
}
