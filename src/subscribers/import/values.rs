//! The values of single fields: states, moments, lists and plain text, in the spellings that files have.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use crate::domain::{Locale, SubscriberState, UtcMillis};

/// Longest name and longest evidence that are kept, in letters.
const LONGEST: usize = 1000;
/// Files that were written in another zone may be ahead by so much.
const PATIENCE: Duration = Duration::from_secs(86_400);
/// From the beginning of a day in UTC until it has ended twelve hours west of there, where it ends last.
const LONGEST_DAY: Duration = Duration::from_millis(36 * 3_600_000 - 1);

#[allow(clippy::needless_pass_by_value, reason = "so that it fits `map_err`")]
pub(super) fn said(error: impl ToString) -> String {
    error.to_string()
}

/// A state, in our own words or in those of other programs.
pub(super) fn state(text: &str) -> Result<SubscriberState, String> {
    let word = text.to_lowercase();
    if let Ok(state) = word.parse() {
        return Ok(state);
    }
    let key: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
    Ok(match key.as_str() {
        "subscribed" | "active" | "enabled" => SubscriberState::Confirmed,
        "unconfirmed" => SubscriberState::Pending,
        "left" | "optedout" | "optout" | "inactive" | "disabled" | "removed" | "cancelled" | "canceled"
        | "archived" | "blocklisted" | "blacklisted" | "unsubscribe" | "unsub" | "blocked" | "suppressed"
        | "deleted" | "revoked" | "withdrawn" | "declined" | "abgemeldet" | "désabonné" | "désabonnée"
        | "uitgeschreven" | "dadodebaja" => SubscriberState::Unsubscribed,
        "bounce" | "hardbounce" | "hardbounced" | "cleaned" | "invalid" | "undeliverable" => SubscriberState::Bounced,
        "complaint" | "spam" | "spamcomplaint" | "abuse" => SubscriberState::Complained,
        _ => return shown(text).parse::<SubscriberState>().map_err(said),
    })
}

/// A locale; of one whose wording is not there, the language decides.
pub(super) fn locale(text: &str) -> Result<Locale, String> {
    let code = text.replace('_', "-");
    let language = code.split('-').next().unwrap_or_default();
    let near = || {
        let same = |known: &&str| known.split('-').next().is_some_and(|known| known.eq_ignore_ascii_case(language));
        Locale::known().into_iter().find(same).and_then(|known| Locale::parse(known).ok())
    };
    match Locale::parse(&code) {
        Ok(locale) => Ok(locale),
        Err(_) => near().ok_or_else(|| {
            format!("`{}` is no locale; those with wording are {}", shown(text), Locale::known().join(", "))
        }),
    }
}

/// Text without line breaks and other control characters.
pub(super) fn one_line(text: &str) -> Result<String, String> {
    if text.len() > LONGEST && text.chars().count() > LONGEST {
        return Err(format!("a field is longer than {LONGEST} letters; is a quotation mark not closed?"));
    }
    if !text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Ok(text.to_owned());
    }
    Ok(words(text))
}

/// As [`one_line`], cut where it is too long.
pub(in crate::subscribers) fn cut(text: &str) -> String {
    words(text).chars().take(LONGEST).collect()
}

fn words(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Whether a spreadsheet would reckon with a cell instead of showing it, but for apostrophes before it.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A field so that a spreadsheet shows it as it stands: an apostrophe before what it would take for a formula.
pub(in crate::subscribers) fn as_text(text: String) -> String {
    if is_formula(&text) { format!("'{text}") } else { text }
}

/// Takes away what [`as_text`] has put there.
pub(super) fn of_text(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(text)
}

/// The words between `;` and `,`.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split([';', ',']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The groups of one of Mailchimp's fields: between commas, of which those in a group's name have a backslash.
pub(super) fn groups(text: &str) -> Vec<String> {
    let mut groups = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            ',' if !escaped => groups.push(String::new()),
            c => {
                if let Some(last) = groups.last_mut() {
                    last.push(c);
                }
                escaped = false;
            }
        }
    }
    let groups = groups.iter().map(|group| group.trim().trim_matches('"').trim().to_lowercase());
    groups.filter(|group| !group.is_empty()).collect()
}

/// A yes or no as databases write it.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "yes" | "true" | "y" | "t" | "on" | "ja" | "oui" | "sí" | "si" => Ok(true),
        "" | "0" | "no" | "false" | "n" | "f" | "off" | "nein" | "non" | "nee" => Ok(false),
        _ => Err(format!("`{}` is neither yes nor no", shown(text))),
    }
}

/// RFC 3339, or a date with or without a time, in UTC; not in the future.
pub(super) fn past(text: &str, now: UtcMillis) -> Result<UtcMillis, String> {
    let moment = moment(text)?;
    if moment > now.plus(PATIENCE) {
        return Err(format!("{} is in the future", shown(text)));
    }
    Ok(moment)
}

/// The last moment that a past one may mean, as for the time of a no.
pub(super) fn past_at_latest(text: &str, now: UtcMillis) -> Result<UtcMillis, String> {
    past(text, now).and_then(|_| at_latest(text))
}

/// The last moment that a date may mean: a day without a time is over when it is over everywhere.
pub(super) fn at_latest(text: &str) -> Result<UtcMillis, String> {
    let moment = moment(text)?;
    Ok(if day(text).is_some() { moment.plus(LONGEST_DAY) } else { moment })
}

fn day(text: &str) -> Option<UtcMillis> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_time(NaiveTime::MIN).and_utc().into())
}

/// RFC 3339, or a date with or without a time, in UTC; a day without one means its beginning.
pub(super) fn moment(text: &str) -> Result<UtcMillis, String> {
    let naive = |format| NaiveDateTime::parse_from_str(text, format).map(|time| UtcMillis::from(time.and_utc()));
    DateTime::parse_from_rfc3339(text)
        .map(UtcMillis::from)
        .or_else(|_| naive("%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|_| naive("%Y-%m-%dT%H:%M:%S%.f"))
        // As databases write it: `2026-11-23 08:00:00.5+00`.
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").map(UtcMillis::from))
        .or_else(|_| naive("%Y-%m-%d %H:%M"))
        .or_else(|_| day(text).ok_or(()))
        .map_err(|_| format!("`{}` is not a date; one looks like 2026-11-23 or 2026-11-23T08:00:00Z", shown(text)))
}

/// The beginning of a field, as a message may show it.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_field_comes_back_and_no_spreadsheet_reckons_with_it(text in "'{0,3}[=+@\t\r-]{0,2}[a-z'=]{0,5}") {
            let written = as_text(text.clone());
            proptest::prop_assert!(!written.starts_with(['=', '+', '-', '@', '\t', '\r']));
            proptest::prop_assert_eq!(of_text(&written), text);
        }
    }

    #[test]
    fn words_of_other_programs_are_states_and_what_is_none_is_refused() {
        assert_eq!(state("Subscribed"), Ok(SubscriberState::Confirmed));
        assert_eq!(state("Opted-out"), Ok(SubscriberState::Unsubscribed));
        assert_eq!(state("hard bounce"), Ok(SubscriberState::Bounced));
        assert!(state("sleeping").unwrap_err().contains("`sleeping` is not a state"));
    }

    #[test]
    fn a_comma_within_a_groups_name_does_not_end_it() {
        assert_eq!(groups(r#"Work\, pay & pensions, "News" ,,Jobs"#), ["work, pay & pensions", "news", "jobs"]);
    }

    #[test]
    fn a_locale_without_wording_of_its_own_is_read_by_its_language() {
        assert_eq!(locale("de_AT").unwrap().as_str(), "de");
        assert_eq!(locale("en_us").unwrap().as_str(), "en-US");
        assert!(locale("Klingon").is_err());
    }
}
