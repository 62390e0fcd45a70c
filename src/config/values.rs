//! Small values: ids, durations, days and time zones.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::{TZ_VARIANTS, Tz};
use ipnet::IpNet;

use super::nearest::suggestion;
use super::reader::shown;

/// An id of a source, topic or digest.
pub fn id(text: &str) -> Result<String, String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
        && !text.starts_with(['-', '_'])
        && (1..=64).contains(&text.len());
    match fits {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{}` is not an id; one has small letters, digits, - and _, begins with a letter or digit, and has at most 64",
            shown(text)
        )),
    }
}

/// The template that comes with the program.
pub const BUILT_IN_TEMPLATE: &str = "digest";

/// The name of a template, without ending: the built-in one, or that of a file in `folder`.
pub fn template(text: &str, folder: Option<&Path>) -> Result<String, String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && !text.starts_with(['-', '_'])
        && (1..=64).contains(&text.len());
    match fits {
        true if text == BUILT_IN_TEMPLATE || is_in(folder, text) => Ok(text.to_owned()),
        true => Err(match folder {
            Some(folder) => format!(
                "there is no template `{text}`; {} would be one, or use `{BUILT_IN_TEMPLATE}`",
                folder.join(format!("{text}.html")).display()
            ),
            None => format!(
                "there is no template `{text}`; use `{BUILT_IN_TEMPLATE}`, or set `templates.dir` to the folder of your own"
            ),
        }),
        false => Err(format!(
            "`{}` is not a template's name; write it without folder and ending, as in `digest`",
            shown(text)
        )),
    }
}

fn is_in(folder: Option<&Path>, template: &str) -> bool {
    let file = |ending| folder.is_some_and(|folder| folder.join(format!("{template}.{ending}")).is_file());
    file("html") || file("txt")
}

/// An id as words: `early-help` is `Early help`.
pub fn as_words(id: &str) -> String {
    let words = id.replace(['-', '_'], " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A duration such as `30s`, `15m`, `48h`, `2d`, `1w` or `1h30m`, of `least` to `most`.
pub fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = seconds(text.trim()).map(Duration::from_secs).ok_or_else(|| {
        format!(
            "`{}` is not a duration; write a number and s, m, h, d or w, as in `30s`, `15m`, `48h`, `2d`",
            shown(text)
        )
    })?;
    if (least..=most).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("`{}` is out of range; it may be {} to {}", shown(text), write_duration(least), write_duration(most)))
}

fn seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let (letter, length) = UNITS.iter().find(|(letter, _)| rest[digits..].starts_with(letter))?;
        sum = sum.checked_add(number.checked_mul(*length)?)?;
        rest = &rest[digits + letter.len()..];
    }
    (!text.is_empty()).then_some(sum)
}

/// The duration as a configuration has it: in the greatest unit that it is a multiple of, days at most.
pub fn write_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (letter, length) =
        UNITS[1..].iter().find(|(_, length)| seconds > 0 && seconds.is_multiple_of(*length)).unwrap_or(&("s", 1));
    format!("{}{letter}", seconds / length)
}

/// A path as a configuration has it: whole, so that it means the same wherever it is read.
pub fn write_path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// A calendar day.
pub fn day(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d")
        .map_err(|_| format!("`{}` is not a day of the calendar; one looks like 2026-11-02", shown(text)))
}

/// A network such as `10.0.0.0/8`, or one address.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let one = |address: IpAddr| IpNet::from(address.to_canonical());
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse().ok().map(one));
    network.map(|network| network.trunc()).ok_or_else(|| {
        format!("`{}` is not a network; one looks like `10.0.0.0/8`, `2001:db8::/32` or `127.0.0.1`", shown(text))
    })
}

/// A time zone of the IANA database.
pub fn timezone(text: &str) -> Result<Tz, String> {
    text.trim().parse().map_err(|_| {
        let near = suggestion(text, TZ_VARIANTS.iter().map(|zone| zone.name()), || {
            "one looks like `Europe/London`, or `UTC`".to_owned()
        });
        format!("`{}` is not a time zone{near}", shown(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn read(text: &str) -> Option<u64> {
        duration(text, Duration::ZERO, 1000 * DAY).ok().map(|duration| duration.as_secs())
    }

    #[test]
    fn durations_are_numbers_with_units() {
        assert_eq!(read("30s"), Some(30));
        assert_eq!(read("15m"), Some(900));
        assert_eq!(read("48h"), Some(172_800));
        assert_eq!(read("2d"), Some(172_800));
        assert_eq!(read("1w"), Some(604_800));
        assert_eq!(read("1h30m"), Some(5_400));
        for bad in ["", "5", "h", "5x", "-5m", "5 m", "1.5h", "99999999999999999999s", "9999999999999999999w"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(duration("1s", DAY, 2 * DAY).unwrap_err().contains("1d to 2d"));
    }

    #[test]
    fn ids_are_small_and_plain() {
        assert!(id("early-help_2").is_ok());
        for bad in ["", "News", "-a", "_a", "a b", "a.b", "é", &"a".repeat(65)] {
            assert!(id(bad).is_err(), "{bad}");
        }
        assert_eq!(as_words("early-help"), "Early help");
    }

    #[test]
    fn a_network_is_one_address_or_many() {
        assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network(" ::1 ").unwrap().to_string(), "::1/128");
        assert_eq!(network("::ffff:10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0", "*"] {
            assert!(network(bad).unwrap_err().contains("looks like"), "{bad}");
        }
    }

    #[test]
    fn a_zone_is_found_or_the_nearest_is_named() {
        assert_eq!(timezone("Europe/London"), Ok(Tz::Europe__London));
        assert!(timezone("Europe/Londn").unwrap_err().contains("`Europe/London`"));
        assert!(timezone("europe/london").unwrap_err().contains("`Europe/London`"));
        assert!(timezone("Middle/Earth").unwrap_err().contains("looks like"));
    }

    proptest! {
        #[test]
        fn a_written_duration_is_read_back(seconds in 0..80_000_000_u64) {
            prop_assert_eq!(read(&write_duration(Duration::from_secs(seconds))), Some(seconds));
        }

        #[test]
        fn no_text_is_a_trouble(text in "\\PC{0,20}") {
            let _ = (read(&text), id(&text), day(&text), timezone(&text), template(&text, None));
        }
    }
}
