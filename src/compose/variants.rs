//! Variants: which topics of an issue a subscriber's choice comes to.

use std::collections::BTreeSet;

/// How subscriptions spell "all topics, later ones included".
pub const ALL_TOPICS: &str = "*";

/// What a choice of topics comes to in an issue that has articles of the topics `available`: choices collapse, so that
/// one mail serves all whose issue looks the same.
///
/// Returns [`ALL_TOPICS`] when it comes to the whole issue, else the topics that remain, sorted, with commas between;
/// `None` when nothing remains.
pub fn variant(choice: &str, available: &BTreeSet<&str>) -> Option<String> {
    if choice == ALL_TOPICS {
        return (!available.is_empty()).then(|| ALL_TOPICS.to_owned());
    }
    let chosen: BTreeSet<&str> = choice.split(',').filter(|topic| available.contains(topic)).collect();
    if chosen.is_empty() {
        None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_collapse_to_the_topics_that_have_articles() {
        let available = BTreeSet::from(["features", "news"]);
        assert_eq!(variant("*", &available).as_deref(), Some("*"));
        assert_eq!(variant("features,interviews,news", &available).as_deref(), Some("*"));
        assert_eq!(variant("interviews,news", &available).as_deref(), Some("news"));
        assert_eq!(variant("interviews", &available), None);
        assert_eq!(variant("", &available), None);
        assert_eq!(variant("*", &BTreeSet::new()), None);
    }
}
