//! The locales that mails and pages can be written in: those of the program, and those that an operator has added.

use std::cell::RefCell;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

/// A locale with message files, such as `en-GB`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Locale(&'static str);

/// A locale that has no message file.
#[derive(Debug, thiserror::Error)]
#[error("`{code}` is not a locale that there is: {known}", known = known.join(", "))]
pub struct UnknownLocale {
    code: String,
    known: Vec<&'static str>,
}

/// The codes that were ever named. They are few and stay as long as the process, so that a locale is as cheap as its code.
static NAMED: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

/// Those of them that there are.
static ADDED: RwLock<Vec<Locale>> = RwLock::new(Vec::new());

thread_local! {
    /// Those that there are for a thread that tries whether they could be used.
    static TRIED: RefCell<Option<Vec<Locale>>> = const { RefCell::new(None) };
}

impl Locale {
    /// The locales whose messages come with the program.
    pub const BUILT_IN: &'static [&'static str] = &["en-GB", "en-US", "de", "fr", "es", "nl", "cy"];

    /// All codes that [`Locale::parse`] takes.
    pub fn known() -> Vec<&'static str> {
        added(|added| Self::BUILT_IN.iter().copied().chain(added.iter().map(Self::as_str)).collect())
    }

    /// Reads a locale's code; case does not matter. Those that an operator has added are known once the configuration has
    /// been taken.
    ///
    /// # Errors
    /// [`UnknownLocale`] when there are no messages for it.
    pub fn parse(code: &str) -> Result<Self, UnknownLocale> {
        let same = |known: &&'static str| known.eq_ignore_ascii_case(code.trim());
        let found = Self::BUILT_IN.iter().copied().find(same);
        let found = found.or_else(|| added(|added| added.iter().map(Self::as_str).find(same)));
        found.map(Self).ok_or_else(|| UnknownLocale { code: code.to_owned(), known: Self::known() })
    }

    /// The locale of that code, whether there are messages for it or not.
    pub(crate) fn named(code: &str) -> Self {
        let mut named = NAMED.write().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&'static str| known.eq_ignore_ascii_case(code);
        let known = Self::BUILT_IN.iter().chain(named.iter()).copied().find(same);
        Self(known.unwrap_or_else(|| {
            let code: &'static str = Box::leak(code.to_owned().into_boxed_str());
            named.push(code);
            code
        }))
    }

    /// Makes it known.
    pub(crate) fn add(&self) {
        let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
        if !Self::BUILT_IN.contains(&self.0) && !added.contains(self) {
            added.push(self.clone());
        }
    }

    /// Takes it away, if it does not come with the program.
    pub(crate) fn remove(&self) {
        ADDED.write().unwrap_or_else(PoisonError::into_inner).retain(|added| added != self);
    }

    /// Lets this thread alone go by these in the place of those that were added, or by those again; gives what it went by.
    pub(crate) fn try_instead(mut locales: Option<Vec<Self>>) -> Option<Vec<Self>> {
        locales.iter_mut().for_each(|locales| locales.retain(|locale| !Self::BUILT_IN.contains(&locale.0)));
        TRIED.replace(locales)
    }

    /// Its code, as in `en-GB`.
    pub fn as_str(&self) -> &'static str {
        self.0
    }

    /// Its language, as in `en`.
    pub fn language(&self) -> &'static str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// The way that its language is written.
    pub fn direction(&self) -> Direction {
        const RIGHT_TO_LEFT: [&str; 11] = ["ar", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"];
        match RIGHT_TO_LEFT.contains(&self.language()) {
            true => Direction::RightToLeft,
            false => Direction::LeftToRight,
        }
    }
}

/// Looks at the locales beside the built-in ones.
fn added<T>(look: impl FnOnce(&[Locale]) -> T) -> T {
    TRIED.with_borrow(|tried| match tried {
        Some(tried) => look(tried),
        None => look(&ADDED.read().unwrap_or_else(PoisonError::into_inner)),
    })
}

impl Default for Locale {
    fn default() -> Self {
        Self("en-GB")
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The way that a text is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub enum Direction {
    /// As English is.
    #[serde(rename = "ltr")]
    LeftToRight,
    /// As Arabic is.
    #[serde(rename = "rtl")]
    RightToLeft,
}

impl Direction {
    /// The side on which a line starts, as old mail programs know it.
    pub fn start(self) -> &'static str {
        if self == Self::LeftToRight { "left" } else { "right" }
    }

    /// The side on which it ends.
    pub fn end(self) -> &'static str {
        if self == Self::LeftToRight { "right" } else { "left" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_known_in_any_case_and_an_unknown_one_is_answered_with_all() {
        assert_eq!(Locale::parse(" EN-gb ").unwrap(), Locale::default());
        let error = Locale::parse("tlh").unwrap_err().to_string();
        assert!(error.starts_with("`tlh` is not a locale that there is: en-GB, en-US, de"), "{error}");
    }

    #[test]
    fn an_added_locale_is_there_once_until_it_is_taken_away() {
        let locale = Locale::named("qaa-XX");
        assert_eq!(locale, Locale::named("QAA-xx"));
        assert!(Locale::parse("qaa-xx").is_err(), "it has only been named");
        locale.add();
        locale.add();
        assert_eq!(Locale::parse("qaa-xx").unwrap().as_str(), "qaa-XX");
        assert_eq!(Locale::known().iter().filter(|code| **code == "qaa-XX").count(), 1);
        locale.remove();
        assert!(Locale::parse("qaa-xx").is_err());
        Locale::named("de").remove();
        assert_eq!(Locale::named("de"), Locale::parse("DE").unwrap());
    }
}
