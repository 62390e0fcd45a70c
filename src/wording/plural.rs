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

/// Numbers that show how a language counts: none of the forms comes up first beyond them. Nothing is counted where there is none.
fn samples() -> impl Iterator<Item = u32> {
    (1..=200).chain([1_000_000, 2_000_000])
}

/// Whether one of a sentence's forms stands for more than one number in a language.
pub(super) fn is_for_several(form: &str, forms: &toml::Table, locale: &Locale) -> bool {
    let rules = rules(locale);
    let has = |form: &str| forms.contains_key(form);
    samples().filter(|count| form_of(*count, rules.as_ref(), has) == form).nth(1).is_some()
}

/// The name of the form that a sentence has for `count`: `other` serves where one is missing.
fn form_of(count: u32, rules: Option<&PluralRules>, has: impl Fn(&str) -> bool) -> &'static str {
    let form = match category(count, rules) {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    };
    // One thing is often said without a number, also in languages that treat 1 as any other.
    match has(form) {
        true if form != "other" => form,
        _ if count == 1 && has("one") => "one",
        _ => "other",
    }
}

impl Plural {
    /// The sentence for `count`, which also replaces `{count}`.
    pub(crate) fn with(&self, count: u32, locale: &Locale) -> String {
        let form = form_of(count, rules(locale).as_ref(), |form| self.form(form).is_some());
        insert(self.form(form).unwrap_or(&self.other), &[("count", &count.to_string())])
    }

    fn form(&self, name: &str) -> Option<&str> {
        let form = match name {
            "zero" => &self.zero,
            "one" => &self.one,
            "two" => &self.two,
            "few" => &self.few,
            "many" => &self.many,
            _ => return Some(&self.other),
        };
        form.as_deref()
    }
}

fn rules(locale: &Locale) -> Option<PluralRules> {
    let tag: Tag = locale.as_str().parse().ok()?;
    PluralRules::try_new_cardinal((&tag).into()).ok()
}

fn category(count: u32, rules: Option<&PluralRules>) -> PluralCategory {
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
        assert_eq!(category(count, rules(&Locale::named(code)).as_ref()), form);
    }
}
