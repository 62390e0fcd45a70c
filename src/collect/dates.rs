//! Dates as feeds and pages write them: RFC 822, ISO 8601 and what people make of both.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use super::months::month;
use super::zones::{Cursor, zone};
use crate::domain::UtcMillis;

/// A day, a time of it where one is given, and the offset from UTC in minutes where one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub day: NaiveDate,
    pub time: Option<NaiveTime>,
    pub offset: Option<i32>,
}

impl Moment {
    /// In UTC; what has no zone is taken to be in UTC, and a day without a time begins at midnight.
    pub(super) fn in_utc(self) -> UtcMillis {
        let local = self.day.and_time(self.time.unwrap_or_default());
        let utc = local - TimeDelta::minutes(i64::from(self.offset.unwrap_or(0)));
        UtcMillis(utc.and_utc().timestamp_millis())
    }

    /// In UTC; what has no zone is local in `zone`, and a day without a time begins at its midnight there.
    pub(super) fn in_zone(self, zone: Tz) -> UtcMillis {
        if self.offset.is_some() {
            return self.in_utc();
        }
        let local = self.day.and_time(self.time.unwrap_or_default());
        let offset = |at: NaiveDateTime| zone.offset_from_local_datetime(&at).earliest().map(|offset| offset.fix());
        // A time that the clocks leave out is read with the offset before: it comes just as much later.
        let offset = offset(local)
            .or_else(|| offset(local - TimeDelta::hours(3)))
            .unwrap_or_else(|| zone.offset_from_utc_datetime(&local).fix());
        UtcMillis((local - offset).and_utc().timestamp_millis())
    }
}

/// Reads a date in any of the usual ways; `None` when it is none.
pub(super) fn parse(text: &str) -> Option<Moment> {
    let text = text.trim();
    if text.len() < 4 || text.len() > 200 {
        return None;
    }
    iso(text).or_else(|| words(text)).filter(|moment| (1..=9999).contains(&chrono::Datelike::year(&moment.day)))
}

/// A day that may lie beyond its month's end, as the 31st of June is the 1st of July.
fn day_of(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    let beyond = u64::from(day.checked_sub(1)?);
    if day > 31 {
        return None;
    }
    NaiveDate::from_ymd_opt(year, month, 1)?.checked_add_days(Days::new(beyond))
}

fn full_year(digits: &str) -> Option<i32> {
    let year: i32 = digits.parse().ok()?;
    Some(if digits.len() > 2 { year } else { year + if year < 90 { 2000 } else { 1900 } })
}

/// ISO 8601 and the W3C's profile of it: `2026-11-04T08:30:00.5+01:00`, `20261104T0830Z`, `2026-309`, `2026-11`, `2026`,
/// and `2026/11/04`, `2026-11-04 08:30`.
fn iso(text: &str) -> Option<Moment> {
    let mut cursor = Cursor(text);
    let run = text.bytes().take_while(u8::is_ascii_digit).count();
    let day = match run {
        4 => {
            let year = cursor.digits(4)?.parse().ok()?;
            if cursor.eat(&['-', '/', '.']) {
                day_within(&mut cursor, year)?
            } else {
                NaiveDate::from_ymd_opt(year, 1, 1)?
            }
        }
        7 => NaiveDate::from_yo_opt(cursor.digits(4)?.parse().ok()?, cursor.digits(3)?.parse().ok()?)?,
        8 | 14 => {
            day_of(cursor.digits(4)?.parse().ok()?, cursor.digits(2)?.parse().ok()?, cursor.digits(2)?.parse().ok()?)?
        }
        2 if text.as_bytes().get(2) == Some(&b'-') => {
            let year = full_year(cursor.digits(2)?)?;
            cursor.eat(&['-']);
            day_within(&mut cursor, year)?
        }
        _ => return None,
    };
    let rest = cursor.0;
    if rest.is_empty() {
        return Some(Moment { day, time: None, offset: None });
    }
    let rest = rest.trim_start_matches(['T', 't', ' ', ',', '_']);
    if rest.len() == cursor.0.len() && run != 14 {
        return (run == 4 && rest.starts_with(['Z', 'z', '+', '-'])).then(|| Moment {
            day,
            time: None,
            offset: zone(rest),
        });
    }
    time_of(day, rest)
}

/// What follows a year and a dash: a month and a day, a month, or a day of the year.
fn day_within(cursor: &mut Cursor<'_>, year: i32) -> Option<NaiveDate> {
    let digits = cursor.digits(4).unwrap_or("");
    match digits.len() {
        3 => NaiveDate::from_yo_opt(year, digits.parse().ok()?),
        4 => day_of(year, digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        0 => {
            // A month's name, as in `2026-november-4` and `2026-Nov-04`.
            let end = cursor.0.find(|c: char| !c.is_alphabetic())?;
            let month = month(&cursor.0[..end])?;
            cursor.0 = &cursor.0[end..];
            cursor.eat(&['-', ' ', '.']);
            day_of(year, month, cursor.digits(2)?.parse().ok()?)
        }
        _ => {
            let month = digits.parse().ok()?;
            let day = if cursor.eat(&['-', '/', '.']) { cursor.digits(2)?.parse().ok()? } else { 1 };
            day_of(year, month, day)
        }
    }
}

/// A time, perhaps with seconds, a fraction, am or pm, and a zone.
fn time_of(day: NaiveDate, text: &str) -> Option<Moment> {
    let mut cursor = Cursor(text);
    let hours = cursor.digits(2)?;
    let mut hour: i64 = hours.parse().ok()?;
    let apart = cursor.eat(&[':', '.', 'h']);
    let minute: i64 = cursor.digits(2).map_or(Some(0), |digits| digits.parse().ok())?;
    let second: i64 =
        if apart && cursor.eat(&[':', '.']) || !apart && cursor.0.starts_with(|c: char| c.is_ascii_digit()) {
            cursor.digits(2).map_or(Some(0), |digits| digits.parse().ok())?
        } else {
            0
        };
    if cursor.eat(&['.', ',']) {
        cursor.digits(20);
    }
    let mut rest = cursor.0.trim_start();
    let lower = rest.get(..4).unwrap_or(rest).to_ascii_lowercase();
    for (mark, shift, midnight) in [("am", 0, -12), ("pm", 12, 0), ("a.m.", 0, -12), ("p.m.", 12, 0)] {
        if lower.starts_with(mark) && !lower[mark.len()..].starts_with(|c: char| c.is_alphabetic()) {
            hour += if hour == 12 { midnight } else { shift };
            rest = &rest[mark.len()..];
        }
    }
    if hour > 30 || minute > 60 || second > 61 || hours.len() == 1 && !apart && lower.is_empty() {
        return None;
    }
    let moment = day.and_time(NaiveTime::MIN) + TimeDelta::seconds(hour * 3600 + minute * 60 + second);
    Some(Moment { day: moment.date(), time: Some(moment.time()), offset: zone(rest) })
}

/// RFC 822 and everything else with words: `Wed, 4 Nov 2026 08:30:00 +0100`, `Nov 4, 2026 8:30 PM`, asctime, `4. November
/// 2026`, `mer, 16 nov 2022 00:38:15 +0100`, `2026/11/04 08:30:00 EST`, `2026년 11월 04일 08:30:00`.
fn words(text: &str) -> Option<Moment> {
    if let Some(moment) = korean(text) {
        return Some(moment);
    }
    let tokens: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == ',').filter(|t| !t.is_empty()).collect();
    // `04-Nov-2026` is three tokens in one.
    let tokens: Vec<&str> = tokens.into_iter().flat_map(split_dashes).collect();
    let clock = tokens.iter().position(|t| is_clock(t));
    // The first word may be a day that is called like a month, as `mar` for `martedì`.
    let day_first =
        tokens.first().is_some_and(|t| is_word(t)) && tokens.iter().skip(1).any(|t| is_word(t) && month(t).is_some());
    let (mut day, mut the_month, mut year) = (None, None, None);
    for (at, token) in tokens.iter().enumerate() {
        if clock.is_some_and(|clock| at >= clock) && !(year.is_none() && is_year(token)) {
            continue;
        }
        let digits = token.trim_end_matches(|c: char| !c.is_ascii_digit());
        let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if number && day.is_none() && digits.len() <= 2 {
            day = Some(digits);
        } else if number && year.is_none() && digits.len() <= 4 && (day.is_some() || digits.len() == 4) {
            year = Some(digits);
        } else if token.len() >= 8
            && day.is_none()
            && token.contains(['/', '-', '.'])
            && let Some(moment) = iso(token)
        {
            return with_clock(moment.day, &tokens, clock);
        } else if the_month.is_none() && (at > 0 || !day_first) {
            the_month = month(token);
        }
    }
    let day = day_of(full_year(year?)?, the_month?, day?.parse().ok()?)?;
    with_clock(day, &tokens, clock)
}

/// Adds the time to a day: the token that is a clock, and the zone behind it.
fn with_clock(day: NaiveDate, tokens: &[&str], clock: Option<usize>) -> Option<Moment> {
    let Some(clock) = clock else {
        return Some(Moment { day, time: None, offset: None });
    };
    let behind: Vec<&str> =
        tokens[clock..].iter().enumerate().filter(|(at, t)| *at == 0 || !is_year(t)).map(|(_, t)| *t).collect();
    time_of(day, &behind.join(" "))
}

fn is_clock(token: &str) -> bool {
    let mut parts = token.split(':');
    let digits = |part: &str| !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
    parts.next().is_some_and(digits) && parts.next().is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_year(token: &str) -> bool {
    token.len() == 4 && token.bytes().all(|b| b.is_ascii_digit())
}

fn is_word(token: &str) -> bool {
    token.trim_end_matches('.').chars().all(char::is_alphabetic)
}

fn split_dashes(token: &str) -> Vec<&str> {
    let named =
        token.contains('-') && token.starts_with(|c: char| c.is_ascii_digit()) && token.contains(char::is_alphabetic);
    if named && !is_clock(token) { token.split('-').filter(|part| !part.is_empty()).collect() } else { vec![token] }
}

/// Dates of Korean blogs: `2026년 11월 04일 08:30:00` and `2026-11-04 오후 8:30:00`, in Korean time.
fn korean(text: &str) -> Option<Moment> {
    if !text.contains(['년', '오']) {
        return None;
    }
    let numbers: Vec<u32> = text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let [year, month, day, hour, minute, rest @ ..] = numbers.as_slice() else { return None };
    let hour = if text.contains("오후") && *hour < 12 { hour + 12 } else { *hour };
    let time = NaiveTime::from_hms_opt(hour, *minute, rest.first().copied().unwrap_or(0))?;
    Some(Moment { day: day_of(i32::try_from(*year).ok()?, *month, *day)?, time: Some(time), offset: Some(9 * 60) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn utc(text: &str) -> String {
        parse(text).map(|moment| moment.in_utc().to_string()).unwrap_or_default()
    }

    #[rstest]
    #[case("Wed, 04 Nov 2026 08:30:00 GMT", "2026-11-04T08:30:00Z")]
    #[case("Wed, 4 Nov 2026 08:30 +0100", "2026-11-04T07:30:00Z")]
    #[case("Fri, 04 Nov 2026 08:30:00 EST", "2026-11-04T13:30:00Z")]
    #[case("04 Nov 26 08:30:00 Z", "2026-11-04T08:30:00Z")]
    #[case("Thu, 01 Jan 04 19:48:21 GMT", "2004-01-01T19:48:21Z")]
    #[case("01 Jan 99 00:00 GMT", "1999-01-01T00:00:00Z")]
    #[case("Wed, 4 November 2026", "2026-11-04T00:00:00Z")]
    #[case("Wed, Nov 4 2026 08:30:00 PM", "2026-11-04T20:30:00Z")]
    #[case("Sat, Dec 16 2023 02:02:33 PM", "2023-12-16T14:02:33Z")]
    #[case("mer, 16 nov 2022 00:38:15 +0100", "2022-11-15T23:38:15Z")]
    #[case("mar, 16 nov 2022 00:38:15 +0100", "2022-11-15T23:38:15Z")]
    #[case("Mi, 04 Dez 2026 08:30:00 +0100", "2026-12-04T07:30:00Z")]
    #[case("Wed Nov  4 08:30:00 2026", "2026-11-04T08:30:00Z")]
    #[case("Wed Nov  4 08:30:00 PST 2026", "2026-11-04T16:30:00Z")]
    #[case("Wed, 2026/11/04 08:30:00 EDT", "2026-11-04T12:30:00Z")]
    #[case("Wed, 04 Nov 2026 08:30:00 GMT+02:00", "2026-11-04T06:30:00Z")]
    #[case("Wed, 04 Nov 2026 08:30:00 Etc/GMT", "2026-11-04T08:30:00Z")]
    #[case("Wed, 04 Nov 2026 08:30:00 -0500 (EST)", "2026-11-04T13:30:00Z")]
    #[case("November 4, 2026, 8:30 a.m.", "2026-11-04T08:30:00Z")]
    #[case("4th November 2026", "2026-11-04T00:00:00Z")]
    #[case("04-Nov-2026 08:30:00", "2026-11-04T08:30:00Z")]
    #[case("2026-11-04T08:30:00+01:00", "2026-11-04T07:30:00Z")]
    #[case("2026-11-04T08:30:00.123456Z", "2026-11-04T08:30:00Z")]
    #[case("2026-11-04T08:30Z", "2026-11-04T08:30:00Z")]
    #[case("2026-11-04 08:30:00", "2026-11-04T08:30:00Z")]
    #[case("2026-11-04 08:30:00 -0500", "2026-11-04T13:30:00Z")]
    #[case("2026-11-04T08:30:00-0500", "2026-11-04T13:30:00Z")]
    #[case("20261104T083000Z", "2026-11-04T08:30:00Z")]
    #[case("20261104083000", "2026-11-04T08:30:00Z")]
    #[case("20261104", "2026-11-04T00:00:00Z")]
    #[case("2026-309", "2026-11-05T00:00:00Z")]
    #[case("2026-11", "2026-11-01T00:00:00Z")]
    #[case("2026", "2026-01-01T00:00:00Z")]
    #[case("2026/11/04", "2026-11-04T00:00:00Z")]
    #[case("2026-12-31T24:00:00Z", "2027-01-01T00:00:00Z")]
    #[case("2026-02-30T10:00:00Z", "2026-03-02T10:00:00Z")]
    #[case("2026-november-4T08:30-01:00", "2026-11-04T09:30:00Z")]
    #[case("Κυρ, 11 Ιούλ 2004 12:00:00 EST", "2004-07-11T17:00:00Z")]
    #[case("2026년 11월 04일 08:30:00", "2026-11-03T23:30:00Z")]
    #[case("2026-11-04 오후 8:30:00", "2026-11-04T11:30:00Z")]
    #[case("1 января 2026 10:00:00 +0300", "2026-01-01T07:00:00Z")]
    fn feeds_write_dates_in_many_ways(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(utc(text), expected);
    }

    #[test]
    fn what_is_no_date_gives_none() {
        for text in
            ["", "yesterday", "4/11", "Nov", "99 Foo 2026", "2026-13-01T00:00:00Z", "Posted by Jo", "0000", "12:30"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,40}|[0-9:/., +TZa-vé-]{0,40}") {
            if let Some(moment) = parse(&text) {
                moment.in_zone(Tz::Europe__London);
            }
        }
    }
}
