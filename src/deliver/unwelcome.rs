//! What a relay has refused in words that are about us, and which may be about one message, or one sender, alone: others are
//! tried before it, and once one of them gets through it is the relay's trouble no more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::message::Job;

/// For how long it counts that others got through, and that something was refused.
const KNOWN: Duration = Duration::from_secs(86_400);

/// A sender that was refused within this time is so still, as far as is known: it may not be tried for as long.
const LATELY: Duration = Duration::from_secs(900);

/// What was refused waits longer than the relay rests, by so many parts of that rest.
const PARTS: u32 = 4;

/// What a relay has refused as if that were about us.
#[derive(Default)]
pub struct Unwelcome {
    /// Whether the state has anything; written under its lock. As long as it has not, no message waits for that.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    deliveries: HashMap<i64, Refusal>,
    senders: HashMap<String, Refusal>,
    /// The latest message that got through since the last refusal: the date of its envelope, and when it was taken.
    taken: Option<(u64, Instant)>,
    /// The sender that was refused last while others got through.
    lately: Option<RefusedSender>,
}

/// A sender that a relay refuses while it takes mail from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSender {
    /// Who.
    pub sender: String,
    /// The relay's words.
    pub words: String,
    /// Since when that is known.
    pub since: Instant,
    /// When it was so last.
    pub at: Instant,
}

#[derive(Clone, Copy)]
struct Refusal {
    /// Its number among the refusals by which envelopes are dated.
    number: u64,
    /// Until when others go first.
    until: Instant,
}

impl Unwelcome {
    /// Whether another refusal of a delivery, in these words, is its own, or its sender's: others got through since the one before.
    /// `sender`: where it may be about that.
    pub fn is_own(&self, delivery: i64, sender: Option<&str>, words: &str) -> bool {
        let mut state = self.state();
        let Some((date, _)) = state.taken.filter(|(_, at)| at.elapsed() < KNOWN) else { return false };
        let is_before = |refusal: &Refusal| refusal.number <= date;
        if let Some(sender) = sender.filter(|sender| state.senders.get(*sender).is_some_and(is_before)) {
            let (now, words) = (Instant::now(), words.to_owned());
            let before = state.refused_sender().filter(|before| before.sender == sender);
            let since = before.map_or(now, |before| before.since);
            state.lately = Some(RefusedSender { sender: sender.to_owned(), words, since, at: now });
            return true;
        }
        state.deliveries.get(&delivery).is_some_and(is_before)
    }

    /// Which sender is refused while others get through.
    pub fn refused_sender(&self) -> Option<RefusedSender> {
        self.state().refused_sender()
    }

    /// A delivery was refused, with that number, since the relay wants less speed. Whether that is so for the first time: then it may
    /// be what the relay is tried with when it has rested.
    pub fn is_first(&self, delivery: i64, number: u64) -> bool {
        let mut state = self.state();
        state.taken = None;
        self.any.store(true, Ordering::Relaxed);
        state.deliveries.insert(delivery, Refusal { number, until: Instant::now() }).is_none()
    }

    /// A delivery was refused, with that number, and the relay `rests`. The next that it is tried with is another one: from
    /// another sender, or else to another recipient. Those have so long for it `at_least`. Gives for how long the delivery waits.
    pub fn refused(
        &self,
        delivery: i64,
        sender: Option<&str>,
        number: u64,
        rests: Duration,
        at_least: Duration,
    ) -> Duration {
        let mut state = self.state();
        let (now, longer) = (Instant::now(), (rests / PARTS).max(at_least));
        let of_sender = Refusal { number, until: now + rests + longer };
        let of_delivery = Refusal { number, until: of_sender.until + longer };
        let State { deliveries, senders, taken, .. } = &mut *state;
        // Whatever else was refused before is not what it is tried with, either.
        retain(deliveries, of_delivery.until, now);
        retain(senders, of_sender.until, now);
        *taken = None;
        self.any.store(true, Ordering::Relaxed);
        deliveries.insert(delivery, of_delivery);
        if let Some(sender) = sender {
            senders.insert(sender.to_owned(), of_sender);
        }
        of_delivery.until - now
    }

    /// A message got through whose envelope has that date.
    pub fn worked(&self, job: &Job, date: u64) {
        if self.is_empty() {
            return;
        }
        let mut state = self.state();
        state.deliveries.remove(&job.row.id);
        let sender = job.from().as_str();
        if state.senders.get(sender).is_some_and(|refusal| refusal.number <= date) {
            state.senders.remove(sender);
            state.lately = None;
        }
        state.taken = Some((state.taken.map_or(date, |(latest, _)| latest.max(date)), Instant::now()));
        self.any.store(!state.is_empty(), Ordering::Relaxed);
    }

    /// Until when others go before that delivery, if they do.
    pub fn until(&self, job: &Job) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let state = self.state();
        let refusals = [state.deliveries.get(&job.row.id), state.senders.get(job.from().as_str())];
        refusals.into_iter().flatten().map(|refusal| refusal.until).max()
    }

    /// Whether nothing has been refused.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refused_sender(&self) -> Option<RefusedSender> {
        self.lately.clone().filter(|lately| lately.at.elapsed() < LATELY)
    }

    fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.senders.is_empty()
    }
}

/// Puts off what was refused, and forgets what was so long ago.
fn retain<K>(refusals: &mut HashMap<K, Refusal>, until: Instant, now: Instant) {
    refusals.retain(|_, refusal| {
        let is_known = refusal.until + KNOWN > now;
        refusal.until = refusal.until.max(until);
        is_known
    });
}
