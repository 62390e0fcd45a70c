//! The recorder: starts and results of all connections, committed together, many in one statement.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout_at};

use super::told::Told;
use crate::domain::DeliveryState;
use crate::store::{Durability, MOST_MARKS, Mark, Session, Store, StoreError};

/// How many entries wait before whoever brings more has to wait too.
const WAITING: usize = 256;
/// So many marks go into a statement at least, if they are there; with the last entry some more.
const TOGETHER: usize = MOST_MARKS / 2;
/// The pause after the store has failed; it doubles with each time.
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);

struct Entry {
    marks: Vec<Mark>,
    start: Option<(i64, oneshot::Sender<bool>)>,
}

/// For how long marks may not be on disk: a loss of power takes no more than what was marked in this time.
const OFF_DISK: Duration = Duration::from_secs(1);

/// Where messages go out faster than this, a commit waits for company.
const SOON: Duration = Duration::from_millis(1);

/// Takes marks from the connections. The recorder ends when the last clone is gone.
#[derive(Clone)]
pub struct Recorder {
    entries: mpsc::Sender<Entry>,
    in_flight: Arc<AtomicUsize>,
    expected: Arc<Expected>,
}

/// Deliveries whose results are on their way to the store, and how many of each.
#[derive(Default)]
struct Expected(Mutex<HashMap<i64, u32>>);

impl Expected {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<i64, u32>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn recorded(&self, id: i64) {
        self.with(|expected| match expected.get_mut(&id) {
            Some(1) => drop(expected.remove(&id)),
            Some(more) => *more -= 1,
            None => {}
        });
    }
}

/// A message on its way to the relay, whose result will come.
pub struct Flight(Arc<AtomicUsize>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Recorder {
    /// A recorder for the deliveries of `owner`, and the loop that has to run for it. What is marked is on disk at once, or
    /// soon.
    pub fn new(
        store: Store,
        owner: String,
        durability: Durability,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, entries) = mpsc::channel(WAITING);
        let recorder = Self { entries: sender, in_flight: Arc::default(), expected: Arc::default() };
        let writer = Writer { store, owner, durability, held: None, sync_at: None };
        let recording = record(writer, entries, recorder.clone_counts());
        (recorder, recording)
    }

    fn clone_counts(&self) -> (Arc<AtomicUsize>, Arc<Expected>) {
        (Arc::clone(&self.in_flight), Arc::clone(&self.expected))
    }

    /// A result of that delivery will be brought.
    pub fn expect(&self, id: i64) {
        self.expected.with(|expected| *expected.entry(id).or_default() += 1);
    }

    /// The result of that delivery has been recorded in another way.
    pub fn recorded(&self, id: i64) {
        self.expected.recorded(id);
    }

    /// Deliveries whose results are not in the store yet.
    pub fn unrecorded(&self) -> Vec<i64> {
        self.expected.with(|expected| expected.keys().copied().collect())
    }

    /// Tells that a message goes out, for as long as the value lives.
    pub fn flight(&self) -> Flight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight(Arc::clone(&self.in_flight))
    }

    /// Records results; does not wait until they are.
    pub async fn record(&self, results: Vec<Mark>) {
        for some in results.chunks(TOGETHER) {
            // It is gone only when the engine is: then the next one finds the delivery `sending`.
            let _ = self.entries.send(Entry { marks: some.to_vec(), start: None }).await;
        }
    }

    /// Records a start, and the results before it, in one commit. `false`: it must not be made, since the delivery has
    /// been cancelled or taken over.
    pub async fn start(&self, results: Vec<Mark>, start: Mark) -> bool {
        let (answer, granted) = oneshot::channel();
        let id = start.id;
        let mut marks = results;
        marks.push(start);
        if self.entries.send(Entry { marks, start: Some((id, answer)) }).await.is_err() {
            return false;
        }
        granted.await.unwrap_or(false)
    }
}

/// The writer's session, kept until others want it, since giving it back and asking for it anew costs as much as a commit.
struct Writer {
    store: Store,
    owner: String,
    durability: Durability,
    held: Option<Session>,
    /// Until what has been marked shall be on disk; none: it is.
    sync_at: Option<Pin<Box<Sleep>>>,
}

async fn record(
    mut writer: Writer,
    mut entries: mpsc::Receiver<Entry>,
    (in_flight, expected): (Arc<AtomicUsize>, Arc<Expected>),
) {
    let mut last = Instant::now();
    while let Some(first) = writer.first(&mut entries).await {
        let (mut marks, mut starts, mut count) = (first.marks, Vec::new(), 1);
        starts.extend(first.start);
        while marks.len() < TOGETHER {
            // What came in while the last commit ran goes into this one. Where many come close together, as many wait as
            // are under way: then neither the relay nor the store is ever idle, and each commit carries half of them.
            let wait = if count < in_flight.load(Ordering::Relaxed) { last + SOON } else { last };
            let Some(entry) = next(&mut entries, wait).await else { break };
            marks.extend(entry.marks);
            starts.extend(entry.start);
            count += 1;
        }
        let granted = writer.commit(&marks).await;
        marks.iter().filter(|mark| mark.next != DeliveryState::Sending).for_each(|mark| expected.recorded(mark.id));
        last = Instant::now();
        for (id, answer) in starts {
            // A connection that has gone away in the meantime sends nothing.
            let _ = answer.send(granted.contains(&id));
        }
    }
    writer.sync().await;
}

/// The next entry, if it is there or comes until then.
async fn next(entries: &mut mpsc::Receiver<Entry>, until: Instant) -> Option<Entry> {
    match entries.try_recv() {
        Ok(entry) => Some(entry),
        Err(_) if Instant::now() >= until => None,
        Err(_) => timeout_at(until, entries.recv()).await.ok().flatten(),
    }
}

impl Writer {
    /// The first entry of a commit. Others have the session until it comes.
    async fn first(&mut self, entries: &mut mpsc::Receiver<Entry>) -> Option<Entry> {
        loop {
            let (held, sync_at) = (&self.held, &mut self.sync_at);
            tokio::select! {
                biased;
                entry = entries.recv() => return entry,
                Some(()) = async { held.as_ref()?.wanted().await; Some(()) } => self.held = None,
                Some(()) = async { sync_at.as_mut()?.await; Some(()) } => self.sync().await,
            }
        }
    }

    /// Brings to the disk what has been marked, if it is not there.
    async fn sync(&mut self) {
        if self.sync_at.take().is_none() {
            return;
        }
        // On SQLite it is the same connection.
        self.held = None;
        if let Err(error) = self.store.sync().await {
            tracing::warn!(%error, "what has been delivered is not on disk yet");
            self.sync_at = Some(Box::pin(sleep(OFF_DISK)));
        }
    }

    /// Commits, again and again until the store takes it: the messages of these results have gone out already. Gives the
    /// starts that were granted.
    async fn commit(&mut self, marks: &[Mark]) -> HashSet<i64> {
        let mut pause = FIRST_PAUSE;
        let mut told = Told::default();
        if self.sync_at.as_ref().is_some_and(|at| at.deadline() <= Instant::now()) {
            self.sync().await;
        }
        let begun = Instant::now();
        loop {
            match self.try_commit(marks).await {
                Ok(granted) => {
                    if self.durability == Durability::Normal {
                        self.sync_at.get_or_insert_with(|| Box::pin(sleep_until(begun + OFF_DISK)));
                    }
                    return granted;
                }
                Err(error) => {
                    let wait = if error.is_transient() { pause } else { LONGEST_PAUSE };
                    if told.again() {
                        let marks = marks.len();
                        tracing::warn!(%error, marks, "results are not recorded yet; deliveries wait for the store");
                    }
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn try_commit(&mut self, marks: &[Mark]) -> Result<HashSet<i64>, StoreError> {
        let mut session = match self.held.take() {
            Some(session) if !session.is_wanted() => session,
            wanted => {
                // Whoever waits for it has it first.
                drop(wanted);
                self.store.marks_at(self.durability).await?
            }
        };
        let taken = session.mark_deliveries(&self.owner, marks).await?;
        self.held = Some(session);
        if taken.len() < marks.len() {
            tracing::debug!(marks = marks.len(), taken = taken.len(), "deliveries were cancelled or taken over");
        }
        Ok(taken.into_iter().filter(|(_, state)| state == DeliveryState::Sending.as_str()).map(|(id, _)| id).collect())
    }
}
