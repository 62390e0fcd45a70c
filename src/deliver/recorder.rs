//! The recorder: starts and results of all connections, committed together, many in one statement.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::domain::DeliveryState;
use crate::store::{MOST_MARKS, Mark, Store, StoreError};

/// How many entries wait before whoever brings more has to wait too.
const WAITING: usize = 256;
/// So many marks go into a statement at least, if they are there; with the last entry some more.
const TOGETHER: usize = MOST_MARKS / 2;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

struct Entry {
    marks: Vec<Mark>,
    start: Option<(i64, oneshot::Sender<bool>)>,
}

/// Takes marks from the connections. The recorder ends when the last clone is gone.
#[derive(Clone)]
pub struct Recorder(mpsc::Sender<Entry>);

impl Recorder {
    /// A recorder for the deliveries of `owner`, and the loop that has to run for it.
    pub fn new(store: Store, owner: String) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, entries) = mpsc::channel(WAITING);
        (Self(sender), record(store, owner, entries))
    }

    /// Records results; does not wait until they are.
    pub async fn record(&self, results: Vec<Mark>) {
        for some in results.chunks(TOGETHER) {
            // It is gone only when the engine is: then the next one finds the delivery `sending`.
            let _ = self.0.send(Entry { marks: some.to_vec(), start: None }).await;
        }
    }

    /// Records a start, and the results before it, in one commit. `false`: it must not be made, since the delivery has
    /// been cancelled or taken over.
    pub async fn start(&self, results: Vec<Mark>, start: Mark) -> bool {
        let (answer, granted) = oneshot::channel();
        let id = start.id;
        let mut marks = results;
        marks.push(start);
        if self.0.send(Entry { marks, start: Some((id, answer)) }).await.is_err() {
            return false;
        }
        granted.await.unwrap_or(false)
    }
}

async fn record(store: Store, owner: String, mut entries: mpsc::Receiver<Entry>) {
    while let Some(first) = entries.recv().await {
        let mut marks = first.marks;
        let mut starts: Vec<_> = first.start.into_iter().collect();
        // What came in while the last commit ran goes into this one.
        while marks.len() < TOGETHER
            && let Ok(entry) = entries.try_recv()
        {
            marks.extend(entry.marks);
            starts.extend(entry.start);
        }
        let granted = commit(&store, &owner, &marks).await;
        for (id, answer) in starts {
            // A connection that has gone away in the meantime sends nothing.
            let _ = answer.send(granted.contains(&id));
        }
    }
}

/// Commits, again and again until the store takes it: the messages of these results have gone out already. Gives the
/// starts that were granted.
async fn commit(store: &Store, owner: &str, marks: &[Mark]) -> HashSet<i64> {
    let mut pause = FIRST_PAUSE;
    loop {
        match try_commit(store, owner, marks).await {
            Ok(granted) => return granted,
            Err(error) => {
                let wait = if error.is_transient() { pause } else { LONGEST_PAUSE };
                tracing::warn!(%error, marks = marks.len(), "results are not recorded yet; deliveries wait for the store");
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

async fn try_commit(store: &Store, owner: &str, marks: &[Mark]) -> Result<HashSet<i64>, StoreError> {
    let taken = store.marks().await?.mark_deliveries(owner, marks).await?;
    if taken.len() < marks.len() {
        tracing::debug!(marks = marks.len(), taken = taken.len(), "deliveries were cancelled or taken over");
    }
    Ok(taken.into_iter().filter(|(_, state)| state == DeliveryState::Sending.as_str()).map(|(id, _)| id).collect())
}
