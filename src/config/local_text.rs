//! An operator's text for readers: one for all languages, or one for each.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::domain::Locale;

/// A text of the configuration that readers see: the same for all of them, or another in each locale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalText {
    /// The same for all.
    One(String),
    /// By locale, in the order of the file; at least one.
    Each(Vec<(Locale, String)>),
}

impl LocalText {
    /// The text for a locale. Where there is none: that of its language, then the same of `fallback`, the digest's locale, then
    /// of British English; at last the first of all.
    pub fn of(&self, locale: &Locale, fallback: &Locale) -> &str {
        match self {
            Self::One(text) => text,
            Self::Each(texts) => nearest(texts, locale, fallback).map_or("", |(_, text)| text),
        }
    }

    /// The locale whose text the readers of a digest in `own` get, where there is none in that language.
    pub fn stand_in(&self, own: &Locale) -> Option<&Locale> {
        let Self::Each(texts) = self else { return None };
        let (found, _) = nearest(texts, own, own)?;
        (found.language() != own.language()).then_some(found)
    }

    /// All its texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (one, each) = match self {
            Self::One(text) => (Some(text), None),
            Self::Each(texts) => (None, Some(texts)),
        };
        one.into_iter().chain(each.into_iter().flatten().map(|(_, text)| text)).map(String::as_str)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.texts().all(str::is_empty)
    }
}

fn nearest<'t>(texts: &'t [(Locale, String)], locale: &Locale, fallback: &Locale) -> Option<&'t (Locale, String)> {
    let british = Locale::default();
    let exact = |wanted: &Locale| texts.iter().find(|(locale, _)| locale == wanted);
    let same_language = |wanted: &Locale| texts.iter().find(|(locale, _)| locale.language() == wanted.language());
    let mut wanted = [locale, fallback, &british].into_iter();
    wanted.find_map(|wanted| exact(wanted).or_else(|| same_language(wanted))).or(texts.first())
}

impl Default for LocalText {
    fn default() -> Self {
        Self::One(String::new())
    }
}

impl<T: Into<String>> From<T> for LocalText {
    fn from(text: T) -> Self {
        Self::One(text.into())
    }
}

/// As the file has it: a text, or a table by locale.
impl Serialize for LocalText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(text) => serializer.serialize_str(text),
            Self::Each(texts) => {
                let mut map = serializer.serialize_map(Some(texts.len()))?;
                for (locale, text) in texts {
                    map.serialize_entry(locale.as_str(), text)?;
                }
                map.end()
            }
        }
    }
}

/// The same read back. A text for a locale that is not there any more is nobody's.
impl<'de> Deserialize<'de> for LocalText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Stored)
    }
}

struct Stored;

impl<'de> Visitor<'de> for Stored {
    type Value = LocalText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or one for each locale")
    }

    fn visit_str<E>(self, text: &str) -> Result<LocalText, E> {
        Ok(LocalText::from(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LocalText, A::Error> {
        let mut texts = Vec::new();
        while let Some((code, text)) = map.next_entry::<String, String>()? {
            texts.extend(Locale::parse(&code).ok().map(|locale| (locale, text)));
        }
        Ok(LocalText::Each(texts))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("de", "en-GB", "Nachrichten")]
    #[case("en-US", "de", "News")]
    #[case("nl", "fr", "Actualités")]
    #[case("nl", "es", "News")]
    fn a_locale_without_a_text_gets_that_of_its_language_then_of_the_digest_then_the_british_one(
        #[case] locale: &str,
        #[case] fallback: &str,
        #[case] expected: &str,
    ) {
        let locale_of = |code| Locale::parse(code).unwrap();
        let each = [("fr", "Actualités"), ("de", "Nachrichten"), ("en-GB", "News")];
        let text = LocalText::Each(each.map(|(code, text)| (locale_of(code), text.to_owned())).into());
        assert_eq!(text.of(&locale_of(locale), &locale_of(fallback)), expected);
        assert_eq!(LocalText::from("News").of(&locale_of(locale), &locale_of(fallback)), "News");
        let stored = serde_json::to_string(&[text.clone(), LocalText::from("News")]).unwrap();
        assert_eq!(serde_json::from_str::<[LocalText; 2]>(&stored).unwrap(), [text, "News".into()]);
        let without = LocalText::Each(vec![(locale_of("cy"), "Newyddion".to_owned())]);
        assert_eq!(without.of(&locale_of(locale), &locale_of(fallback)), "Newyddion", "better than nothing");
    }
}
