//! Which digests and topics somebody wants, where "all" is a choice of its own that includes what comes later.

use std::collections::BTreeSet;

use crate::config::{Config, Digest};
use crate::store::SubscriptionRow;

/// The topics that a subscription has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// All of them, later ones included.
    All,
    /// These; at least one.
    Only(BTreeSet<String>),
}

impl Topics {
    /// Reads what [`Topics::stored`] wrote.
    pub fn parse(stored: &str) -> Self {
        if stored == "*" {
            return Self::All;
        }
        Self::Only(stored.split(',').filter(|topic| !topic.is_empty()).map(str::to_owned).collect())
    }

    /// As the store keeps it: `*`, or the ids sorted with commas between.
    pub fn stored(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Only(topics) => topics.iter().map(String::as_str).collect::<Vec<_>>().join(","),
        }
    }

    /// Whether articles of `topic` are among them.
    pub fn has(&self, topic: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(topics) => topics.contains(topic),
        }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(one), Self::Only(two)) => Self::Only(one | two),
            _ => Self::All,
        }
    }
}

/// One digest and the topics of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The digest's id.
    pub digest: String,
    /// Its topics.
    pub topics: Topics,
}

impl From<&SubscriptionRow> for Chosen {
    fn from(have: &SubscriptionRow) -> Self {
        Self { digest: have.digest.clone(), topics: Topics::parse(&have.topics) }
    }
}

/// Why a choice cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No such digest.
    #[error("there is no digest `{word}`; the digests are {known}")]
    Digest {
        /// What was asked for.
        word: String,
        /// What there is.
        known: String,
    },
    /// No such topic in the digests that were chosen.
    #[error("there is no topic `{word}` in {digests}; the topics are {known}")]
    Topic {
        /// What was asked for.
        word: String,
        /// Where it was looked for.
        digests: String,
        /// What there is.
        known: String,
    },
    /// A digest was named, and none of the topics is in it.
    #[error("none of these topics is in the digest `{digest}`; its topics are {known}")]
    NothingOf {
        /// The digest.
        digest: String,
        /// What there is.
        known: String,
    },
}

/// The ids of a digest's topics: its sections first, then what else its sources can give, in the order of the file.
pub fn topics_of(config: &Config, digest: &Digest) -> Vec<String> {
    let mut topics = digest.sections.clone();
    let sources = digest.sources.iter().filter_map(|id| config.source(id));
    for rule in sources.flat_map(|source| &source.topics.0) {
        if !topics.contains(&rule.topic) {
            topics.push(rule.topic.clone());
        }
    }
    topics
}

/// Turns named digests and topics into a choice; none named means all.
///
/// # Errors
/// [`ChoiceError`] when something is named that is not there.
pub fn resolve(config: &Config, digests: &[String], topics: &[String]) -> Result<Vec<Chosen>, ChoiceError> {
    let known = || config.digests.iter().map(|digest| digest.id.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(word) = digests.iter().find(|id| config.digest(id).is_none()) {
        return Err(ChoiceError::Digest { word: word.clone(), known: known() });
    }
    let all = digests.is_empty();
    let candidates: Vec<&Digest> = config.digests.iter().filter(|digest| all || digests.contains(&digest.id)).collect();
    among(config, &candidates, all, topics)
}

/// The same for people whom somebody else brings: where no digest is named, those that are offered to everybody, since nobody
/// has agreed to one that they cannot know. Where none is, all.
///
/// # Errors
/// [`ChoiceError`] when something is named that is not there.
pub fn resolve_for_others(config: &Config, digests: &[String], topics: &[String]) -> Result<Vec<Chosen>, ChoiceError> {
    let public: Vec<&Digest> = config.digests.iter().filter(|digest| digest.public).collect();
    if public.is_empty() || !digests.is_empty() {
        resolve(config, digests, topics)
    } else {
        among(config, &public, true, topics)
    }
}

/// The choice of topics among digests, `all` that may be meant or those that were named.
fn among(config: &Config, candidates: &[&Digest], all: bool, topics: &[String]) -> Result<Vec<Chosen>, ChoiceError> {
    let offered: Vec<(&Digest, Vec<String>)> =
        candidates.iter().map(|digest| (*digest, topics_of(config, digest))).collect();
    if let Some(word) = topics.iter().find(|topic| !offered.iter().any(|(_, has)| has.contains(topic))) {
        let has: BTreeSet<&str> = offered.iter().flat_map(|(_, has)| has).map(String::as_str).collect();
        return Err(ChoiceError::Topic {
            word: word.clone(),
            digests: candidates.iter().map(|digest| format!("`{}`", digest.id)).collect::<Vec<_>>().join(", "),
            known: has.into_iter().collect::<Vec<_>>().join(", "),
        });
    }
    let mut chosen = Vec::new();
    for (digest, has) in offered {
        let topics = if topics.is_empty() {
            Topics::All
        } else {
            Topics::Only(has.iter().filter(|topic| topics.contains(topic)).cloned().collect())
        };
        match topics {
            Topics::Only(topics) if topics.is_empty() && all => {}
            Topics::Only(topics) if topics.is_empty() => {
                return Err(ChoiceError::NothingOf { digest: digest.id.clone(), known: has.join(", ") });
            }
            topics => chosen.push(Chosen { digest: digest.id.clone(), topics }),
        }
    }
    Ok(chosen)
}

/// A choice as one line of a token: `weekly;jobs=early-years,health`. Ids have none of these marks.
pub(super) fn pack(choice: &[Chosen]) -> String {
    let packed = choice.iter().map(|chosen| match &chosen.topics {
        Topics::All => chosen.digest.clone(),
        topics @ Topics::Only(_) => format!("{}={}", chosen.digest, topics.stored()),
    });
    packed.collect::<Vec<_>>().join(";")
}

/// Reads what [`pack`] wrote.
pub(super) fn unpack(line: &str) -> Vec<Chosen> {
    let parts = line.split(';').filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((digest, topics)) => Chosen { digest: digest.to_owned(), topics: Topics::parse(topics) },
            None => Chosen { digest: part.to_owned(), topics: Topics::All },
        })
        .collect()
}
