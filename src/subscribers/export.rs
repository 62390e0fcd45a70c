//! Exports all subscribers as a CSV file that the import reads back, so that nothing is lost on the way.

use std::io::Write;

use super::choice::Topics;
use super::import::{
    Event, Reason, Request, as_text, cut, proves, stricter, write_former, write_history, write_mark,
    write_subscriptions, write_turn,
};
use super::{Keys, Subscribers, SubscribersError, SuppressionReason};
use crate::domain::{EmailAddress, PublicId, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{
    Ask, ConsentRow, FormerAddressRow, GivenReasonRow, JoinRequestRow, Session, StoreError, SubscriberRow,
    SubscriptionRow, SuppressionRow,
};

/// How many subscribers are read at once.
const PAGE: i64 = 500;

/// The columns: first those that a person fills in, then those that keep a round trip exact.
const HEADER: [&str; 19] = [
    "email",
    "name",
    "state",
    "topics",
    "digests",
    "locale",
    "confirmed_at",
    "evidence",
    "subscriptions",
    "suppressed",
    "network",
    "created_at",
    "id",
    "former_addresses",
    "consent",
    "join_requests",
    "leave_reasons",
    "to_be_asked",
    "state_unsuppressed",
];

impl Subscribers {
    /// Writes all subscribers as CSV to `to`; gives how many there were.
    ///
    /// # Errors
    /// When the store fails, or `to` cannot be written.
    pub async fn export_all(&self, to: impl Write) -> Result<u64, SubscribersError> {
        let mut table = csv::Writer::from_writer(to);
        let unwritable = |error: csv::Error| SubscribersError::Export(error.into());
        table.write_record(HEADER).map_err(unwritable)?;
        let (mut after, mut count) = (0, 0);
        loop {
            let mut session = self.store.read().await?;
            let Some(page) = Page::read(&mut session, after).await? else { break };
            // Nobody waits for whoever reads the file.
            drop(session);
            let mut rest = page.all();
            for row in &page.rows {
                after = row.id;
                table.write_record(rest.take(row).record(row, &self.keys)).map_err(unwritable)?;
                count += 1;
            }
        }
        table.flush().map_err(SubscribersError::Export)?;
        Ok(count)
    }
}

/// Some subscribers with all that is held of them, each list in the order of the subscribers.
struct Page {
    rows: Vec<SubscriberRow>,
    subscriptions: Vec<SubscriptionRow>,
    suppressions: Vec<SuppressionRow>,
    ids: Vec<(i64, PublicId)>,
    addresses: Vec<FormerAddressRow>,
    events: Vec<ConsentRow>,
    requests: Vec<JoinRequestRow>,
    reasons: Vec<GivenReasonRow>,
    asks: Vec<Ask>,
}

/// What is held beside the row of one of them, or of all that follow.
struct Held<'p> {
    subscriptions: &'p [SubscriptionRow],
    suppressions: &'p [SuppressionRow],
    ids: &'p [(i64, PublicId)],
    addresses: &'p [FormerAddressRow],
    events: &'p [ConsentRow],
    requests: &'p [JoinRequestRow],
    reasons: &'p [GivenReasonRow],
    asks: &'p [Ask],
}

impl Page {
    /// The subscribers after that row; `None`: there are none.
    async fn read(session: &mut Session, after: i64) -> Result<Option<Self>, StoreError> {
        let rows = session.subscribers_after(after, PAGE).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
        let (first, last) = (first.id, last.id);
        let hashes: Vec<&str> = rows.iter().map(|row| row.address_hash.as_str()).collect();
        Ok(Some(Self {
            subscriptions: session.subscriptions_between(first, last).await?,
            suppressions: session.suppressions_among(&hashes).await?,
            ids: session.former_ids_between(first, last).await?,
            addresses: session.former_addresses_between(first, last).await?,
            events: session.consent_between(first, last).await?,
            requests: session.join_requests_between(first, last).await?,
            reasons: session.reasons_between(first, last).await?,
            asks: session.asks_between(first, last).await?,
            rows,
        }))
    }

    fn all(&self) -> Held<'_> {
        Held {
            subscriptions: &self.subscriptions,
            suppressions: &self.suppressions,
            ids: &self.ids,
            addresses: &self.addresses,
            events: &self.events,
            requests: &self.requests,
            reasons: &self.reasons,
            asks: &self.asks,
        }
    }
}

/// Cuts the rows of that subscriber off the front.
fn of<'r, R>(rows: &mut &'r [R], subscriber: i64, whose: impl Fn(&R) -> i64) -> &'r [R] {
    let before = rows.partition_point(|row| whose(row) < subscriber);
    let end = rows.partition_point(|row| whose(row) <= subscriber);
    let theirs = &rows[before..end];
    *rows = &rows[end..];
    theirs
}

impl<'p> Held<'p> {
    /// What is that subscriber's, off the front of all.
    fn take(&mut self, row: &SubscriberRow) -> Held<'p> {
        let at = self.suppressions.iter().position(|have| have.address_hash == row.address_hash);
        Held {
            subscriptions: of(&mut self.subscriptions, row.id, |have| have.subscriber_id),
            suppressions: at.map_or(&[][..], |at| &self.suppressions[at..=at]),
            ids: of(&mut self.ids, row.id, |(subscriber, _)| *subscriber),
            addresses: of(&mut self.addresses, row.id, |former| former.subscriber_id),
            events: of(&mut self.events, row.id, |event| event.subscriber_id),
            requests: of(&mut self.requests, row.id, |request| request.subscriber_id),
            reasons: of(&mut self.reasons, row.id, |reason| reason.subscriber_id),
            asks: of(&mut self.asks, row.id, |ask| ask.subscriber_id),
        }
    }

    fn record(&self, row: &SubscriberRow, keys: &Keys) -> [String; HEADER.len()] {
        // What they get, or would once they confirm; `subscriptions` keeps what they chose.
        let mailed = matches!(row.state, SubscriberState::Pending | SubscriberState::Confirmed);
        let gets = mailed && self.suppressions.is_empty();
        let wanted = self.subscriptions.iter().filter(|have| gets && have.state != SubscriptionState::Left);
        let wanted: Vec<&SubscriptionRow> = wanted.collect();
        let digests: Vec<&str> = wanted.iter().map(|have| have.digest.as_str()).collect();
        let network = self.events.iter().rev().find_map(|event| event.network.clone());
        // Who reads the first columns alone takes nobody for confirmed to whom nothing is mailed.
        let shown = self.suppressions.first().map_or(row.state, |why| restricted(row.state, why));
        let own = if shown == row.state { String::new() } else { row.state.to_string() };
        let ids = std::iter::once(&row.public_id).chain(self.ids.iter().map(|(_, id)| id)).map(PublicId::as_str);
        [
            row.email.clone(),
            row.name.clone(),
            shown.to_string(),
            topics(&wanted).join(";"),
            digests.join(";"),
            row.locale.clone().unwrap_or_default(),
            row.confirmed_at.map(UtcMillis::exact).unwrap_or_default(),
            self.evidence(row),
            write_subscriptions(self.subscriptions),
            self.suppressions.first().map(write_mark).unwrap_or_default(),
            network.unwrap_or_default(),
            row.created_at.exact(),
            ids.collect::<Vec<_>>().join(" "),
            write_former(&self.former(keys)),
            write_history::<_, Event>(self.events),
            write_history::<_, Request>(self.requests),
            write_history::<_, Reason>(self.reasons),
            self.asks.first().map(write_turn).unwrap_or_default(),
            own,
        ]
        .map(as_text)
    }

    /// The addresses that they had before. The store keeps hashes of them; what they are is said by the events of that time.
    fn former(&self, keys: &Keys) -> Vec<(String, UtcMillis)> {
        let address_of = |former: &FormerAddressRow| {
            let is_it = |event: &&ConsentRow| {
                EmailAddress::parse(&event.address).is_ok_and(|it| keys.address_hash(&it) == former.address_hash)
            };
            self.events.iter().find(is_it).map(|event| (event.address.clone(), former.moved_at))
        };
        self.addresses.iter().filter_map(address_of).collect()
    }

    /// What proves that somebody who is confirmed has agreed, in one line. An import that brought the events along proves
    /// nothing that they do not.
    fn evidence(&self, row: &SubscriberRow) -> String {
        if row.state != SubscriberState::Confirmed {
            return String::new();
        }
        let proof = self.events.iter().rev().find(|event| match event.event.as_str() {
            "confirmed" => true,
            "imported" => event.evidence.as_deref().is_some_and(proves),
            _ => false,
        });
        let Some(proof) = proof else { return String::new() };
        let words = proof.evidence.as_deref().or(proof.wording.as_deref()).unwrap_or_default();
        cut(&format!("{} {} by {} ({}): {words}", proof.event, proof.at, proof.actor, proof.source))
    }
}

/// The state that says of somebody, in the words that every list has, that their address is suppressed.
fn restricted(own: SubscriberState, why: &SuppressionRow) -> SubscriberState {
    let said = match SuppressionReason::parse(&why.reason) {
        SuppressionReason::Bounced => SubscriberState::Bounced,
        SuppressionReason::Complaint => SubscriberState::Complained,
        SuppressionReason::Erased | SuppressionReason::Manual => SubscriberState::Unsubscribed,
    };
    stricter(own, said)
}

/// All topics that are chosen in any digest.
fn topics(wanted: &[&SubscriptionRow]) -> Vec<String> {
    let mut topics: Vec<String> = Vec::new();
    for have in wanted {
        if let Topics::Only(only) = Topics::parse(&have.topics) {
            topics.extend(only.into_iter().filter(|topic| !topics.contains(topic)).collect::<Vec<_>>());
        }
    }
    topics
}
