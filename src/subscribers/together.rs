//! Leaves with all who leave at the same moment in one transaction: thousands of mail programs do so within seconds of an
//! issue, and one durable commit takes the time of many.
//!
//! Whoever comes lines up; the first in line takes everybody who waits by the time that the store is free. A request that
//! is given up by its sender is carried out all the same.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::leave::Done;
use super::{Leave, Origin, Subscribers, SubscribersError};
use crate::domain::PublicId;
use crate::store::Durability;

/// How many leave in one transaction; whoever else wants to write does not wait for longer than that takes.
const TOGETHER: usize = 250;

/// A leaving that waits for its turn.
pub(super) struct Leaving {
    subscriber: PublicId,
    /// None: all of them.
    digest: Option<String>,
    source: String,
    actor: String,
    network: Option<String>,
    agent: Option<String>,
}

impl Leaving {
    pub(super) fn new(subscriber: &PublicId, what: Leave<'_>, origin: Origin<'_>) -> Self {
        Self {
            subscriber: subscriber.clone(),
            digest: match what {
                Leave::Digest(digest) => Some(digest.to_owned()),
                Leave::All => None,
            },
            source: origin.source.to_owned(),
            actor: origin.actor.to_owned(),
            network: origin.network.map(str::to_owned),
            agent: origin.agent.map(str::to_owned),
        }
    }

    fn what(&self) -> Leave<'_> {
        self.digest.as_deref().map_or(Leave::All, Leave::Digest)
    }

    fn origin(&self) -> Origin<'_> {
        let origin = Origin { source: &self.source, actor: &self.actor, network: None, agent: None };
        origin.from(self.network.as_deref(), self.agent.as_deref())
    }
}

/// The line.
#[derive(Default)]
pub(super) struct Together {
    waiting: Mutex<Vec<(Leaving, oneshot::Sender<Done>)>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Together {
    /// Lines up, and leaves. `None`: it could not be done together, and is to be tried alone.
    pub(super) async fn leave(self: &Arc<Self>, subscribers: &Subscribers, leaving: Leaving) -> Option<Done> {
        let (answer, done) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((leaving, answer));
        let (line, subscribers) = (Arc::clone(self), subscribers.clone());
        // Not a part of this request, which may be given up any moment while others rely on it.
        tokio::spawn(async move {
            let _turn = line.turn.lock().await;
            line.take_turn(&subscribers).await;
        });
        done.await.ok()
    }

    /// Lets those leave who have waited longest. Where that fails, they are left without an answer.
    async fn take_turn(&self, subscribers: &Subscribers) {
        let batch: Vec<_> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = waiting.len().min(TOGETHER);
            waiting.drain(..count).collect()
        };
        // Everybody has been taken along by those before.
        if batch.is_empty() {
            return;
        }
        match write(subscribers, batch.iter().map(|(leaving, _)| leaving)).await {
            Ok(done) => {
                for ((_, answer), done) in batch.into_iter().zip(done) {
                    // Whoever has gone away has left all the same.
                    let _ = answer.send(done);
                }
            }
            Err(error) => tracing::warn!(%error, people = batch.len(), "leaving together failed; each tries alone"),
        }
    }
}

async fn write(
    subscribers: &Subscribers,
    batch: impl Iterator<Item = &Leaving>,
) -> Result<Vec<Done>, SubscribersError> {
    let mut session = subscribers.store.write(Durability::Full).await?;
    let mut done = Vec::new();
    for leaving in batch {
        done.push(subscribers.leave_within(&mut session, &leaving.subscriber, leaving.what(), leaving.origin()).await?);
    }
    session.commit().await?;
    Ok(done)
}
