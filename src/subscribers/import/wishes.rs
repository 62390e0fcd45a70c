//! Which digests and topics a row asks for: by their ids, as our own export writes them, or as other programs' groups.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::values::{at_latest, moment, said, shown};
use crate::config::{Config, as_words};
use crate::domain::{SubscriptionState, UtcMillis};
use crate::store::SubscriptionRow;
use crate::subscribers::choice::{self, Chosen, Topics, topics_of};

/// How many different choices are remembered; a file has few.
const REMEMBERED: usize = 4096;

/// What a row asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// The digests and topics that a person gets who is not known.
    pub(super) choice: Vec<Chosen>,
    /// Whether the row itself says so; else `choice` is all that is public.
    pub(super) chosen: bool,
    /// The subscriptions as they stood where they come from; `subscriber_id` is empty.
    pub(super) exact: Vec<SubscriptionRow>,
    /// Ids of digests in `exact` that the configuration does not have.
    pub(super) foreign: Vec<String>,
}

impl Wishes {
    /// The digests that a person gets who is not known.
    pub(super) fn digests(&self) -> impl Iterator<Item = &str> {
        let exact = self.exact.iter().filter(|have| have.state != SubscriptionState::Left);
        let choice = self.choice.iter().filter(|_| self.exact.is_empty());
        exact.map(|have| have.digest.as_str()).chain(choice.map(|chosen| chosen.digest.as_str()))
    }
}

/// Turns fields into wishes, each spelling once.
pub(super) struct Chooser {
    config: Arc<Config>,
    known: HashMap<String, Arc<Wishes>>,
    /// Digests and topics by their ids and titles in small letters.
    offers: HashMap<String, Vec<Offer>>,
}

#[derive(Clone, Debug)]
enum Offer {
    Digest(String),
    Topic(String),
}

impl Chooser {
    pub(super) fn new(config: Arc<Config>) -> Self {
        let mut offers: HashMap<String, Vec<Offer>> = HashMap::new();
        for digest in &config.digests {
            for name in BTreeSet::from([digest.id.to_lowercase(), digest.title.to_lowercase()]) {
                offers.entry(name).or_default().push(Offer::Digest(digest.id.clone()));
            }
        }
        let topics: BTreeSet<String> = config.digests.iter().flat_map(|digest| topics_of(&config, digest)).collect();
        for topic in topics {
            // In a file it may be called as in any language.
            let titles = match config.topic(&topic) {
                Some(known) => known.title.texts().map(str::to_lowercase).collect(),
                None => vec![as_words(&topic).to_lowercase()],
            };
            for name in titles.into_iter().chain([topic.to_lowercase()]).collect::<BTreeSet<_>>() {
                offers.entry(name).or_default().push(Offer::Topic(topic.clone()));
            }
        }
        Self { config, known: HashMap::new(), offers }
    }

    /// The wishes of a row with these three fields; a field that is not there is empty.
    pub(super) fn choose(&mut self, digests: &str, topics: &str, exact: &str) -> Result<Arc<Wishes>, String> {
        let key = format!("{digests}\u{1}{topics}\u{1}{exact}");
        if let Some(known) = self.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        let wishes = Arc::new(if exact.is_empty() {
            let (digests, topics) = (super::values::list(digests), super::values::list(topics));
            let choice = choice::resolve_for_others(&self.config, &digests, &topics).map_err(said)?;
            Wishes { choice, chosen: !digests.is_empty() || !topics.is_empty(), ..Wishes::default() }
        } else {
            self.exactly(exact)?
        });
        // A file in which every row asks for something else is not worth remembering.
        if self.known.len() < REMEMBERED {
            self.known.insert(key, Arc::clone(&wishes));
        }
        Ok(wishes)
    }

    fn exactly(&self, text: &str) -> Result<Wishes, String> {
        let exact = read_subscriptions(text)?;
        let mut foreign: Vec<String> = Vec::new();
        for have in &exact {
            let Some(digest) = self.config.digest(&have.digest) else {
                foreign.push(have.digest.clone());
                continue;
            };
            if let Topics::Only(topics) = Topics::parse(&have.topics) {
                let offered = topics_of(&self.config, digest);
                foreign.extend(topics.into_iter().filter(|topic| !offered.contains(topic)));
            }
        }
        let wanted = exact.iter().filter(|have| have.state != SubscriptionState::Left);
        let chosen =
            |have: &SubscriptionRow| Chosen { digest: have.digest.clone(), topics: Topics::parse(&have.topics) };
        Ok(Wishes { choice: wanted.map(chosen).collect(), chosen: true, exact, foreign })
    }

    /// Whether a group of another program is called as a digest or a topic here.
    pub(super) fn offers(&self, group: &str) -> bool {
        self.offers.contains_key(group)
    }

    /// The wishes of whoever is in `groups`, in small letters; none of them means all that is public. A topic means the public
    /// digests that have it, where there are any: one that is not public has to be named itself. What is called as nothing
    /// here counts for nothing, so that the wishes can be empty.
    pub(super) fn of_groups(&mut self, groups: &[String]) -> Result<Arc<Wishes>, String> {
        if groups.is_empty() {
            return self.choose("", "", "");
        }
        let (mut digests, mut topics) = (BTreeSet::new(), BTreeSet::new());
        for offer in groups.iter().filter_map(|group| self.offers.get(group)).flatten() {
            match offer {
                Offer::Digest(id) => digests.insert(id.as_str()),
                Offer::Topic(id) => topics.insert(id.as_str()),
            };
        }
        let mut choice = Vec::new();
        let none_public = self.config.digests.iter().all(|digest| !digest.public);
        for digest in &self.config.digests {
            let named = digests.contains(digest.id.as_str());
            let offered = topics_of(&self.config, digest).into_iter().filter(|_| named || digest.public || none_public);
            let only: BTreeSet<String> = offered.filter(|topic| topics.contains(topic.as_str())).collect();
            let topics = match (only.is_empty(), named) {
                (true, false) => continue,
                (true, true) => Topics::All,
                (false, _) => Topics::Only(only),
            };
            choice.push(Chosen { digest: digest.id.clone(), topics });
        }
        Ok(Arc::new(Wishes { choice, chosen: true, ..Wishes::default() }))
    }

    /// The names of digests and topics here that occur in a line of names with nothing but spaces between, as phpList
    /// writes the lists of a person: the longest first, each once.
    pub(super) fn names_in(&self, line: &str) -> Vec<String> {
        let mut names: Vec<&String> = self.offers.keys().collect();
        names.sort_by_key(|name| (std::cmp::Reverse(name.len()), name.as_str()));
        let mut rest = format!(" {} ", line.to_lowercase().replace([',', ';', '\n'], " "));
        let mut found = Vec::new();
        for name in names {
            let spaced = format!(" {name} ");
            if rest.contains(&spaced) {
                rest = rest.replace(&spaced, "  ");
                found.push(name.clone());
            }
        }
        found
    }
}

/// Subscriptions in one field: `weekly=*; jobs=early-years,health paused 2026-12-24T08:00:00Z since 2026-01-05`.
pub(in crate::subscribers) fn write_subscriptions(subscriptions: &[SubscriptionRow]) -> String {
    let one = |have: &SubscriptionRow| {
        let mut text = format!("{}={}", have.digest, have.topics);
        if have.state != SubscriptionState::Active {
            text.push(' ');
            text.push_str(have.state.as_str());
        }
        for (word, moment) in [("until", have.paused_until), ("left", have.left_at), ("since", Some(have.created_at))] {
            if let Some(moment) = moment {
                text.push_str(&format!(" {word}={}", moment.exact()));
            }
        }
        text
    };
    subscriptions.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Reads what [`write_subscriptions`] wrote, or somebody by hand: only digest and topics must be there.
fn read_subscriptions(text: &str) -> Result<Vec<SubscriptionRow>, String> {
    let mut all: Vec<SubscriptionRow> = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let mut words = part.split_whitespace();
        let first = words.next().unwrap_or_default();
        let wrong = || {
            format!(
                "`{}` is no subscription; one looks like `weekly=*` or `weekly=news,jobs paused until=2026-12-24`",
                shown(part)
            )
        };
        let (digest, topics) = first.split_once('=').ok_or_else(wrong)?;
        let is_id = |id: &str| {
            !id.is_empty() && id.len() <= 200 && !id.contains([';', '=', ',', '*']) && !id.chars().any(char::is_control)
        };
        let topics_fit = topics == "*" || topics.split(',').all(is_id);
        if !is_id(digest) || !topics_fit {
            return Err(wrong());
        }
        if all.iter().any(|have| have.digest == digest) {
            return Err(format!("the digest `{}` stands twice in `subscriptions`", shown(digest)));
        }
        let mut have = SubscriptionRow {
            subscriber_id: 0,
            digest: digest.to_owned(),
            state: SubscriptionState::Active,
            topics: Topics::parse(topics).stored(),
            paused_until: None,
            created_at: UtcMillis(0),
            left_at: None,
        };
        for word in words {
            match word.split_once('=') {
                None => have.state = word.parse().map_err(|_| wrong())?,
                Some(("until", at)) => have.paused_until = Some(moment(at)?),
                Some(("left", at)) => have.left_at = Some(at_latest(at)?),
                Some(("since", at)) => have.created_at = moment(at)?,
                Some(_) => return Err(wrong()),
            }
        }
        if have.state == SubscriptionState::Paused && have.paused_until.is_none() {
            return Err(format!(
                "`{}` does not say until when it is paused, so that nothing would ever come; add a day, as in \
                 `paused until=2026-12-24`, or write `left`",
                shown(part)
            ));
        }
        all.push(have);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_of_subscriptions_is_read_back(
            digests in prop::collection::btree_set("[a-z][a-z0-9-]{0,9}", 0..4),
            topics in prop::collection::btree_set("[a-z][a-z0-9-]{0,9}", 0..3),
            times in prop::array::uniform3(0_i64..4_000_000_000_000), which in 0_usize..3,
        ) {
            let state = SubscriptionState::ALL[which];
            let topics = if topics.is_empty() { Topics::All } else { Topics::Only(topics) };
            let all: Vec<SubscriptionRow> = digests.into_iter().map(|digest| SubscriptionRow {
                subscriber_id: 0, digest, state, topics: topics.stored(), created_at: UtcMillis(times[0]),
                paused_until: (state == SubscriptionState::Paused).then_some(UtcMillis(times[1])),
                left_at: (state == SubscriptionState::Left).then_some(UtcMillis(times[2])),
            }).collect();
            prop_assert_eq!(read_subscriptions(&write_subscriptions(&all)), Ok(all));
        }

        #[test]
        fn a_pause_stays_written_down_in_whatever_state_it_was_left(until in 0_i64..4_000_000_000_000, which in 0_usize..3) {
            let have = SubscriptionRow {
                subscriber_id: 0, digest: "weekly".to_owned(), state: SubscriptionState::ALL[which], topics: "*".to_owned(),
                paused_until: Some(UtcMillis(until)), created_at: UtcMillis(0), left_at: None,
            };
            let all = vec![have];
            prop_assert_eq!(read_subscriptions(&write_subscriptions(&all)), Ok(all));
        }

        #[test]
        fn no_text_makes_the_reader_of_subscriptions_panic(text in ".{0,60}|[a-z=;, *]{0,40}") {
            let _ = read_subscriptions(&text);
        }
    }
}
