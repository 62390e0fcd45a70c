//! What the form offers: the public digests with their topics, in the visitor's language, and the choice that comes back.

use serde_json::{Value, json};

use super::wish::Wrong;
use crate::config::{Config, Digest};
use crate::domain::{Locale, UtcMillis};
use crate::subscribers::{Chosen, Topics, topics_of};
use crate::web::cadence::cadence;
use crate::web::pages::{enumerated, say};

/// The digests of a form; at least one.
pub(crate) struct Offer<'a> {
    config: &'a Config,
    digests: Vec<&'a Digest>,
}

impl<'a> Offer<'a> {
    /// All public digests, or the one that was asked for. `None`: there is no such one.
    pub(crate) fn new(config: &'a Config, only: Option<&str>) -> Option<Self> {
        let wanted = |digest: &&Digest| digest.public && only.is_none_or(|id| id == digest.id);
        let digests: Vec<&Digest> = config.digests.iter().filter(wanted).collect();
        (!digests.is_empty()).then_some(Self { config, digests })
    }

    /// The digests.
    pub(crate) fn digests(&self) -> &[&'a Digest] {
        &self.digests
    }

    /// The one that is offered alone.
    pub(crate) fn only(&self) -> Option<&'a Digest> {
        match self.digests.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The topics to choose from; one alone in a digest is no choice.
    pub(crate) fn topics(&self) -> Vec<String> {
        let mut topics = Vec::new();
        for has in self.digests.iter().map(|digest| topics_of(self.config, digest)).filter(|has| has.len() > 1) {
            topics.extend(has.into_iter().filter(|topic| !topics.contains(topic)).collect::<Vec<_>>());
        }
        topics
    }

    /// The digests for the template; `ticked` are those of a form that came back. A box that is ticked beforehand is no consent.
    pub(crate) fn digest_rows(&self, ticked: &[String], now: UtcMillis, locale: &Locale) -> Vec<Value> {
        if self.only().is_some() {
            return Vec::new();
        }
        let row = |digest: &&Digest| {
            json!({
                "id": digest.id, "title": digest.title, "text": cadence(digest, now, locale),
                "ticked": ticked.contains(&digest.id),
            })
        };
        self.digests.iter().map(row).collect()
    }

    /// The topics for the template.
    pub(crate) fn topic_rows(&self, ticked: &[String], locale: &Locale) -> Vec<Value> {
        let row = |id: &String| {
            let of = self.digests.iter().find(|digest| topics_of(self.config, digest).contains(id));
            let fallback = of.map_or(locale, |digest| &digest.locale);
            json!({
                "id": id, "title": self.config.topic_title(id, locale, fallback),
                "text": self.config.topic(id).map(|topic| topic.description.of(locale, fallback)).unwrap_or_default(),
                "ticked": ticked.contains(id),
            })
        };
        self.topics().iter().map(row).collect()
    }

    /// The digests and topics that somebody named; none of a kind means all of it, and no topic of a digest all of its topics.
    ///
    /// # Errors
    /// [`Wrong`] where something is named that is not offered, or topics that are in none of the digests that are.
    pub(crate) fn choice(&self, digests: &[String], topics: &[String]) -> Result<Vec<Chosen>, Wrong> {
        if digests.iter().any(|id| !self.digests.iter().any(|digest| digest.id == *id)) {
            return Err(Wrong::new("digests", "unknown_digest"));
        }
        let named = |digest: &&&Digest| digests.is_empty() || digests.contains(&digest.id);
        let wanted: Vec<(&Digest, Vec<String>)> =
            self.digests.iter().filter(named).map(|digest| (*digest, topics_of(self.config, digest))).collect();
        if topics.iter().any(|topic| !self.digests.iter().any(|digest| topics_of(self.config, digest).contains(topic)))
        {
            return Err(Wrong::new("topics", "unknown_topic"));
        }
        let astray = topics.iter().any(|topic| !wanted.iter().any(|(_, has)| has.contains(topic)));
        let mut choice = Vec::new();
        for (digest, has) in wanted {
            let picked = || has.iter().filter(|topic| topics.contains(topic)).cloned().collect();
            let topics = match topics.is_empty() || has.len() < 2 || has.iter().all(|topic| topics.contains(topic)) {
                true => Topics::All,
                false => Topics::Only(picked()),
            };
            match topics {
                Topics::Only(topics) if topics.is_empty() && digests.is_empty() => {}
                Topics::Only(topics) if topics.is_empty() && astray => {
                    return Err(Wrong::new("topics", "no_topic_of").about(&digest.title));
                }
                Topics::Only(topics) if topics.is_empty() => {
                    choice.push(Chosen { digest: digest.id.clone(), topics: Topics::All });
                }
                topics => choice.push(Chosen { digest: digest.id.clone(), topics }),
            }
        }
        if choice.is_empty() { Err(Wrong::new("topics", "no_topic")) } else { Ok(choice) }
    }

    /// The choice in words: `Early Help Weekly with News and Features`.
    pub(crate) fn in_words(config: &Config, choice: &[Chosen], locale: &Locale) -> String {
        let name = |chosen: &Chosen| {
            config.digest(&chosen.digest).map_or(chosen.digest.clone(), |digest| digest.title.clone())
        };
        let part = |chosen: &Chosen| match &chosen.topics {
            Topics::All => name(chosen),
            Topics::Only(topics) => {
                // In the digest's order; what it has no more comes last.
                let digest = config.digest(&chosen.digest);
                let has = digest.map(|digest| topics_of(config, digest)).unwrap_or_default();
                let fallback = digest.map_or(locale, |digest| &digest.locale);
                let mut topics: Vec<&String> = topics.iter().collect();
                topics.sort_by_key(|topic| has.iter().position(|known| known == *topic).unwrap_or(usize::MAX));
                let topics: Vec<String> =
                    topics.into_iter().map(|topic| config.topic_title(topic, locale, fallback)).collect();
                let topics = enumerated(locale, &topics);
                say(locale, "join.digest_with_topics", &[("digest", &name(chosen)), ("topics", &topics)])
            }
        };
        enumerated(locale, &choice.iter().map(part).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let digest = |id: &str, sections: &str, more: &str| {
            format!(
                "[[digest]]\nid = \"{id}\"\nsources = [\"news\"]\nsections = [{sections}]\nschedule = \"@weekly\"\n{more}\n"
            )
        };
        let text = "[sender]\nemail = \"d@example.org\"\n[[source]]\nid = \"news\"\nfeed = \"https://example.org/feed/\"\n\
                    topics = [{ title = \"x\", topic = \"features\" }, { title = \"y\", topic = \"posts\" }, { topic = \"news\" }]\n"
            .to_owned()
            + &digest("weekly", "\"news\"", "")
            + &digest("daily", "\"news\"", "")
            + "[[source]]\nid = \"board\"\nfeed = \"https://example.org/jobs/\"\n\
               topics = [{ title = \"x\", topic = \"nursing\" }, { topic = \"care\" }]\n"
            + "[[digest]]\nid = \"jobs\"\nsources = [\"board\"]\nschedule = \"@weekly\"\n"
            + &digest("staff", "\"news\"", "public = false");
        Config::parse(&text, std::path::Path::new("config.toml"), std::iter::empty()).unwrap()
    }

    fn choice(only: Option<&str>, digests: &[&str], topics: &[&str]) -> Result<String, &'static str> {
        let config = config();
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let chosen = Offer::new(&config, only).unwrap().choice(&owned(digests), &owned(topics));
        let chosen = chosen.map_err(|wrong| wrong.key)?;
        let part = |chosen: &Chosen| format!("{} {}", chosen.digest, chosen.topics.stored());
        Ok(chosen.iter().map(part).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn no_choice_is_all_that_is_public() {
        assert_eq!(choice(None, &[], &[]).unwrap(), "weekly *; daily *; jobs *");
        assert_eq!(choice(Some("daily"), &[], &[]).unwrap(), "daily *");
    }

    #[test]
    fn all_topics_ticked_includes_later_ones() {
        assert_eq!(choice(None, &["weekly"], &["posts", "news", "features"]).unwrap(), "weekly *");
        assert_eq!(choice(None, &["weekly"], &["posts", "news"]).unwrap(), "weekly news,posts");
    }

    #[test]
    fn a_digest_of_which_no_topic_is_named_comes_whole() {
        assert_eq!(choice(None, &["weekly", "jobs"], &["posts"]).unwrap(), "weekly posts; jobs *");
        assert_eq!(choice(None, &["weekly", "jobs"], &["nursing"]).unwrap(), "weekly *; jobs nursing");
        assert_eq!(choice(None, &[], &["nursing"]).unwrap(), "jobs nursing");
        assert_eq!(choice(None, &["weekly"], &["nursing"]), Err("no_topic_of"));
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        assert_eq!(choice(None, &["staff"], &[]), Err("unknown_digest"));
        assert_eq!(choice(Some("daily"), &["weekly"], &[]), Err("unknown_digest"));
        assert_eq!(choice(None, &["weekly"], &["weather"]), Err("unknown_topic"));
        assert!(Offer::new(&config(), Some("staff")).is_none());
        assert!(Offer::new(&config(), Some("")).is_none());
    }
}
