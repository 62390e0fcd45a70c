//! The model's bits as the words of the program.

use postround::domain::SubscriberState;
use postround::subscribers::{Chosen, Topics};

use super::people::{ALL, DIGESTS, Standing, TOPICS, Wanted};

/// No topic named means all.
pub fn or_all(bits: u8) -> u8 {
    if bits == 0 { ALL } else { bits }
}

/// Which digests, and the same topics of each.
pub fn wanted(digests: u8, topics: u8) -> Wanted {
    (0..DIGESTS.len()).filter(|digest| digests & (1 << digest) != 0).map(|digest| (digest, or_all(topics))).collect()
}

/// These topics.
pub fn topics(bits: u8) -> Topics {
    let chosen = TOPICS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    if bits == ALL { Topics::All } else { Topics::Only(chosen.map(|(_, topic)| (*topic).to_owned()).collect()) }
}

/// That choice.
pub fn choice(wanted: &Wanted) -> Vec<Chosen> {
    wanted.iter().map(|(digest, bits)| Chosen { digest: DIGESTS[*digest].to_owned(), topics: topics(*bits) }).collect()
}

/// The state of who stands there; none: is not known.
pub fn state(standing: Standing) -> Option<SubscriberState> {
    Some(match standing {
        Standing::Unknown => return None,
        Standing::Pending => SubscriberState::Pending,
        Standing::Confirmed => SubscriberState::Confirmed,
        Standing::Left => SubscriberState::Unsubscribed,
        Standing::Bounced => SubscriberState::Bounced,
        Standing::Complained => SubscriberState::Complained,
    })
}
