//! The locales that mails can be written in.

use std::fmt;

/// A locale with message files, such as `en-GB`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Locale(String);

/// A locale that has no message file.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a locale of the built-in ones: {known}", known = Locale::BUILT_IN.join(", "))]
pub struct UnknownLocale(String);

impl Locale {
    /// The locales whose messages come with the program.
    pub const BUILT_IN: &'static [&'static str] = &["en-GB", "en-US", "de", "fr", "es", "nl", "cy"];

    /// Reads a locale's code; case does not matter.
    ///
    /// # Errors
    /// [`UnknownLocale`] when no messages are built in for it.
    pub fn parse(code: &str) -> Result<Self, UnknownLocale> {
        Self::BUILT_IN
            .iter()
            .find(|known| known.eq_ignore_ascii_case(code.trim()))
            .map(|known| Self((*known).to_owned()))
            .ok_or_else(|| UnknownLocale(code.to_owned()))
    }

    /// Its code, as in `en-GB`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self("en-GB".to_owned())
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
