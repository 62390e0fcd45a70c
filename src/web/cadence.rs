//! How often a digest comes, in words: `Mondays at 08:00`.

use chrono::{Datelike, NaiveDateTime, Timelike, Weekday};

use super::pages::{enumerated, say};
use crate::config::Digest;
use crate::domain::{Locale, UtcMillis};
use crate::wording::{Wording, format_date};

/// How many coming issues are looked at: some ten weeks of a daily digest.
const LOOKED_AT: usize = 70;

/// How often the digest comes; what has no simple rule is told by its next day. `None`: it never comes again.
pub(super) fn cadence(digest: &Digest, now: UtcMillis, locale: &Locale) -> Option<String> {
    rule(digest, now, locale).or_else(|| {
        let coming = coming(digest, now);
        let first = coming.first()?;
        let (date, time) = (format_date(first.date(), locale), time(first));
        Some(match is_at_one_time(&coming) {
            true => say(locale, "cadence.next_at", &[("date", &date), ("time", &time)]),
            false => say(locale, "cadence.next", &[("date", &date)]),
        })
    })
}

/// The rule by which the digest comes, where there is a simple one, read off its coming issues: that serves every schedule,
/// however it is written.
pub(super) fn rule(digest: &Digest, now: UtcMillis, locale: &Locale) -> Option<String> {
    let coming = coming(digest, now);
    let time = time(coming.first().filter(|_| is_at_one_time(&coming))?);
    let words = |key: &str, more: (&str, &str)| say(locale, &format!("cadence.{key}"), &[("time", &time), more]);
    let days: Vec<_> = coming.iter().map(NaiveDateTime::date).collect();
    let gaps: Vec<i64> = days.windows(2).map(|pair| (pair[1] - pair[0]).num_days()).collect();
    if gaps.iter().all(|gap| *gap == 1) {
        return Some(words("daily", ("", "")));
    }
    let weekdays = weekdays(&days);
    let weekly = days.len() > weekdays.len()
        && days.windows(weekdays.len() + 1).all(|week| (week[weekdays.len()] - week[0]).num_days() == 7);
    if weekly {
        return Some(match weekdays.as_slice() {
            [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri] => words("workdays", ("", "")),
            days => words("weekly", ("days", &enumerated(locale, &names(days, locale)))),
        });
    }
    let monthly = days.iter().all(|day| day.day() == days[0].day()) && gaps.iter().all(|gap| *gap <= 31);
    monthly.then(|| words("monthly", ("day", &Wording::of(locale).day(days[0]))))
}

/// The moments of the coming issues, in the digest's zone.
fn coming(digest: &Digest, now: UtcMillis) -> Vec<NaiveDateTime> {
    let coming = digest.schedule.upcoming(now, LOOKED_AT).into_iter();
    coming.map(|moment| digest.schedule.local(moment).naive_local()).collect()
}

/// Whether they come at the same time of the day, but for single ones that a clock change moves by an hour.
fn is_at_one_time(coming: &[NaiveDateTime]) -> bool {
    let Some(first) = coming.first() else { return true };
    let same = coming.iter().filter(|moment| (moment.hour(), moment.minute()) == (first.hour(), first.minute()));
    same.count() * 10 >= coming.len() * 9
}

fn time(moment: &NaiveDateTime) -> String {
    moment.format("%H:%M").to_string()
}

/// The weekdays among those days, from Monday on.
fn weekdays(days: &[chrono::NaiveDate]) -> Vec<Weekday> {
    let all = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
    all.into_iter().filter(|weekday| days.iter().any(|day| day.weekday() == *weekday)).collect()
}

/// As one says when something happens on each of them.
fn names(days: &[Weekday], locale: &Locale) -> Vec<String> {
    let keys = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    days.iter()
        .map(|day| say(locale, &format!("cadence.{}", keys[day.num_days_from_monday() as usize % 7]), &[]))
        .collect()
}

/// The day and time of the digest's next issue, as in `Monday 30 November 2026 at 08:00`.
pub(super) fn next_issue(digest: &Digest, now: UtcMillis, locale: &Locale) -> Option<String> {
    let local = digest.schedule.local(digest.schedule.next_after(now)?).naive_local();
    let date = Wording::of(locale).date(local.date(), true);
    Some(say(locale, "cadence.on", &[("date", &date), ("time", &local.format("%H:%M").to_string())]))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::Config;

    #[rstest]
    #[case("0 8 * * MON", "Mondays at 08:00")]
    #[case("30 7 * * TUE,FRI", "Tuesdays and Fridays at 07:30")]
    #[case("0 6 * * 1-5", "Monday to Friday at 06:00")]
    #[case("5 6 * * *", "Every day at 06:05")]
    #[case("@weekly", "Sundays at 00:00")]
    #[case("0 9 1 * *", "On day 1 of each month at 09:00")]
    #[case("0 9 1,15 * *", "Next on 1 December 2026 at 09:00")]
    #[case("0 9,17 * * *", "Next on 23 November 2026")]
    #[case("0 9 29 2 *", "Next on 29 February 2028 at 09:00")]
    fn a_schedule_is_said_in_words(#[case] schedule: &str, #[case] expected: &str) {
        assert_eq!(said(schedule, "en-GB"), expected);
        for code in Locale::BUILT_IN {
            let words = said(schedule, code);
            assert!(!words.contains(['{', '}']), "{words}");
        }
    }

    #[rstest]
    #[case("@monthly", "fr", "Le 1er de chaque mois à 00:00")]
    #[case("0 9 2 * *", "fr", "Le 2 de chaque mois à 09:00")]
    #[case("@monthly", "de", "Am 1. jedes Monats um 00:00")]
    #[case("@monthly", "es", "El día 1 de cada mes, 00:00 h")]
    #[case("30 1 * * TUE,FRI", "es", "Los martes y viernes, 01:30 h")]
    fn days_and_times_have_the_form_that_the_sentence_asks_for(
        #[case] schedule: &str,
        #[case] code: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(said(schedule, code), expected);
    }

    /// Of a digest in London, on Monday 23 November 2026, at 08:00:00.001 there.
    fn said(schedule: &str, code: &str) -> String {
        let text = format!(
            "[sender]\nemail = \"d@example.org\"\n[[source]]\nid = \"news\"\nfeed = \"https://example.org/feed/\"\n\
             [[digest]]\nid = \"weekly\"\nsources = [\"news\"]\nschedule = \"{schedule}\"\ntimezone = \"Europe/London\"\n"
        );
        let config = Config::parse(&text, std::path::Path::new("config.toml"), std::iter::empty()).unwrap();
        cadence(&config.digests[0], UtcMillis(1_795_420_800_001), &Locale::parse(code).unwrap()).unwrap()
    }

    #[test]
    fn the_key_of_each_weekday_has_a_sentence() {
        let days = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
        assert!(names(&days, &Locale::default()).iter().all(|name| name.ends_with("days")));
    }
}
