//! Writes a chunk of checked rows in one short transaction.

use std::path::Path;

use super::Import;
use super::changes::Changes;
use super::decide::{Known, Numbered};
use super::report::Counts;
use crate::domain::UtcMillis;
use crate::store::{Ask, Durability, Session};
use crate::subscribers::{Origin, Subscribers, SubscribersError, TRIES};

impl Subscribers {
    /// Writes a chunk in one transaction. `pace` says when the next one is asked.
    pub(super) async fn apply_chunk(
        &self,
        chunk: &[Numbered],
        import: &Import<'_>,
        pace: &mut impl FnMut() -> UtcMillis,
    ) -> Result<Counts, SubscribersError> {
        let mut tries = 1;
        let (counts, refused, at) = loop {
            match self.try_apply_chunk(chunk, import, pace).await {
                Err(error) if error.is_contention() && tries < TRIES => {
                    error.give_way(tries).await;
                    tries += 1;
                }
                result => break result?,
            }
        };
        self.recall_unwanted(&refused, at).await?;
        Ok(counts)
    }

    /// Gives the hashes of the addresses too where something is not wanted any more, and the moment from which it is not.
    async fn try_apply_chunk(
        &self,
        chunk: &[Numbered],
        import: &Import<'_>,
        pace: &mut impl FnMut() -> UtcMillis,
    ) -> Result<(Counts, Vec<String>, UtcMillis), SubscribersError> {
        let source = format!("import of {}", name_of(import.path));
        let origin = Origin { source: &source, ..Origin::COMMAND_LINE };
        let mut session = self.store.write(Durability::Full).await?;
        let hashes: Vec<&str> = chunk.iter().map(|numbered| numbered.row.address_hash.as_str()).collect();
        session.lock_subscribers_among(&hashes).await?;
        session.lock_moved_among(&hashes).await?;
        let (mut counts, mut refused, now) = (Counts::default(), Vec::new(), self.now());
        let mut rest: Vec<&Numbered> = chunk.iter().collect();
        while !rest.is_empty() {
            let (changes, later) = self.apply_some(&mut session, counts, rest, import, (origin, now), pace).await?;
            refused.extend(changes.refused());
            (counts, rest) = (changes.counts, later);
        }
        session.commit().await?;
        Ok((counts, refused, now))
    }

    /// Writes some of the rows, and gives those that come later.
    async fn apply_some<'c>(
        &self,
        session: &mut Session,
        counts: Counts,
        rows: Vec<&'c Numbered>,
        import: &Import<'_>,
        (origin, now): (Origin<'_>, UtcMillis),
        pace: &mut impl FnMut() -> UtcMillis,
    ) -> Result<(Changes<'c>, Vec<&'c Numbered>), SubscribersError> {
        let known = Known::look_up(session, &rows, import.basis).await?;
        let (mut changes, later) = self.decide(&known, counts, rows, import, (origin, now));
        changes.insert(session, import, origin, now).await?;
        let asks: Vec<Ask> = if import.asks() {
            let ask = |subscriber_id: &i64| Ask {
                subscriber_id: *subscriber_id,
                due_at: pace(),
                source: origin.source.to_owned(),
            };
            changes.ask.iter().map(ask).collect()
        } else {
            changes.turns.iter().map(|(subscriber_id, turn)| turn.row(*subscriber_id, pace())).collect()
        };
        changes.write(session, &asks, now).await?;
        Ok((changes, later))
    }
}

/// The name of a file as a text; octets that are none stand there as `\xe9`.
fn name_of(path: &Path) -> String {
    let mut name = String::new();
    for chunk in path.file_name().unwrap_or_default().as_encoded_bytes().utf8_chunks() {
        name.push_str(chunk.valid());
        name.extend(chunk.invalid().iter().map(|octet| format!("\\x{octet:02x}")));
    }
    name
}
