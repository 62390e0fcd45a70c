//! Variants: which topics of an issue a subscriber's choice comes to.

use std::collections::{BTreeMap, BTreeSet};

use super::composer::locale_of;
use crate::config::{Digest, WhenEmpty};
use crate::domain::Locale;
use crate::store::Audience;

/// How subscriptions spell "all topics, later ones included".
pub const ALL_TOPICS: &str = "*";

/// What a choice of topics comes to in an issue that has articles of the topics `available`: choices collapse, so that
/// one mail serves all whose issue looks the same.
///
/// Returns [`ALL_TOPICS`] when it comes to the whole issue, else the topics that remain, sorted, with commas between.
/// Where nothing remains, `when_empty` says whether it comes to nothing, `None`, or to the rest. Whoever has chosen no
/// topic at all gets nothing in either case.
pub fn variant(choice: &str, available: &BTreeSet<&str>, when_empty: WhenEmpty) -> Option<String> {
    if choice == ALL_TOPICS {
        return (!available.is_empty()).then(|| ALL_TOPICS.to_owned());
    }
    let chosen: BTreeSet<&str> = choice.split(',').filter(|topic| available.contains(topic)).collect();
    let takes_rest = when_empty == WhenEmpty::Rest && !choice.is_empty() && !available.is_empty();
    if chosen.is_empty() {
        takes_rest.then(|| ALL_TOPICS.to_owned())
    } else if chosen.len() == available.len() {
        Some(ALL_TOPICS.to_owned())
    } else {
        Some(chosen.into_iter().collect::<Vec<_>>().join(","))
    }
}

/// Whether a variant, as [`variant`] gives it, has a topic.
pub fn has_topic(variant: &str, topic: &str) -> bool {
    variant == ALL_TOPICS || variant.split(',').any(|chosen| chosen == topic)
}

/// What a mail is made for: a variant, as [`variant`] gives it, and a language.
pub(super) type Key = (String, Locale);

/// The choices of an audience, and what each comes to; `None`: to nothing.
pub(super) struct Choices(pub(super) Vec<(Audience, Option<Key>)>);

impl Choices {
    pub(super) fn of(audience: Vec<Audience>, available: &BTreeSet<&str>, digest: &Digest) -> Self {
        let decided = |audience: Audience| {
            let topics = variant(&audience.topics, available, digest.when_topics_are_empty);
            let key = topics.map(|topics| (topics, locale_of(&audience.locale, digest)));
            (audience, key)
        };
        Self(audience.into_iter().map(decided).collect())
    }

    /// What mails are made for: that of the most people first.
    pub(super) fn keys(&self) -> Vec<&Key> {
        let mut people = BTreeMap::<&Key, i64>::new();
        for (audience, key) in &self.0 {
            if let Some(key) = key {
                *people.entry(key).or_default() += audience.people;
            }
        }
        let mut keys: Vec<(&Key, i64)> = people.into_iter().collect();
        keys.sort_by_key(|(_, people)| std::cmp::Reverse(*people));
        keys.into_iter().map(|(key, _)| key).collect()
    }

    /// How many people get a mail, and how many none.
    pub(super) fn people(&self) -> (i64, i64) {
        let of = |gets: bool| {
            self.0.iter().filter(move |(_, key)| key.is_some() == gets).map(|(audience, _)| audience.people)
        };
        (of(true).sum(), of(false).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_collapse_to_the_topics_that_have_articles() {
        let available = BTreeSet::from(["features", "news"]);
        for when_empty in [WhenEmpty::Skip, WhenEmpty::Rest] {
            let variant = |choice| variant(choice, &available, when_empty);
            assert_eq!(variant("*").as_deref(), Some("*"));
            assert_eq!(variant("features,interviews,news").as_deref(), Some("*"));
            assert_eq!(variant("interviews,news").as_deref(), Some("news"));
            assert_eq!(variant(""), None);
        }
        assert_eq!(variant("*", &BTreeSet::new(), WhenEmpty::Rest), None);
    }

    #[test]
    fn whose_topics_have_no_news_gets_nothing_or_the_rest_as_the_digest_says() {
        let available = BTreeSet::from(["features", "news"]);
        assert_eq!(variant("interviews", &available, WhenEmpty::Skip), None);
        assert_eq!(variant("interviews", &available, WhenEmpty::Rest).as_deref(), Some("*"));
        assert_eq!(variant("interviews", &BTreeSet::new(), WhenEmpty::Rest), None);
    }
}
