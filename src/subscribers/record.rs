//! What is held of a subscriber, as `subscriber show` and `subscriber list` give it.

use std::collections::HashMap;

use serde::Serialize;

use super::choice::{Topics, topics_of, unpack};
use super::choose::paused_until;
use super::why::{WhySuppressed, bar};
use super::{Subscribers, SubscribersError};
use crate::domain::{EmailAddress, PublicId, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{ConsentRow, JoinRequestRow, ReasonRow, Session, SubscriberRow, SubscriptionRow, SuppressionRow};

/// How many subscribers a list reads at once.
const PAGE: i64 = 500;

/// All that is held of one subscriber; the serialised form is part of the contract.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The address.
    pub email: String,
    /// The name; may be empty.
    pub name: String,
    /// Where they stand.
    pub state: SubscriberState,
    /// The language they chose.
    pub locale: Option<String>,
    /// When they were first heard of.
    pub created_at: UtcMillis,
    /// When they last confirmed.
    pub confirmed_at: Option<UtcMillis>,
    /// The digests they have asked for, those they have left included.
    pub digests: Vec<RecordDigest>,
    /// The evidence, oldest first.
    pub consent: Vec<RecordEvent>,
    /// What was asked for in their name and waits for their answer, oldest first; not in a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RecordRequest>,
    /// When they are to be asked, whom an import brought without evidence; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_be_asked: Option<RecordAsk>,
    /// Why they left, where they said so; not in a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<RecordReason>,
    /// Addresses that they had before; not in a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub former_addresses: Vec<RecordFormerAddress>,
}

/// An address that somebody had before, by which an old list still means them.
#[derive(Clone, Debug, Serialize)]
pub struct RecordFormerAddress {
    /// A keyed hash, which cannot be turned back into the address.
    pub address_hash: String,
    /// When they moved away from it.
    pub moved_at: UtcMillis,
}

/// What somebody, perhaps a stranger, asked for in their name: it counts once they confirm it.
#[derive(Clone, Debug, Serialize)]
pub struct RecordRequest {
    /// When.
    pub at: UtcMillis,
    /// The digests.
    pub digests: Vec<RecordChoice>,
    /// The name that was typed; may be empty.
    pub name: String,
    /// The language that was asked in.
    pub locale: Option<String>,
    /// When they were reminded of it.
    pub reminded_at: Option<UtcMillis>,
}

/// A digest that was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct RecordChoice {
    /// The digest.
    pub id: String,
    /// The topics; with `all_topics` those that the digest has now.
    pub topics: Vec<String>,
    /// Whether topics that come later are included.
    pub all_topics: bool,
}

/// When somebody is to be asked whether they want what an import says.
#[derive(Clone, Debug, Serialize)]
pub struct RecordAsk {
    /// When.
    pub at: UtcMillis,
    /// The import that brought them.
    pub source: String,
}

/// Why somebody left a digest.
#[derive(Clone, Debug, Serialize)]
pub struct RecordReason {
    /// The digest.
    pub digest: String,
    /// When they left it.
    pub at: UtcMillis,
    /// The answer that they picked.
    pub reason: String,
    /// What they wrote beside it; may be empty.
    pub note: String,
}

impl From<ReasonRow> for RecordReason {
    fn from(row: ReasonRow) -> Self {
        Self { digest: row.digest, at: row.left_at, reason: row.reason, note: row.note }
    }
}

/// A subscription.
#[derive(Clone, Debug, Serialize)]
pub struct RecordDigest {
    /// The digest.
    pub id: String,
    /// A pause that is over counts as active.
    pub state: SubscriptionState,
    /// The topics; with `all_topics` those that the digest has now.
    pub topics: Vec<String>,
    /// Whether topics that come later are included.
    pub all_topics: bool,
    /// Until when nothing is sent.
    pub paused_until: Option<UtcMillis>,
    /// Whether its issues go to them: somebody who never confirmed, bounced, complained or is suppressed gets none, whatever
    /// they are subscribed to.
    pub gets: bool,
    /// Why not, in a sentence.
    #[serde(skip)]
    pub why_not: Option<String>,
}

/// A consent event.
#[derive(Clone, Debug, Serialize)]
pub struct RecordEvent {
    /// `asked`, `reminded`, `confirmed`, `chose`, `left`, `returned`, `profile`, `moved`, `imported`, `suppressed`,
    /// `unsuppressed`.
    pub event: String,
    /// When.
    pub at: UtcMillis,
    /// The address at that time.
    pub address: String,
    /// The digest that it is about.
    pub digest: Option<String>,
    /// Where it came from.
    pub source: String,
    /// `subscriber`, `operator` or `relay`.
    pub actor: String,
    /// The network address that it came from.
    pub network: Option<String>,
    /// What the program there calls itself.
    pub agent: Option<String>,
    /// What the person was shown, word by word.
    pub wording: Option<String>,
    /// Tells one wording from another: the same for the same words.
    pub wording_version: Option<String>,
    /// What proves it.
    pub evidence: Option<String>,
}

impl Subscribers {
    /// What is held of that address; `None`: nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn show(&self, address: &EmailAddress) -> Result<Option<Record>, SubscribersError> {
        let mut session = self.store.read().await?;
        let hash = self.keys.address_hash(address);
        let Some(row) = session.subscriber_by_hash(&hash).await? else { return Ok(None) };
        Ok(Some(self.record_of(&mut session, row).await?))
    }

    /// What stands outside for whoever has that address.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn public_id(&self, address: &EmailAddress) -> Result<Option<PublicId>, SubscribersError> {
        let mut session = self.store.read().await?;
        Ok(session.subscriber_by_hash(&self.keys.address_hash(address)).await?.map(|row| row.public_id))
    }

    /// What is held of that subscriber.
    pub(super) async fn record_of(
        &self,
        session: &mut Session,
        row: SubscriberRow,
    ) -> Result<Record, SubscribersError> {
        let subscriptions = session.subscriptions_between(row.id, row.id).await?;
        let events = session.consent_between(row.id, row.id).await?;
        let reasons = session.reasons_of_subscriber(row.id).await?;
        let former = session.former_addresses_between(row.id, row.id).await?;
        let requests = session.join_requests_between(row.id, row.id).await?;
        let ask = session.asks_between(row.id, row.id).await?.pop();
        let suppression = session.suppression(&row.address_hash).await?;
        let former = former
            .into_iter()
            .map(|row| RecordFormerAddress { address_hash: row.address_hash, moved_at: row.moved_at });
        Ok(Record {
            former_addresses: former.collect(),
            requests: requests.into_iter().map(|row| self.request(row)).collect(),
            to_be_asked: ask.map(|ask| RecordAsk { at: ask.due_at, source: ask.source }),
            reasons: reasons.into_iter().map(RecordReason::from).collect(),
            ..self.record(row, suppression, subscriptions, events)
        })
    }

    /// Gives every subscriber to `each`, in the order in which they came, a page at a time. An error of `each` ends it.
    ///
    /// # Errors
    /// When the store fails, or `each` does.
    pub async fn list<E: From<SubscribersError>>(
        &self,
        mut each: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = 0;
        loop {
            let page = self.page(after).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (_, record) in page {
                each(record)?;
            }
        }
    }

    /// The next subscribers after a row id, with theirs.
    async fn page(&self, after: i64) -> Result<Vec<(i64, Record)>, SubscribersError> {
        let mut session = self.store.read().await?;
        let rows = session.subscribers_after(after, PAGE).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let (first, last) = (first.id, last.id);
        let mut subscriptions = session.subscriptions_between(first, last).await?.into_iter().peekable();
        let mut events = session.consent_between(first, last).await?.into_iter().peekable();
        let hashes: Vec<&str> = rows.iter().map(|row| row.address_hash.as_str()).collect();
        let suppressed = session.suppressions_among(&hashes).await?.into_iter();
        let mut suppressed: HashMap<String, SuppressionRow> =
            suppressed.map(|row| (row.address_hash.clone(), row)).collect();
        let mut page = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id;
            let mine = std::iter::from_fn(|| subscriptions.next_if(|have| have.subscriber_id <= id));
            let mine = mine.filter(|have| have.subscriber_id == id).collect();
            let evidence = std::iter::from_fn(|| events.next_if(|event| event.subscriber_id <= id));
            let evidence = evidence.filter(|event| event.subscriber_id == id).collect();
            let suppression = suppressed.remove(&row.address_hash);
            page.push((id, self.record(row, suppression, mine, evidence)));
        }
        Ok(page)
    }

    fn record(
        &self,
        row: SubscriberRow,
        suppression: Option<SuppressionRow>,
        subscriptions: Vec<SubscriptionRow>,
        events: Vec<ConsentRow>,
    ) -> Record {
        let now = self.now();
        let suppressed = suppression.map(WhySuppressed::from);
        let digests = subscriptions.into_iter().map(|have| {
            let why_not = match self.config.digest(&have.digest) {
                Some(_) => bar(Some(&row), suppressed.as_ref(), Some(&have), now),
                None => Some("the configuration has no such digest".to_owned()),
            };
            let paused_until = paused_until(&have, now);
            let (topics, all_topics) = self.topics_now(&have.digest, Topics::parse(&have.topics));
            let over = have.state == SubscriptionState::Paused && paused_until.is_none();
            let state = if over { SubscriptionState::Active } else { have.state };
            RecordDigest { id: have.digest, state, topics, all_topics, paused_until, gets: why_not.is_none(), why_not }
        });
        let digests = digests.collect();
        Record {
            digests,
            requests: Vec::new(),
            to_be_asked: None,
            reasons: Vec::new(),
            former_addresses: Vec::new(),
            consent: events.into_iter().map(RecordEvent::from).collect(),
            email: row.email,
            name: row.name,
            state: row.state,
            locale: row.locale,
            created_at: row.created_at,
            confirmed_at: row.confirmed_at,
        }
    }

    fn request(&self, row: JoinRequestRow) -> RecordRequest {
        let digests = unpack(&row.choice).into_iter().map(|chosen| {
            let (topics, all_topics) = self.topics_now(&chosen.digest, chosen.topics);
            RecordChoice { id: chosen.digest, topics, all_topics }
        });
        let digests = digests.collect();
        RecordRequest { at: row.asked_at, digests, name: row.name, locale: row.locale, reminded_at: row.reminded_at }
    }

    /// The topics by name, and whether those that come later are included.
    fn topics_now(&self, digest: &str, topics: Topics) -> (Vec<String>, bool) {
        match topics {
            Topics::Only(topics) => (topics.into_iter().collect(), false),
            Topics::All => {
                let digest = self.config.digest(digest);
                (digest.map(|digest| topics_of(&self.config, digest)).unwrap_or_default(), true)
            }
        }
    }
}

impl From<ConsentRow> for RecordEvent {
    fn from(row: ConsentRow) -> Self {
        Self {
            event: row.event,
            at: row.at,
            address: row.address,
            digest: row.digest,
            source: row.source,
            actor: row.actor,
            network: row.network,
            agent: row.agent,
            wording_version: row.wording.as_deref().map(version),
            wording: row.wording,
            evidence: row.evidence,
        }
    }
}

/// The beginning of the hash of a text.
fn version(wording: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, wording.as_bytes());
    data_encoding::HEXLOWER.encode(&digest.as_ref()[..6])
}
