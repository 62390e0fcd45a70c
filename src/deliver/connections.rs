//! All connections of a run, in one task.
//!
//! They take turns on one thread: what each does between two waits takes less time than to wake another thread for it, and
//! those that are answered at the same moment have their starts in one commit. `FuturesUnordered` would do nearly the same,
//! and goes back to the scheduler after each has had one turn, which wakes a thread for nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::run::Run;
use super::session;

/// After so many rounds other tasks have a turn.
const ROUNDS: usize = 8;

/// Delivers what the feed has on all connections to all relays, until the feed ends.
pub async fn work(run: Arc<Run>) {
    let mut crew = Crew::default();
    for station in &run.shared.stations {
        for number in 0..station.config.connections.max(1) {
            crew.add(session::work(Arc::clone(&run), station.place, number));
        }
    }
    crew.await;
}

/// Futures that take turns; it ends with the last of them. One that panics ends alone.
#[derive(Default)]
struct Crew {
    members: Vec<Member>,
    turns: Arc<Turns>,
}

struct Member {
    /// None once it has ended.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    waker: Waker,
}

/// Who has a turn next.
#[derive(Default)]
struct Turns(Mutex<Next>);

#[derive(Default)]
struct Next {
    places: Vec<usize>,
    /// Whom to wake; none while the turns are being taken.
    task: Option<Waker>,
}

/// Asks for a turn for the member of that place.
struct Call {
    place: usize,
    turns: Arc<Turns>,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut next = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !next.places.contains(&self.place) {
            next.places.push(self.place);
        }
        let task = next.task.take();
        drop(next);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Crew {
    fn add(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        let call = Arc::new(Call { place: self.members.len(), turns: Arc::clone(&self.turns) });
        call.wake_by_ref();
        self.members.push(Member { work: Some(Box::pin(work)), waker: call.into() });
    }
}

impl Future for Crew {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut round = 0;
        while self.members.iter().any(|member| member.work.is_some()) {
            let mut next = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_idle = next.places.is_empty();
            if is_idle || round == ROUNDS {
                next.task = Some(cx.waker().clone());
                drop(next);
                if !is_idle {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            next.task = None;
            let places = std::mem::take(&mut next.places);
            drop(next);
            for place in places {
                self.members[place].take_turn();
            }
            round += 1;
        }
        Poll::Ready(())
    }
}

impl Member {
    fn take_turn(&mut self) {
        let Some(work) = &mut self.work else { return };
        let mut context = Context::from_waker(&self.waker);
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(())) => self.work = None,
            Err(_) => {
                self.work = None;
                tracing::error!(
                    "a connection to a relay is given up; what it had in hand is free when the engine ends"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn turns(count: Arc<AtomicUsize>) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn each_has_its_turns_and_one_that_panics_ends_alone() {
        let count = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let mut crew = Crew::default();
        crew.add(turns(Arc::clone(&count)));
        crew.add(async { panic!("as it must not be") });
        crew.add(async { receiver.await.unwrap() });
        crew.add(turns(Arc::clone(&count)));
        let crew = tokio::spawn(crew);
        while count.load(Ordering::Relaxed) < 200 {
            tokio::task::yield_now().await;
        }
        assert!(!crew.is_finished(), "one waits");
        sender.send(()).unwrap();
        crew.await.unwrap();
    }

    #[tokio::test]
    async fn none_keeps_other_tasks_from_their_turns() {
        let mut crew = Crew::default();
        crew.add(std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        let crew = tokio::spawn(crew);
        tokio::task::yield_now().await;
        crew.abort();
    }
}
