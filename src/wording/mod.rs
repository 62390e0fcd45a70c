//! The wording of mails and pages in each locale, and how dates are written there.

mod check;
mod file;
mod in_use;
mod message;
mod own;
mod plural;

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::domain::{Direction, Locale, kept_apart};
pub(crate) use file::{Unreadable, dangles, is_aside, read_own};
pub use in_use::Wordings;
pub(crate) use in_use::is_broken;
use message::Message;
pub(crate) use own::{is_code, read_all as read_wordings};
pub(crate) use plural::Plural;

/// The files of `templates/locales`, in the order of [`Locale::BUILT_IN`].
const FILES: [(&str, &str); 7] = [
    ("en-GB", include_str!("../../templates/locales/en-GB.toml")),
    ("en-US", include_str!("../../templates/locales/en-US.toml")),
    ("de", include_str!("../../templates/locales/de.toml")),
    ("fr", include_str!("../../templates/locales/fr.toml")),
    ("es", include_str!("../../templates/locales/es.toml")),
    ("nl", include_str!("../../templates/locales/nl.toml")),
    ("cy", include_str!("../../templates/locales/cy.toml")),
];

/// The built-in wording, by locale, as `template export` writes it.
pub(crate) fn built_in_wording() -> &'static [(&'static str, &'static str)] {
    &FILES
}

#[allow(clippy::expect_used, reason = "the files are part of the program, and a test reads each of them")]
static WORDINGS: LazyLock<Vec<Wording>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|(code, file)| toml::from_str(file).unwrap_or_else(|error| panic!("{code}.toml: {error}")))
        .collect()
});

/// All that mails and pages say in one locale that does not come from an issue. What stands in braces is filled in; `words`
/// in the mails' templates has each sentence filled already, and the pages' templates ask for theirs by key.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wording {
    /// The way that it is written, where the file says so.
    #[serde(default)]
    dir: Option<Direction>,

    pub(crate) date: String,
    pub(crate) date_with_weekday: String,
    pub(crate) first_of_month: String,
    pub(crate) months: [String; 12],
    pub(crate) weekdays: [String; 7],
    /// A day and where something was published then.
    pub(crate) dated: String,
    /// Stands between a label and what it is for.
    pub(crate) colon: String,

    pub(crate) greeting: String,
    pub(crate) greeting_without_name: String,
    pub(crate) issue: String,
    pub(crate) inside: String,
    pub(crate) read_story: String,
    pub(crate) read_interview: String,
    pub(crate) also: String,
    unlisted: Plural,
    /// What the subject has after the lead story: `+ 11 more`.
    pub(crate) more: Plural,

    pub(crate) why: String,
    pub(crate) preferences: String,
    pub(crate) pause: String,
    pub(crate) unsubscribe: String,
    pub(crate) reply: String,
    pub(crate) contact: String,
    pub(crate) follow: String,
    pub(crate) privacy: String,
    pub(crate) web: String,

    /// What the mails beside the digest say, by key.
    mails: Message,
    /// What the pages say, by key.
    pages: Message,
}

impl Wording {
    /// That of a locale: the operator's, else the built-in one.
    pub(crate) fn of(locale: &Locale) -> &'static Self {
        Self::of_code(locale.as_str())
    }

    /// That of the locale with that code, as the locale itself writes it; of any other code, the first. Each message with a
    /// greeting asks for it.
    pub(crate) fn of_code(code: &str) -> &'static Self {
        in_use::of(code).unwrap_or_else(|| {
            let place = FILES.iter().position(|(known, _)| *known == code).unwrap_or_default();
            &WORDINGS[place]
        })
    }

    /// The way that it is written.
    pub(crate) fn direction(&self) -> Direction {
        self.dir.unwrap_or(Direction::LeftToRight)
    }

    /// That there are `count` more stories, as a mail says it whose list is full.
    pub(crate) fn unlisted(&self, count: usize, locale: &Locale) -> String {
        self.unlisted.with(u32::try_from(count).unwrap_or(u32::MAX), locale)
    }

    /// What the pages say under `key`, as in `confirm.heading`, with its `{names}` filled in; in British English where this
    /// locale has nothing, and `None` where that has nothing either. `count` chooses among the plural forms.
    pub(crate) fn page(
        &self,
        key: &str,
        count: Option<u32>,
        values: &[(&str, &str)],
        locale: &Locale,
    ) -> Option<String> {
        said(|wording| &wording.pages, self, key, count, values, locale)
    }

    /// The same for the mails beside the digest, as in `goodbye.heading`.
    pub(crate) fn mail(
        &self,
        key: &str,
        count: Option<u32>,
        values: &[(&str, &str)],
        locale: &Locale,
    ) -> Option<String> {
        said(|wording| &wording.mails, self, key, count, values, locale)
    }

    /// `one`, `one and two`, `one, two and three`, as the locale writes it.
    pub(crate) fn listed(&self, names: &[String], locale: &Locale) -> String {
        match names {
            [] => String::new(),
            [one] => one.clone(),
            [first @ .., last] => {
                self.page("list", None, &[("first", &first.join(", ")), ("last", last)], locale).unwrap_or_default()
            }
        }
    }

    /// The keys that pages may ask for.
    pub(crate) fn page_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.pages.collect("", &mut keys);
        keys
    }

    /// The day of the month as a date has it.
    pub(crate) fn day(&self, date: NaiveDate) -> String {
        if date.day() == 1 { self.first_of_month.clone() } else { date.day().to_string() }
    }

    /// A date in the wording's pattern; with the name of the weekday, the long one. Where another language's names stand in, its
    /// numbers stay beside them.
    pub(crate) fn date(&self, date: NaiveDate, with_weekday: bool) -> String {
        let day = self.day(date);
        let weekday = &self.weekdays[date.weekday().num_days_from_monday() as usize % 7];
        let month = &self.months[date.month0() as usize % 12];
        let pattern = if with_weekday { &self.date_with_weekday } else { &self.date };
        let year = date.year().to_string();
        let date = insert(pattern, &[("weekday", weekday), ("day", &day), ("month", month), ("year", &year)]);
        kept_apart(&date, self.direction())
    }
}

/// What a locale's wording, or else the British one, has under a key of a group.
fn said(
    group: fn(&Wording) -> &Message,
    wording: &Wording,
    key: &str,
    count: Option<u32>,
    values: &[(&str, &str)],
    locale: &Locale,
) -> Option<String> {
    match group(wording).find(key) {
        Some(message) => message.filled(count, values, locale),
        None => group(&WORDINGS[0]).find(key)?.filled(count, values, &Locale::default()),
    }
}

/// A sentence with its `{names}` replaced; what is put in is not looked at again.
pub(crate) fn insert(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(sentence.len() + 40);
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let value = after
            .split_once('}')
            .and_then(|(name, tail)| values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, tail)));
        (rest, _) = match value {
            Some((value, tail)) => (tail, out.push_str(value)),
            None => (after, out.push('{')),
        };
    }
    out.push_str(rest);
    out
}

/// The date as the locale writes it: `4 November 2026` in `en-GB`.
pub fn format_date(date: NaiveDate, locale: &Locale) -> String {
    Wording::of(locale).date(date, false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::plural::are_forms;
    use super::*;

    #[rstest]
    #[case("en-GB", "4 November 2026", "Sunday 1 November 2026")]
    #[case("en-US", "November 4, 2026", "Sunday, November 1, 2026")]
    #[case("de", "4. November 2026", "Sonntag, 1. November 2026")]
    #[case("fr", "4 novembre 2026", "dimanche 1er novembre 2026")]
    #[case("es", "4 de noviembre de 2026", "domingo, 1 de noviembre de 2026")]
    #[case("nl", "4 november 2026", "zondag 1 november 2026")]
    #[case("cy", "4 Tachwedd 2026", "Dydd Sul 1 Tachwedd 2026")]
    fn dates_are_written_as_the_locale_does(#[case] code: &str, #[case] short: &str, #[case] long: &str) {
        let locale = Locale::parse(code).unwrap();
        assert_eq!(format_date(NaiveDate::from_ymd_opt(2026, 11, 4).unwrap(), &locale), short);
        assert_eq!(Wording::of(&locale).date(NaiveDate::from_ymd_opt(2026, 11, 1).unwrap(), true), long);
    }

    #[test]
    fn every_built_in_locale_has_its_file_in_its_place() {
        let codes: Vec<&str> = FILES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, Locale::BUILT_IN);
        assert_eq!(WORDINGS.len(), FILES.len());
    }

    /// Each key with the names in braces that its sentence has.
    fn keys(file: &str) -> BTreeMap<String, Vec<String>> {
        let table: toml::Table = file.parse().unwrap();
        let mut keys = BTreeMap::new();
        table.iter().for_each(|(key, value)| note(key, value, &mut keys));
        keys
    }

    fn note(key: &str, value: &toml::Value, keys: &mut BTreeMap<String, Vec<String>>) {
        let names = |text: &str| {
            let mut names: Vec<_> =
                text.split('{').skip(1).map(|rest| rest[..rest.find('}').unwrap()].to_owned()).collect();
            names.sort();
            names
        };
        match value {
            toml::Value::String(text) => _ = keys.insert(key.to_owned(), names(text)),
            toml::Value::Table(table) => match table.get("other").filter(|_| are_forms(table)) {
                Some(other) => _ = keys.insert(key.to_owned(), names(other.as_str().unwrap())),
                None => table.iter().for_each(|(part, value)| note(&format!("{key}.{part}"), value, keys)),
            },
            other => _ = keys.insert(key.to_owned(), vec![other.as_array().unwrap().len().to_string()]),
        }
    }

    #[test]
    fn all_locales_have_the_same_keys_with_the_same_names_in_them() {
        for (code, file) in FILES {
            assert_eq!(keys(file), keys(FILES[0].1), "{code}");
        }
    }

    #[test]
    fn what_is_counted_is_said_in_each_form_that_the_locale_has() {
        fn check(code: &str, key: &str, value: &toml::Value) {
            let toml::Value::Table(table) = value else { return };
            if are_forms(table) {
                let forms: Vec<&str> = table.keys().map(String::as_str).collect();
                let expected: &[&str] = match code {
                    "cy" => &["few", "many", "one", "other", "two", "zero"],
                    _ => &["one", "other"],
                };
                assert_eq!(forms, expected, "{code}: {key}");
            } else {
                table.iter().for_each(|(part, value)| check(code, &format!("{key}.{part}"), value));
            }
        }
        for (code, file) in FILES {
            let table: toml::Table = file.parse().unwrap();
            table.iter().for_each(|(key, value)| check(code, key, value));
        }
    }

    #[test]
    fn welsh_counts_in_its_own_forms() {
        let cy = Locale::parse("cy").unwrap();
        let forms =
            [0, 1, 2, 3, 6, 7].map(|n| Wording::of(&cy).mail("confirmation.ignore", Some(n), &[], &cy).unwrap());
        for (at, form) in forms.iter().enumerate() {
            assert!(!forms[..at].contains(form), "{form}");
        }
    }

    #[test]
    fn what_is_put_in_is_not_read_as_a_pattern() {
        assert_eq!(insert("{a} {b} {c", &[("a", "{b}"), ("b", "x")]), "{b} x {c");
    }
}
