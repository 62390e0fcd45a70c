//! The locales that mails and pages can be written in: those of the program, and those that an operator has added.

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

/// The locales that were added. They are few and stay as long as the process, so that a locale is as cheap as its code.
static ADDED: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

impl Locale {
    /// The locales whose messages come with the program.
    pub const BUILT_IN: &'static [&'static str] = &["en-GB", "en-US", "de", "fr", "es", "nl", "cy"];

    /// All codes that [`Locale::parse`] takes.
    pub fn known() -> Vec<&'static str> {
        let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
        Self::BUILT_IN.iter().chain(added.iter()).copied().collect()
    }

    /// Reads a locale's code; case does not matter. Those that an operator has added are known once the configuration has
    /// been read.
    ///
    /// # Errors
    /// [`UnknownLocale`] when there are no messages for it.
    pub fn parse(code: &str) -> Result<Self, UnknownLocale> {
        let known = Self::known();
        let found = known.iter().find(|known| known.eq_ignore_ascii_case(code.trim())).copied();
        found.map(Self).ok_or_else(|| UnknownLocale { code: code.to_owned(), known })
    }

    /// Makes a code known for the life of the process, and gives its locale.
    pub(crate) fn add(code: &str) -> Self {
        if let Ok(known) = Self::parse(code) {
            return known;
        }
        let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = added.iter().find(|known| known.eq_ignore_ascii_case(code)) {
            return Self(known);
        }
        let code: &'static str = Box::leak(code.to_owned().into_boxed_str());
        added.push(code);
        Self(code)
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
    fn an_added_locale_is_there_once_and_for_all() {
        assert_eq!(Locale::add("qaa-XX"), Locale::add("QAA-xx"));
        assert_eq!(Locale::parse("qaa-xx").unwrap().as_str(), "qaa-XX");
        assert_eq!(Locale::known().iter().filter(|code| **code == "qaa-XX").count(), 1);
        assert_eq!(Locale::add("de"), Locale::parse("de").unwrap());
    }
}
