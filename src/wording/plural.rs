//! Sentences with a number in them, in the forms that a language has.

use icu_locale_core::Locale as Tag;
use icu_plurals::{PluralCategory, PluralRules};
use serde::{Deserialize, Serialize};

use super::insert;
use crate::domain::Locale;

/// The names of the forms that CLDR gives languages.
pub(super) const FORMS: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];

/// Whether these are the forms of one sentence, and not sentences of which one is called `other`.
pub(super) fn are_forms(table: &toml::Table) -> bool {
    table.contains_key("other") && table.keys().all(|form| FORMS.contains(&form.as_str()))
}

/// A sentence with a number in it, in the forms that CLDR gives the locale; `other` serves where a form is missing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plural {
    #[serde(default)]
    zero: Option<String>,
    #[serde(default)]
    one: Option<String>,
    #[serde(default)]
    two: Option<String>,
    #[serde(default)]
    few: Option<String>,
    #[serde(default)]
    many: Option<String>,
    other: String,
}

impl Plural {
    /// The sentence for `count`, which also replaces `{count}`.
    pub(crate) fn with(&self, count: u32, locale: &Locale) -> String {
        let form = match category(count, locale) {
            PluralCategory::Zero => &self.zero,
            PluralCategory::One => &self.one,
            PluralCategory::Two => &self.two,
            PluralCategory::Few => &self.few,
            PluralCategory::Many => &self.many,
            PluralCategory::Other => &None,
        };
        // One thing is often said without a number, also in languages that treat 1 as any other.
        let form = form.as_ref().or(if count == 1 { self.one.as_ref() } else { None });
        insert(form.unwrap_or(&self.other), &[("count", &count.to_string())])
    }
}

fn category(count: u32, locale: &Locale) -> PluralCategory {
    let tag: Option<Tag> = locale.as_str().parse().ok();
    let rules = tag.and_then(|tag| PluralRules::try_new_cardinal((&tag).into()).ok());
    rules.map_or(PluralCategory::Other, |rules| rules.category_for(count))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("en-GB", 1, PluralCategory::One)]
    #[case("en-GB", 0, PluralCategory::Other)]
    #[case("fr", 0, PluralCategory::One)]
    #[case("cy", 0, PluralCategory::Zero)]
    #[case("cy", 3, PluralCategory::Few)]
    #[case("cy", 6, PluralCategory::Many)]
    #[case("ar", 2, PluralCategory::Two)]
    #[case("ar", 7, PluralCategory::Few)]
    #[case("ar", 11, PluralCategory::Many)]
    #[case("ar", 100, PluralCategory::Other)]
    #[case("pl", 22, PluralCategory::Few)]
    #[case("pl", 12, PluralCategory::Many)]
    #[case("ru", 21, PluralCategory::One)]
    #[case("he", 2, PluralCategory::Two)]
    fn each_language_counts_in_its_own_forms(#[case] code: &str, #[case] count: u32, #[case] form: PluralCategory) {
        assert_eq!(category(count, &Locale::named(code)), form);
    }
}
