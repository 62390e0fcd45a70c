//! A brute-force walk through every minute of 2024 to 2034 in six zones, which must see what the schedule says.
//!
//! The walk knows nothing but how far the clocks are from UTC at each minute: a time happens when the clock on the wall
//! passes it, further than it ever was. Six zones are some thirty-five million minutes.

use std::thread;

use chrono::{NaiveDate, Offset};

use super::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440;

/// The first minute of the years, since 1970, and the one after their last.
fn years() -> (i64, i64) {
    (at("2024-01-01T00:00:00Z").0 / MINUTE, at("2035-01-01T00:00:00Z").0 / MINUTE)
}

/// How far the clocks of a zone are from UTC in that minute, in minutes.
fn offset(zone: Tz, minute: i64) -> i64 {
    let moment = DateTime::from_timestamp(minute * 60, 0).unwrap().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&moment).fix().local_minus_utc() / 60)
}

/// An expression as bits, for a walk of millions of minutes.
struct Bits<'m> {
    meant: &'m Meant,
    minutes: u64,
    hours: u32,
    today: bool,
}

impl<'m> Bits<'m> {
    fn of(meant: &'m Meant) -> Self {
        let minutes = meant.minutes.iter().fold(0, |bits, minute| bits | 1 << minute);
        Self { meant, minutes, hours: meant.hours.iter().fold(0, |bits, hour| bits | 1 << hour), today: false }
    }
}

/// What a walk has seen.
struct Seen {
    /// The minutes in which each expression fires.
    fired: Vec<Vec<i64>>,
    /// The first minutes after a change of the clocks.
    changes: Vec<i64>,
}

fn walk(meant: &[Meant], zone: Tz) -> Seen {
    let (first, end) = years();
    let mut bits: Vec<Bits<'_>> = meant.iter().map(Bits::of).collect();
    let mut seen = Seen { fired: vec![Vec::new(); meant.len()], changes: Vec::new() };
    // From a day before, so that the furthest minute so far is known.
    let begin = (first - DAY) / DAY * DAY;
    let (mut ahead, mut steady) = (offset(zone, begin), false);
    let mut furthest = begin + ahead - DAY;
    let mut now: Vec<usize> = Vec::new();
    for minute in begin..end {
        if minute % 15 == 0 {
            // Within a quarter of an hour the clocks do not change twice.
            steady = ahead == offset(zone, minute) && ahead == offset(zone, minute + 15);
        }
        if !steady {
            let here = offset(zone, minute);
            if here != ahead {
                seen.changes.push(minute);
                ahead = here;
            }
        }
        while furthest < minute + ahead {
            furthest += 1;
            if furthest % 60 == 0 {
                if furthest % DAY == 0 {
                    let day = NaiveDate::from_epoch_days(i32::try_from(furthest / DAY).unwrap()).unwrap();
                    bits.iter_mut().for_each(|bits| bits.today = bits.meant.matches_day(day));
                }
                let hour = furthest % DAY / 60;
                now.clear();
                now.extend((0..bits.len()).filter(|n| bits[*n].today && bits[*n].hours >> hour & 1 == 1));
            }
            for n in &now {
                let fires = bits[*n].minutes >> (furthest % 60) & 1 == 1 && minute >= first;
                if fires && seen.fired[*n].last() != Some(&minute) {
                    seen.fired[*n].push(minute);
                }
            }
        }
    }
    seen
}

/// Moments to ask at: around each change of the clocks, and all over the years.
fn moments(seen: &Seen) -> Vec<i64> {
    let (first, end) = years();
    let around = [-121, -61, -31, -1, 0, 1, 29, 59, 61, 120];
    let near = seen.changes.iter().flat_map(|change| around.iter().map(move |off| change + off));
    // Steps of some 34 days and a bit, so that all hours and minutes of a day come up.
    let far = (first..end).step_by(49_999);
    let halves = [0, MINUTE / 2];
    let minutes: Vec<i64> = near.chain(far).filter(|minute| (first..end).contains(minute)).collect();
    minutes.into_iter().enumerate().map(|(n, minute)| minute * MINUTE + halves[n % 2]).collect()
}

/// Compares a schedule with what the walk has seen: at many moments, and where `whole`, one occurrence after the other.
fn compare(meant: &Meant, zone: Tz, fired: &[i64], moments: &[i64], whole: bool) {
    let Ok(schedule) = Schedule::parse(&meant.text, zone) else {
        assert_eq!(fired, [0_i64; 0], "{} in {zone}", meant.text);
        return;
    };
    for moment in moments {
        let later = fired.partition_point(|minute| minute * MINUTE <= *moment);
        let say = || format!("{} in {zone} at {}", meant.text, UtcMillis(*moment));
        if let Some(next) = fired.get(later) {
            assert_eq!(schedule.next_after(UtcMillis(*moment)), Some(UtcMillis(next * MINUTE)), "after: {}", say());
        }
        if let Some(latest) = later.checked_sub(1).map(|n| fired[n] * MINUTE) {
            assert_eq!(schedule.latest_at_or_before(UtcMillis(*moment)), Some(UtcMillis(latest)), "before: {}", say());
        }
    }
    if whole {
        let (first, end) = years();
        let all = std::iter::successors(schedule.next_after(UtcMillis(first * MINUTE - 1)), |last| {
            schedule.next_after(*last)
        });
        let all: Vec<i64> = all.map(|moment| moment.0 / MINUTE).take_while(|minute| *minute < end).collect();
        assert_eq!(all, fired, "{} in {zone}, all of them", meant.text);
    }
}

/// Walks through all zones, two at a time.
fn walk_all(meant: &[Meant], whole: bool) {
    for zones in ZONES.chunks(2) {
        thread::scope(|scope| {
            for zone in zones {
                scope.spawn(move || {
                    let seen = walk(meant, *zone);
                    let moments = moments(&seen);
                    for (meant, fired) in meant.iter().zip(&seen.fired) {
                        compare(meant, *zone, fired, &moments, whole);
                    }
                });
            }
        });
    }
}

#[test]
fn the_walk_meets_the_changes_of_the_clocks() {
    let changes = |zone| walk(&[], zone).changes.len();
    // Two a year; Santiago's are so too, and there are none in Kolkata.
    let counts: Vec<usize> = ZONES.into_iter().map(changes).collect();
    assert_eq!(counts, [22, 22, 22, 0, 22, 0]);
}

#[test]
fn every_minute_of_eleven_years_sees_the_usual_schedules() {
    let all = |least: u32, most: u32| (least..=most).collect::<BTreeSet<_>>();
    let usual = |text: &str, minutes: &[u32], hours: &[u32], days: Option<&[u32]>, weekdays: Option<&[u32]>| Meant {
        text: text.to_owned(),
        minutes: minutes.iter().copied().collect(),
        hours: if hours.is_empty() { all(0, 23) } else { hours.iter().copied().collect() },
        days: days.map(|days| days.iter().copied().collect()),
        months: all(1, 12),
        weekdays: weekdays.map(|days| days.iter().copied().collect()),
    };
    walk_all(
        &[
            usual("0 8 * * MON", &[0], &[8], None, Some(&[1])),
            usual("30 1 * * *", &[30], &[1], None, None),
            usual("0 0 * * *", &[0], &[0], None, None),
            usual("15 2 1,15 * SUN", &[15], &[2], Some(&[1, 15]), Some(&[0])),
            usual("0 0 31 * *", &[0], &[0], Some(&[31]), None),
            usual("59 23 29 * *", &[59], &[23], Some(&[29]), None),
        ],
        true,
    );
}

proptest! {
    // A case is a walk through all the minutes of all the zones.
    #![proptest_config(ProptestConfig { cases: 2, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_minute_of_eleven_years_sees_the_same(meant in prop::collection::vec(meant(), 10)) {
        walk_all(&meant, false);
    }
}
