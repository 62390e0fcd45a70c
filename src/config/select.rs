//! Selectors of a listing page, the format of its dates, and the matchers of topic rules: all of them are tried here.

use std::fmt::Write as _;

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems};
use chrono::{TimeZone, Utc};

use super::reader::shown;
use super::source::{Matcher, Selector};

/// A CSS selector with an optional attribute, as in `a.more@href`.
pub fn selector(text: &str) -> Result<Selector, String> {
    let text = text.trim();
    let (css, attribute) = match text.rsplit_once('@') {
        Some((css, attribute)) if is_attribute(attribute) => (css.trim(), Some(attribute.to_owned())),
        _ => (text, None),
    };
    if !css.is_empty() && scraper::Selector::parse(css).is_err() {
        return Err(format!(
            "`{}` is not a CSS selector; one looks like `article h3`, or `a.more@href` for an attribute",
            shown(css)
        ));
    }
    Ok(Selector { css: css.to_owned(), attribute })
}

/// The selector of a whole item: it has to name an element.
pub fn item_selector(text: &str) -> Result<Selector, String> {
    let selector = selector(text)?;
    if selector.attribute.is_some() || selector.css.is_empty() {
        return Err(format!(
            "`{}` must match each article as a whole; write it without an @attribute, as in `article`",
            shown(text)
        ));
    }
    Ok(selector)
}

fn is_attribute(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte))
}

/// The `strftime` format of a date, which has to tell day, month and year.
pub fn date_format(text: &str) -> Result<String, String> {
    const LOOKS: &str = "one looks like `%d/%m/%Y` or `%d %B %Y`";
    let said = shown(text);
    let items: Vec<Item<'_>> = StrftimeItems::new(text).collect();
    if items.contains(&Item::Error) {
        return Err(format!("`{said}` has a directive that there is not; {LOOKS}"));
    }
    let has = |wanted: &[Numeric], names: &[Fixed]| {
        items.iter().any(|item| match item {
            Item::Numeric(numeric, _) => wanted.contains(numeric),
            Item::Fixed(fixed) => names.contains(fixed) || matches!(fixed, Fixed::RFC2822 | Fixed::RFC3339),
            _ => false,
        })
    };
    use Numeric::{Day, IsoWeek, IsoYear, IsoYearMod100, Month, Ordinal, WeekFromMon, WeekFromSun, Year, YearMod100};
    let weeks = [Ordinal, IsoWeek, WeekFromMon, WeekFromSun];
    let by_week = has(&weeks, &[]);
    let missing = [
        ("%d (the day)", by_week || has(&[Day], &[])),
        (
            "%m or %B (the month; %M is the minute)",
            by_week || has(&[Month], &[Fixed::ShortMonthName, Fixed::LongMonthName]),
        ),
        ("%Y (the year)", has(&[Year, YearMod100, IsoYear, IsoYearMod100], &[])),
    ];
    if let Some((directive, _)) = missing.iter().find(|(_, there)| !there) {
        return Err(format!("`{said}` lacks {directive}; {LOOKS}"));
    }
    match reads_back(&items) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{said}` does not tell one day; {LOOKS}")),
    }
}

/// Whether a date written in the format can be read back from it.
fn reads_back(items: &[Item<'_>]) -> bool {
    let Some(sample) = Utc.with_ymd_and_hms(2026, 11, 4, 9, 5, 0).single() else { return false };
    let mut written = String::new();
    if write!(written, "{}", sample.format_with_items(items.iter())).is_err() {
        return false;
    }
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, &written, items.iter()).is_ok()
        && parsed.to_naive_date().is_ok_and(|day| day == sample.date_naive())
}

/// Words, or a `/regex/`.
pub fn matcher(text: &str) -> Result<Matcher, String> {
    let text = text.trim();
    let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    match inner {
        Some(pattern) if !pattern.is_empty() => match regex::RegexBuilder::new(pattern).size_limit(1 << 20).build() {
            Ok(regex) => Ok(Matcher::Regex(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err(format!("`{}` is too large an expression; write a shorter one", shown(text)))
            }
            Err(error) => Err(format!(
                "`{}` is not a regular expression ({}); one looks like `/interview(s|ed)?/`",
                shown(text),
                reason(&error)
            )),
        },
        _ if text.is_empty() || inner.is_some() => {
            Err("is empty; write words that must occur, or a `/regex/`".to_owned())
        }
        _ => Ok(Matcher::Words(text.to_owned())),
    }
}

/// What the regex parser says, without its picture of the place.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_selector_may_end_with_an_attribute() {
        let read = |text: &str| selector(text).map(|selector| (selector.css, selector.attribute));
        assert_eq!(read("a.more@href"), Ok(("a.more".to_owned(), Some("href".to_owned()))));
        assert_eq!(read("@data-id"), Ok((String::new(), Some("data-id".to_owned()))));
        assert_eq!(read("h3 > a"), Ok(("h3 > a".to_owned(), None)));
        assert_eq!(read("a[href*='@x']"), Ok(("a[href*='@x']".to_owned(), None)));
        for bad in ["div[", "a..b", "h3 >", "a@", "a@hr ef", ":::x"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(item_selector("a@href").is_err() && item_selector("").is_err() && item_selector("article").is_ok());
    }

    #[test]
    fn a_date_format_tells_day_month_and_year() {
        for good in [
            "%d/%m/%Y",
            "%d %B %Y",
            "%e %b %y",
            "%A, %d %B %Y",
            "%Y-%m-%d",
            "%F",
            "%D",
            "%x",
            "%Y-%m-%dT%H:%M:%S%z",
            "%+",
            "%j %Y",
            "%B %-d, %Y",
            "%d.%m.%Y um %H Uhr",
            "%d/%m/%Y %I:%M %p",
            "%G-W%V-%u",
        ] {
            assert_eq!(date_format(good).as_deref(), Ok(good));
        }
        for (bad, reason) in [
            ("%d/%m", "%Y"),
            ("%m/%Y", "%d"),
            ("%d/%M/%Y", "%M is the minute"),
            ("dd/mm/yyyy", "lacks %d"),
            ("", "lacks %d"),
            ("%s", "lacks %d"),
            ("%d/%m/%Q", "directive"),
            ("%d/%m/%", "directive"),
        ] {
            let error = date_format(bad).unwrap_err();
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }

    #[test]
    fn a_matcher_is_words_or_a_regex() {
        assert!(matches!(matcher("Early Help"), Ok(Matcher::Words(words)) if words == "Early Help"));
        assert!(matches!(matcher("/inter(view|lude)/"), Ok(Matcher::Regex(_))));
        assert!(matches!(matcher("/"), Ok(Matcher::Words(_))));
        assert!(matcher("/a(/").unwrap_err().contains("unclosed group"));
        assert!(matcher("/a{1000}{1000}{1000}/").is_err());
        assert!(matcher(" ").is_err() && matcher("//").is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_a_trouble(text in "\\PC{0,24}|[a-z.#>\\[\\]=:(@%/ ]{0,16}|(%[A-Za-z0-9:#+.-]{1,3}[ /]?){0,4}") {
            let _ = (selector(&text), date_format(&text), matcher(&text));
        }
    }
}
