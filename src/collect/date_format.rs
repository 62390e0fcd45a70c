//! Dates in a given `strftime` format, anywhere in a text.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};

use super::dates::Moment;
use super::months::month;

/// Reads a date in a `strftime` format anywhere in a text (`Posted 04/11/2026 by Jo`); names of months may be in any
/// common language, and days may be `4th`.
pub(super) fn parse_with(text: &str, format: &str) -> Option<Moment> {
    let short: String = text.chars().take(300).collect();
    let text = plain_words(&short);
    let has_day =
        ["%d", "%e", "%j", "%D", "%F", "%x", "%s", "%c", "%v", "%-d", "%-e", "%_d"].iter().any(|d| format.contains(d));
    let dated = if has_day { format.to_owned() } else { format!("%d {format}") };
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let begins =
            c.is_alphanumeric() && !(before.is_alphanumeric() && (c.is_ascii_digit() == before.is_ascii_digit()));
        before = c;
        if begins {
            let here = if has_day { text[at..].to_owned() } else { format!("01 {}", &text[at..]) };
            if let Some(moment) = exactly(&here, &dated) {
                return Some(moment);
            }
        }
    }
    None
}

fn exactly(text: &str, format: &str) -> Option<Moment> {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_digit());
    if let Ok((time, rest)) = DateTime::<FixedOffset>::parse_and_remainder(text, format)
        && ends(rest)
    {
        let offset = time.offset().local_minus_utc() / 60;
        return Some(Moment { day: time.date_naive(), time: Some(time.time()), offset: Some(offset) });
    }
    if let Ok((time, rest)) = NaiveDateTime::parse_and_remainder(text, format)
        && ends(rest)
    {
        return Some(Moment { day: time.date(), time: Some(time.time()), offset: None });
    }
    let (day, rest) = NaiveDate::parse_and_remainder(text, format).ok()?;
    ends(rest).then_some(Moment { day, time: None, offset: None })
}

/// Months in English, so that one format reads all languages; days without their `st`, `nd`, `rd`, `th`.
fn plain_words(text: &str) -> String {
    const ENGLISH: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once('\0')) {
        if c.is_alphabetic() {
            word.push(c);
            continue;
        }
        let ordinal = matches!(word.to_ascii_lowercase().as_str(), "st" | "nd" | "rd" | "th")
            && out.ends_with(|c: char| c.is_ascii_digit());
        match month(&word) {
            _ if ordinal => {}
            Some(number) => {
                let name = ENGLISH[number as usize - 1];
                let short = word.chars().count() == 3;
                out.push_str(if short { &name[..3] } else { name });
            }
            None => out.push_str(&word),
        }
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_without_a_time_begins_at_midnight_where_it_was_written() {
        let begins = |text: &str, zone: Tz| parse_with(text, "%d/%m/%Y").map(|moment| moment.in_zone(zone).to_string());
        assert_eq!(begins("04/11/2026", Tz::Europe__London).as_deref(), Some("2026-11-04T00:00:00Z"));
        assert_eq!(begins("04/06/2026", Tz::Europe__London).as_deref(), Some("2026-06-03T23:00:00Z"));
        // The clocks go from midnight to one.
        assert_eq!(begins("31/03/2024", Tz::Asia__Beirut).as_deref(), Some("2024-03-30T22:00:00Z"));
        assert_eq!(begins("08/09/2024", Tz::America__Santiago).as_deref(), Some("2024-09-08T04:00:00Z"));
    }

    #[test]
    fn a_format_decides_between_day_and_month() {
        let day = |text, format| parse_with(text, format).map(|moment| moment.day.to_string()).unwrap_or_default();
        assert_eq!(day("04/11/2026", "%d/%m/%Y"), "2026-11-04");
        assert_eq!(day("04/11/2026", "%m/%d/%Y"), "2026-04-11");
        assert_eq!(day("Posted 04/11/2026 by Jo", "%d/%m/%Y"), "2026-11-04");
        assert_eq!(day("Posted on 4th November 2026, 10 comments", "%d %B %Y"), "2026-11-04");
        assert_eq!(day("le 4 août 2026", "%d %B %Y"), "2026-08-04");
        assert_eq!(day("4. Dez 2026", "%d. %b %Y"), "2026-12-04");
        assert_eq!(day("November 2026", "%B %Y"), "2026-11-01");
        assert_eq!(day("no date", "%d/%m/%Y"), "");
        assert_eq!(day("114/11/20266", "%d/%m/%Y"), "");
    }

    #[test]
    fn a_day_of_a_page_is_that_day_in_its_zone_and_a_time_is_local() {
        let london: Tz = "Europe/London".parse().unwrap();
        let at = |text, format| parse_with(text, format).unwrap().in_zone(london).to_string();
        assert_eq!(at("24/06/2026", "%d/%m/%Y"), "2026-06-23T23:00:00Z");
        assert_eq!(at("24/06/2026 08:30", "%d/%m/%Y %H:%M"), "2026-06-24T07:30:00Z");
    }

    proptest! {
        #[test]
        fn no_text_and_no_format_is_too_strange(text in "\\PC{0,40}|[0-9:/., +TZa-vé-]{0,40}", format in "(%[a-zA-Z]|[ /.-]){0,6}") {
            parse_with(&text, &format);
        }
    }
}
