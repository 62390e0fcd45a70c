//! How a relay is doing: failures that are no message's make everybody leave it alone for a while.
//!
//! After a pause one connection tries it, and the others wait until that has got a message through. A relay that has
//! asked for less speed gets a longer pause, then one connection, then one more from time to time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::policy::jittered;
use super::settings::Timings;
use crate::domain::Random;

/// So long after it has asked for less speed nothing of that is left, though nothing was sent by it since.
pub const FORGOTTEN: Duration = Duration::from_secs(86_400);

/// The longest rest of one that asks for less speed again and again is so many times the first, but for the jitter.
pub const LONGEST: u32 = 16;

/// How a relay is doing.
#[derive(Debug)]
pub struct Health {
    timings: Timings,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
    /// Which connection tries it.
    prober: Option<usize>,
    words: Option<String>,
    /// Since when it has not worked.
    since: Option<Instant>,
    slow: Option<Slow>,
}

/// How a relay is treated that has asked for less.
#[derive(Debug)]
struct Slow {
    times: u32,
    connections: usize,
    /// Since when it has had so many; until then it rests.
    since: Instant,
}

/// The same for whoever shall know of it: another process, or this one when it starts again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slowdown {
    /// For how long it still rests.
    pub rests: Duration,
    /// How often it has asked.
    pub times: u32,
    /// How many connections it has.
    pub connections: usize,
    /// Its words.
    pub words: String,
}

/// What is the matter with a relay that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ailment {
    /// Its words.
    pub words: String,
    /// Since when it has not taken anything.
    pub since: Instant,
    /// When it is tried again, or may be since.
    pub next_try: Instant,
}

/// Whether a connection may use the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Go,
    /// It may, alone, to see whether the relay works again.
    Probe,
    /// Not before then.
    Wait(Instant),
    /// Not before something changes.
    Queue,
}

impl Health {
    /// Well, until it fails.
    pub fn new(timings: Timings) -> Self {
        Self { timings, state: Mutex::default(), changed: Notify::new() }
    }

    /// It has failed, in these words. Gives the pause, which doubles with each failure in a row; what fails while it
    /// rests already is the same failure.
    pub fn failed(&self, words: &str, random: &dyn Random) -> Duration {
        let mut state = self.state();
        let now = Instant::now();
        state.ails(words, now);
        state.prober = None;
        if let Some(until) = state.until.filter(|until| *until > now) {
            return until - now;
        }
        let pause = self.pause_after(state.failures, random);
        state.failures += 1;
        state.until = Some(now + pause);
        drop(state);
        self.changed.notify_waiters();
        pause
    }

    /// It has asked for less speed, in these words. Gives the pause; `None`: it has that already.
    pub fn throttled(&self, words: &str, random: &dyn Random) -> Option<Duration> {
        let mut state = self.state();
        let now = Instant::now();
        state.ails(words, now);
        state.prober = None;
        if state.slow.as_ref().is_some_and(|slow| slow.since > now) {
            return None;
        }
        let times = state.slow.as_ref().map_or(0, |slow| slow.times);
        let least = self.timings.throttle_pause;
        let longest = least.saturating_mul(LONGEST);
        let pause = least.saturating_mul(2_u32.saturating_pow(times.min(10))).min(longest);
        // At least that long: the jitter is on top.
        let pause = pause + jittered(pause, random).saturating_sub(pause);
        state.rest_until(now + pause, times + 1, 1);
        drop(state);
        self.changed.notify_waiters();
        Some(pause)
    }

    /// It has asked somebody else for less speed: a process before this one, or another node.
    pub fn was_throttled(&self, slowdown: &Slowdown) {
        let mut state = self.state();
        let now = Instant::now();
        let until = state.slow.as_ref().map_or(now, |slow| slow.since).max(now + slowdown.rests);
        if !slowdown.rests.is_zero() {
            state.ails(&slowdown.words, now);
        }
        state.rest_until(until, slowdown.times, slowdown.connections.max(1));
        drop(state);
        self.changed.notify_waiters();
    }

    /// How it is treated since it has asked for less speed; none: it has not, or that is over.
    pub fn slowdown(&self) -> Option<Slowdown> {
        let state = self.state();
        let slow = state.slow.as_ref()?;
        let rests = slow.since.saturating_duration_since(Instant::now());
        let words = state.words.clone().unwrap_or_default();
        Some(Slowdown { rests, times: slow.times, connections: slow.connections, words })
    }

    /// The pause after so many failures in a row before.
    pub fn pause_after(&self, failures: u32, random: &dyn Random) -> Duration {
        let factor = 2_u32.saturating_pow(failures.min(20));
        jittered(self.timings.relay_pause.saturating_mul(factor).min(self.timings.relay_pause_max), random)
    }

    /// It has taken a message.
    pub fn worked(&self) {
        let mut state = self.state();
        if state.failures == 0 && state.slow.is_none() {
            return;
        }
        let now = Instant::now();
        if state.slow.is_some() && state.until.is_some_and(|until| until > now) {
            // It was under way when the relay asked for less, and says nothing about that.
            return;
        }
        let first = state.failures > 0;
        (state.failures, state.until, state.prober) = (0, None, None);
        (state.words, state.since) = (None, None);
        let mut changed = first;
        if let Some(slow) = &mut state.slow {
            if first {
                slow.since = now;
            } else if now >= slow.since + self.timings.throttle_step {
                (slow.connections, slow.since, changed) = (slow.connections + 1, now, true);
            }
        }
        drop(state);
        if changed {
            self.changed.notify_waiters();
        }
    }

    /// Whether the connection of that number, of so many, may use the relay now.
    pub fn admits(&self, connection: usize, of: usize) -> Admission {
        let mut state = self.state();
        let now = Instant::now();
        let is_over = |slow: &Slow| {
            slow.connections >= of && slow.since + self.timings.throttle_pause < now || slow.since + FORGOTTEN < now
        };
        if state.slow.as_ref().is_some_and(is_over) {
            state.slow = None;
        }
        if let Some(until) = state.until.filter(|until| *until > now) {
            return Admission::Wait(until);
        }
        if state.slow.as_ref().is_some_and(|slow| connection >= slow.connections) {
            return Admission::Queue;
        }
        if state.failures == 0 {
            return Admission::Go;
        }
        match state.prober {
            None => {
                state.prober = Some(connection);
                Admission::Probe
            }
            Some(prober) if prober == connection => Admission::Probe,
            Some(_) => Admission::Queue,
        }
    }

    /// Whether the connection of that number, which is in use, may go on to a further message: not since the relay has asked
    /// for less, but for those that it gets again.
    pub fn goes_on(&self, connection: usize) -> bool {
        let state = self.state();
        state
            .slow
            .as_ref()
            .is_none_or(|slow| connection < slow.connections && state.until.is_none_or(|until| until <= Instant::now()))
    }

    /// The connection of that number does not try the relay any more.
    pub fn release(&self, connection: usize) {
        let mut state = self.state();
        if state.prober == Some(connection) {
            state.prober = None;
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// No connection is left that tries it.
    pub fn disown(&self) {
        self.state().prober = None;
    }

    /// Waits until the answer of [`Health::admits`] may be another one.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Until when it is left alone.
    pub fn paused_until(&self) -> Option<Instant> {
        self.state().until.filter(|until| *until > Instant::now())
    }

    /// What it failed with, unless it has worked since.
    pub fn words(&self) -> Option<String> {
        self.state().words.clone()
    }

    /// What is the matter with it, unless it has worked since.
    pub fn ailment(&self) -> Option<Ailment> {
        let state = self.state();
        let (words, since) = (state.words.clone()?, state.since?);
        Some(Ailment { words, since, next_try: state.until.unwrap_or(since) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ails(&mut self, words: &str, now: Instant) {
        self.words = Some(words.to_owned());
        self.since.get_or_insert(now);
    }

    fn rest_until(&mut self, until: Instant, times: u32, connections: usize) {
        self.slow = Some(Slow { times, connections, since: until });
        self.failures = self.failures.max(1);
        self.until = self.until.max(Some(until));
        self.prober = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemRandom;

    fn health() -> Health {
        Health::new(Timings { relay_pause_max: Duration::from_secs(60), ..Timings::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_make_longer_pauses_and_a_success_ends_them() {
        let health = health();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pauses.push(health.failed("no", &SystemRandom));
            assert!(health.paused_until().is_some() && health.words().is_some());
            tokio::time::advance(Duration::from_secs(73)).await;
        }
        assert!(pauses[0] <= Duration::from_millis(1200) && pauses[3] >= Duration::from_millis(6400));
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(72)));
        assert_eq!(health.ailment().unwrap().since.elapsed(), Duration::from_secs(9 * 73), "since the first");
        health.worked();
        assert!(health.ailment().is_none() && health.words().is_none() && health.paused_until().is_none());
        assert!(health.failed("no", &SystemRandom) <= Duration::from_millis(1200));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_one_connection_tries_it_for_all() {
        let health = health();
        assert_eq!(health.admits(3, 10), Admission::Go);
        health.failed("no", &SystemRandom);
        health.failed("no", &SystemRandom);
        assert!(matches!(health.admits(0, 10), Admission::Wait(_)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!([health.admits(4, 10), health.admits(5, 10)], [Admission::Probe, Admission::Queue]);
        health.release(4);
        assert_eq!(health.admits(5, 10), Admission::Probe);
        health.worked();
        assert_eq!(health.admits(6, 10), Admission::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_less_has_ten_minutes_of_rest_then_one_connection_and_one_more_at_a_time() {
        let health = health();
        let pause = health.throttled("421 4.7.28", &SystemRandom).unwrap();
        assert!(pause >= Duration::from_secs(600));
        assert_eq!(health.throttled("421 4.7.28", &SystemRandom), None, "on another connection");
        health.worked();
        assert!(!health.goes_on(0), "what was under way ends no rest");
        tokio::time::advance(Duration::from_secs(599)).await;
        assert!(matches!(health.admits(0, 10), Admission::Wait(_)));
        tokio::time::advance(pause).await;
        assert_eq!(health.admits(0, 10), Admission::Probe);
        health.worked();
        assert_eq!([health.admits(0, 10), health.admits(1, 10)], [Admission::Go, Admission::Queue]);
        tokio::time::advance(Duration::from_secs(61)).await;
        health.worked();
        assert_eq!([health.admits(1, 10), health.admits(2, 10)], [Admission::Go, Admission::Queue]);
        assert_eq!([health.goes_on(1), health.goes_on(2)], [true, false]);
        health.failed("no", &SystemRandom);
        let pause = health.throttled("421 4.7.28", &SystemRandom).unwrap();
        assert!(
            pause >= Duration::from_secs(1200),
            "longer the next time, though it rests a little from something else"
        );
        tokio::time::advance(pause + FORGOTTEN + Duration::from_secs(1)).await;
        assert_eq!(health.admits(0, 10), Admission::Probe);
        assert_eq!(health.slowdown(), None, "that was yesterday");
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_has_asked_somebody_else_for_holds_here_too() {
        let (there, here) = (health(), health());
        let pause = there.throttled("421 4.7.28", &SystemRandom).unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        here.was_throttled(&there.slowdown().unwrap());
        assert_eq!(here.slowdown(), there.slowdown());
        assert!(matches!(here.admits(0, 10), Admission::Wait(_)));
        tokio::time::advance(pause).await;
        assert_eq!([here.admits(1, 10), here.admits(0, 10)], [Admission::Queue, Admission::Probe]);
        let later = health();
        later.was_throttled(&Slowdown { connections: 3, ..here.slowdown().unwrap() });
        assert_eq!([later.admits(3, 10), later.admits(2, 10)], [Admission::Queue, Admission::Probe]);
        assert!(later.words().is_none(), "its rest is over");
    }
}
