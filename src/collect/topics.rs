//! Which topic an article belongs to.

use super::article::Found;
use crate::config::{Matcher, TopicRules};

/// The topic of the first rule whose matchers all match: on the title, the address and any category.
pub fn topic_of<'r>(rules: &'r TopicRules, found: &Found) -> Option<&'r str> {
    let matches = |matcher: &Option<Matcher>, text: Option<&str>| {
        matcher.as_ref().is_none_or(|matcher| text.is_some_and(|text| is_match(matcher, text)))
    };
    let rule = rules.0.iter().find(|rule| {
        matches(&rule.title, found.title.as_deref())
            && matches(&rule.url, found.url.as_deref())
            && rule
                .category
                .as_ref()
                .is_none_or(|matcher| found.categories.iter().any(|category| is_match(matcher, category)))
    });
    rule.map(|rule| rule.topic.as_str())
}

fn is_match(matcher: &Matcher, text: &str) -> bool {
    match matcher {
        Matcher::Regex(regex) => regex.is_match(text),
        Matcher::Words(words) => {
            let (wanted, given) = (words_of(words), words_of(text));
            !wanted.is_empty() && given.windows(wanted.len()).any(|window| window == wanted)
        }
    }
}

/// The words of a text in lower case; anything but letters and digits stands between words.
fn words_of(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TopicRule;

    fn rule(title: Option<&str>, url: Option<&str>, category: Option<&str>, topic: &str) -> TopicRule {
        let matcher = |text: &str| match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(expression) => Matcher::Regex(regex::Regex::new(expression).unwrap()),
            None => Matcher::Words(text.to_owned()),
        };
        TopicRule {
            title: title.map(matcher),
            url: url.map(matcher),
            category: category.map(matcher),
            topic: topic.to_owned(),
        }
    }

    fn found(title: &str, url: &str, categories: &[&str]) -> Found {
        Found {
            title: Some(title.into()),
            url: Some(url.into()),
            categories: categories.iter().map(|category| (*category).to_owned()).collect(),
            ..Found::default()
        }
    }

    #[test]
    fn the_first_rule_that_matches_gives_the_topic() {
        let rules = TopicRules(vec![
            rule(None, None, Some("feature"), "features"),
            rule(Some("in conversation"), Some("/^https://example\\.org/talks/"), None, "interviews"),
            rule(None, None, None, "news"),
        ]);
        let url = "https://example.org/talks/1";
        assert_eq!(topic_of(&rules, &found("x", url, &["Top", "Feature story"])), Some("features"));
        assert_eq!(topic_of(&rules, &found("In Conversation: Ada", url, &["Features"])), Some("interviews"));
        assert_eq!(topic_of(&rules, &found("In Conversation: Ada", "https://example.org/news/1", &[])), Some("news"));
        assert_eq!(topic_of(&rules, &found("Conversation in town", url, &[])), Some("news"));
    }

    #[test]
    fn words_match_whole_and_no_rule_gives_no_topic() {
        let rules = TopicRules(vec![rule(Some("age"), None, None, "age")]);
        assert_eq!(topic_of(&rules, &found("The age of ages", "x", &[])), Some("age"));
        assert_eq!(topic_of(&rules, &found("A village page", "x", &[])), None);
        assert_eq!(topic_of(&rules, &Found::default()), None);
    }
}
