//! Exports all subscribers as a CSV file that the import reads back, so that nothing is lost on the way.

use std::io::Write;

use super::choice::Topics;
use super::import::{cut, exact, write_events, write_mark, write_subscriptions};
use super::{Subscribers, SubscribersError};
use crate::domain::{PublicId, SubscriberState, SubscriptionState};
use crate::store::{ConsentRow, SubscriberRow, SubscriptionRow, SuppressionRow};

/// How many subscribers are read at once.
const PAGE: i64 = 500;

/// The columns: first those that a person fills in, then those that keep a round trip exact.
const HEADER: [&str; 14] = [
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
    "consent",
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
            let rows = session.subscribers_after(after, PAGE).await?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { break };
            let (first, last) = (first.id, last.id);
            let subscriptions = session.subscriptions_between(first, last).await?;
            let events = session.consent_between(first, last).await?;
            let former = session.former_ids_between(first, last).await?;
            let hashes: Vec<&str> = rows.iter().map(|row| row.address_hash.as_str()).collect();
            let suppressions = session.suppressions_among(&hashes).await?;
            drop(session);
            after = last;
            let (mut subscriptions, mut events) = (subscriptions.as_slice(), events.as_slice());
            let mut former = former.as_slice();
            for row in &rows {
                let theirs = of(&mut subscriptions, row.id, |have| have.subscriber_id);
                let past = of(&mut events, row.id, |event| event.subscriber_id);
                let before = of(&mut former, row.id, |(subscriber, _)| *subscriber);
                let suppression = suppressions.iter().find(|have| have.address_hash == row.address_hash);
                table.write_record(record(row, theirs, past, before, suppression)).map_err(unwritable)?;
                count += 1;
            }
        }
        table.flush().map_err(SubscribersError::Export)?;
        Ok(count)
    }
}

/// Cuts the rows of that subscriber off the front; both are ordered by subscriber.
fn of<'r, R>(rows: &mut &'r [R], subscriber: i64, whose: impl Fn(&R) -> i64) -> &'r [R] {
    let before = rows.partition_point(|row| whose(row) < subscriber);
    let end = rows.partition_point(|row| whose(row) <= subscriber);
    let theirs = &rows[before..end];
    *rows = &rows[end..];
    theirs
}

fn record(
    row: &SubscriberRow,
    subscriptions: &[SubscriptionRow],
    events: &[ConsentRow],
    former: &[(i64, PublicId)],
    suppression: Option<&SuppressionRow>,
) -> [String; 14] {
    let wanted: Vec<&SubscriptionRow> =
        subscriptions.iter().filter(|have| have.state != SubscriptionState::Left).collect();
    let digests: Vec<&str> = wanted.iter().map(|have| have.digest.as_str()).collect();
    let mut topics: Vec<String> = Vec::new();
    for have in &wanted {
        if let Topics::Only(only) = Topics::parse(&have.topics) {
            topics.extend(only.into_iter().filter(|topic| !topics.contains(topic)).collect::<Vec<_>>());
        }
    }
    let network = events.iter().rev().find_map(|event| event.network.clone());
    [
        row.email.clone(),
        row.name.clone(),
        row.state.to_string(),
        topics.join(";"),
        digests.join(";"),
        row.locale.clone().unwrap_or_default(),
        row.confirmed_at.map(exact).unwrap_or_default(),
        evidence(row, events),
        write_subscriptions(subscriptions),
        suppression.map(write_mark).unwrap_or_default(),
        network.unwrap_or_default(),
        exact(row.created_at),
        std::iter::once(&row.public_id)
            .chain(former.iter().map(|(_, id)| id))
            .map(PublicId::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        if events.is_empty() { String::new() } else { write_events(events) },
    ]
}

/// What proves that somebody who is confirmed has agreed, in one line.
fn evidence(row: &SubscriberRow, events: &[ConsentRow]) -> String {
    if row.state != SubscriberState::Confirmed {
        return String::new();
    }
    let proof = events.iter().rev().find(|event| matches!(event.event.as_str(), "confirmed" | "imported"));
    let Some(proof) = proof else { return String::new() };
    let words = proof.evidence.as_deref().or(proof.wording.as_deref()).unwrap_or_default();
    cut(&format!("{} {} by {} ({}): {words}", proof.event, proof.at, proof.actor, proof.source))
}
