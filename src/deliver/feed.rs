//! The feed: claimed deliveries on their way to whichever connection is free, no faster than the pace allows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::aside::Aside;
use super::gate::Wish;
use super::in_order::InOrder;
use super::message::Job;
use super::others::{KeptFrom, Others};
use super::pace::{Limit, Pace};
use super::put_off::PutOff;
use super::unwelcome::Unwelcome;
use crate::domain::DeliveryState;

/// A delivery that its domain lets go only after so long goes back into the queue, so that others can have its place; where many go
/// in that time, after so much less that few are in hand, since whoever looks for the next one passes all of them.
const TOO_LONG: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(2);
const FEW: u32 = 50;

/// What goes before this is urgent: answers that somebody waits for, and warnings.
const URGENT: i64 = 15;

/// So many urgent ones are wanted also where few others are.
const MOST_URGENT: usize = 20;

/// Claimed deliveries that no connection has taken yet.
pub struct Feed {
    low: usize,
    state: Mutex<State>,
    changed: Notify,
    drained: Notify,
    hungry: Notify,
}

struct State {
    jobs: InOrder,
    aside: Aside,
    kept_from: KeptFrom,
    put_off: PutOff,
    /// Of each relay.
    unwelcome: Vec<Arc<Unwelcome>>,
    pace: Pace,
    closed: bool,
}

impl Feed {
    /// An empty one, which asks for more when fewer than `low` are left. `unwelcome`: what each relay has refused.
    pub fn new(low: usize, pace: Pace, unwelcome: Vec<Arc<Unwelcome>>) -> Self {
        let state = State {
            jobs: InOrder::of(pace.domains()),
            aside: Aside::default(),
            kept_from: KeptFrom::default(),
            put_off: PutOff::default(),
            unwelcome,
            pace,
            closed: false,
        };
        Self { low, state: Mutex::new(state), changed: Notify::new(), drained: Notify::new(), hungry: Notify::new() }
    }

    /// The next delivery for `relay`, when there is one and its time has come. `None`: there will be no more.
    pub async fn next(&self, relay: usize) -> Option<Job> {
        while self.ready(relay).await {
            if let Some(job) = self.try_next(relay) {
                return Some(job);
            }
        }
        None
    }

    /// Waits until there is a delivery for `relay` whose time has come, and leaves it there. `false`: there will be no more.
    pub async fn ready(&self, relay: usize) -> bool {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that what comes between the look and the wait is not missed.
            changed.as_mut().enable();
            let (found, shared) = self.with(|state| (state.find(relay, Instant::now()), state.pace.is_shared()));
            if shared {
                self.hungry.notify_one();
            }
            match found {
                Ok(_) => return true,
                Err(None) if self.is_closed() => return false,
                Err(None) => changed.await,
                Err(Some(at)) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    /// The next delivery, if there is one now.
    pub fn try_next(&self, relay: usize) -> Option<Job> {
        self.try_next_if(relay, |_| true)
    }

    /// The next delivery, if there is one now and it fits.
    pub fn try_next_if(&self, relay: usize, fits: impl FnOnce(&Job) -> bool) -> Option<Job> {
        let now = Instant::now();
        let (job, left, others, shared) = self.with(|state| {
            let job = state.take(relay, now, fits);
            let left = state.jobs.at_hand(&state.pace, now);
            (job, left, state.pace.has_shares(), state.pace.is_shared())
        });
        if shared {
            self.hungry.notify_one();
        }
        if job.is_some() && left < self.low {
            self.drained.notify_one();
        }
        if others && job.is_some() {
            // A relay that was ahead of its share may not be any more.
            self.changed.notify_waiters();
        }
        job
    }

    /// Adds deliveries, each after those that matter as much. Gives those of issues that are not being sent any more.
    pub fn add(&self, jobs: Vec<Job>) -> Vec<(Job, DeliveryState)> {
        let unwanted = self.with(|state| {
            let now = Instant::now();
            if state.jobs.jobs().is_empty() {
                state.pace.was_idle(now);
            }
            let mut unwanted = Vec::new();
            for job in jobs {
                if let Some(to) = state.aside.of(job.row.issue_id) {
                    unwanted.push((job, to));
                    continue;
                }
                if state.jobs.to_domain(job.to.domain()) == 0 {
                    state.pace.domain_was_idle(job.to.domain(), now);
                }
                state.jobs.add(job);
            }
            unwanted
        });
        self.changed.notify_waiters();
        self.hungry.notify_one();
        unwanted
    }

    /// Puts one back that `relay` had taken, before those that matter as much; gives it where its issue is not being sent any
    /// more.
    pub fn put_back(&self, relay: usize, job: Job) -> Option<(Job, DeliveryState)> {
        let unwanted = self.with(|state| {
            state.pace.give_back(relay);
            if let Some(to) = state.aside.of(job.row.issue_id) {
                return Some((job, to));
            }
            state.jobs.put_back(job);
            None
        });
        self.changed.notify_waiters();
        unwanted
    }

    /// What `relay` had taken to `domain` has not gone out: the connection was dead.
    pub fn give_back_turn(&self, relay: usize, domain: &str) {
        self.with(|state| state.pace.give_back_turn(relay, domain, Instant::now()));
        self.changed.notify_waiters();
    }

    /// What `relay` had taken to `domain` it does not even try: another one has its place and its turn.
    pub fn give_back_place(&self, relay: usize, domain: &str) {
        self.with(|state| state.pace.give_back(relay));
        self.give_back_turn(relay, domain);
    }

    /// Takes out all that nobody has taken.
    pub fn take_all(&self) -> Vec<Job> {
        self.take_out(|_| true)
    }

    /// Takes out those that nobody has taken, and that are such.
    pub fn take_out(&self, are_such: impl Fn(&Job) -> bool) -> Vec<Job> {
        self.with(|state| state.jobs.take_out(are_such))
    }

    /// Looks at the issues of which nothing more goes out, or changes them.
    pub fn aside<T>(&self, act: impl FnOnce(&mut Aside) -> T) -> T {
        self.with(|state| act(&mut state.aside))
    }

    /// Of `issue` nothing goes out any more. Gives what waits of it, and the state that it comes to. `known`: whether the
    /// store knows of it.
    pub fn set_aside(&self, issue: i64, to: DeliveryState, known: bool) -> Vec<(Job, DeliveryState)> {
        let waiting = self.with(|state| {
            state.aside.insert(issue, to, known);
            // What stood before others may have been its own.
            state.put_off.clear();
            state.jobs.take_out(|job| job.row.issue_id == Some(issue))
        });
        waiting.into_iter().map(|job| (job, to)).collect()
    }

    /// The issues of which something waits.
    pub fn issues(&self) -> BTreeSet<i64> {
        self.with(|state| state.jobs.jobs().iter().filter_map(|job| job.row.issue_id).collect())
    }

    /// Tells those of `jobs`, and of what is there, that their domain lets go much later only, or that every relay has refused so
    /// that others go before, each with the time until then. The first are those of `jobs` that may be added.
    pub fn sift(&self, jobs: Vec<Job>) -> (Vec<Job>, Vec<(Job, Duration)>) {
        self.with(|state| state.sift(jobs))
    }

    /// Looks at the pace, or changes it so that nothing goes sooner.
    pub fn pace<T>(&self, act: impl FnOnce(&mut Pace) -> T) -> T {
        self.with(|state| act(&mut state.pace))
    }

    /// Adds places of a relay's quota, or of all.
    pub fn add_places(&self, relay: Option<usize>, places: u32) {
        self.with(|state| state.pace.add_places(relay, places));
        self.changed.notify_waiters();
    }

    /// What the store has to be asked for before the next ones can go, by relays that are not resting.
    pub fn wishes(&self, rests: impl Fn(usize) -> bool, owed: &HashMap<Limit, Duration>) -> Vec<(Limit, Wish)> {
        self.with(|state| {
            let (State { jobs, pace, .. }, now) = (state, Instant::now());
            // Whoever waits for their domain would let places of the others' rates go by.
            let to_go = jobs.at_hand(pace, now);
            pace.wishes(to_go, rests, |domain| jobs.to_domain(domain), owed, now)
        })
    }

    /// The store has granted a wish, from that time on.
    pub fn grant(&self, limit: &Limit, wish: &Wish, from: Instant) {
        self.with(|state| state.pace.grant(limit, wish, from));
        self.changed.notify_waiters();
    }

    /// Waits until there may be something to ask the store for.
    pub async fn hungry(&self) {
        self.hungry.notified().await;
    }

    /// `relay` has not taken that delivery. Others have it to themselves for so long, where one of them is not resting.
    pub fn keep_from(&self, relay: usize, delivery: i64, time: Duration, rests: impl Fn(usize) -> bool) -> Others {
        self.with(|state| state.kept_from.add(delivery, relay, time, state.pace.relays(), rests, Instant::now()))
    }

    /// A relay does not work: the others need not wait for it.
    pub fn leave_out(&self, relay: usize, rests: impl Fn(usize) -> bool) {
        self.with(|state| {
            state.pace.leave_out(relay);
            state.kept_from.release(state.pace.relays(), rests, Instant::now());
        });
        self.changed.notify_waiters();
    }

    /// No more will come.
    pub fn close(&self) {
        self.with(|state| state.closed = true);
        self.changed.notify_waiters();
    }

    /// Whether no more will come.
    pub fn is_closed(&self) -> bool {
        self.with(|state| state.closed)
    }

    /// Waits until no more will come.
    pub async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// How many more are wanted where `ahead` should be here, beside those that wait for their domain. When there are enough,
    /// what is more urgent than the last of them is wanted all the same where `overtaking`: a confirmation does not wait until
    /// a slow relay has taken what was claimed of a digest. Then it says which priority they have to go before.
    pub fn room(&self, ahead: usize, overtaking: bool) -> (usize, Option<i64>) {
        let (there, last) = self.with(|State { jobs, pace, .. }| {
            (jobs.at_hand(pace, Instant::now()), jobs.jobs().back().map(|job| job.row.priority))
        });
        let room = ahead.saturating_sub(there);
        match overtaking {
            _ if room > 0 && room >= ahead / 2 => (room, None),
            true => ((2 * ahead).max(MOST_URGENT).saturating_sub(there), Some(last.unwrap_or(URGENT))),
            false => (0, None),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.with(|state| state.jobs.jobs().is_empty())
    }

    /// How many urgent ones there are.
    pub fn urgent(&self) -> usize {
        self.with(|state| state.jobs.jobs().partition_point(|job| job.row.priority < URGENT))
    }

    /// Waits until few are left.
    pub async fn drained(&self) {
        self.drained.notified().await;
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// The place of the next one for `relay`; else when to look again.
    fn find(&self, relay: usize, now: Instant) -> Result<usize, Option<Instant>> {
        let jobs = self.jobs.jobs();
        if jobs.is_empty() {
            return Err(None);
        }
        match self.pace.opens(relay, now) {
            Some(at) if at <= now => {}
            later => return Err(later),
        }
        let may_wait = self.unwelcome.get(relay).is_some_and(|unwelcome| !unwelcome.is_empty());
        if !self.pace.has_domains() && self.kept_from.is_empty() && !may_wait {
            return Ok(0);
        }
        let opens = |job: &Job| self.job_opens(job, relay, now);
        let open = jobs.iter().position(|job| opens(job) <= now);
        open.ok_or_else(|| jobs.iter().map(opens).min())
    }

    fn take(&mut self, relay: usize, now: Instant, fits: impl FnOnce(&Job) -> bool) -> Option<Job> {
        let place = self.find(relay, now).ok()?;
        let job = if self.jobs.jobs().get(place).is_some_and(fits) { self.jobs.remove(place) } else { None }?;
        self.pace.pass(relay, job.to.domain(), now);
        Some(job)
    }

    /// When a delivery may go by `relay`, as far as it alone is concerned.
    fn job_opens(&self, job: &Job, relay: usize, now: Instant) -> Instant {
        let opens = self.pace.domain_opens(job.to.domain(), now);
        let kept = self.kept_from.until(job.row.id, relay);
        let refused = self.unwelcome.get(relay).and_then(|unwelcome| unwelcome.until(job));
        kept.into_iter().chain(refused).fold(opens, Instant::max)
    }

    fn sift(&mut self, jobs: Vec<Job>) -> (Vec<Job>, Vec<(Job, Duration)>) {
        let are_welcome = self.unwelcome.iter().any(|unwelcome| unwelcome.is_empty());
        if !self.pace.has_domains() && are_welcome {
            return (jobs, Vec::new());
        }
        let now = Instant::now();
        let mut times = HashMap::new();
        let mut slow = Vec::new();
        let mut sifted = |job: Job| {
            let refused = self.unwelcome.iter().map(|unwelcome| unwelcome.until(&job).filter(|until| *until > now));
            if let Some(until) = refused.min().flatten() {
                slow.push((job, until - now));
                return None;
            }
            let Some(step) = self.pace.domain_step(job.to.domain()) else { return Some(job) };
            let opens = self.pace.domain_opens(job.to.domain(), now).saturating_duration_since(now);
            let wait = times.entry(job.to.domain().to_owned()).or_insert(opens);
            let then = *wait;
            let own_step = step * self.pace.nodes();
            *wait += own_step;
            if then <= (own_step * FEW).clamp(LONG, TOO_LONG) {
                return Some(job);
            }
            let mut at = now + then;
            if job.row.priority >= URGENT {
                at = self.put_off.place(job.to.domain(), job.row.priority, at, step, now);
            }
            slow.push((job, at - now));
            None
        };
        let here = self.jobs.take_out(|_| true).into_iter().map(|job| (false, job));
        let mut all: Vec<(bool, Job)> = here.chain(jobs.into_iter().map(|job| (true, job))).collect();
        // What matters more gets the domain's next places, also when it came last.
        all.sort_by_key(|(_, job)| job.row.priority);
        let mut fitting = Vec::new();
        for (is_new, job) in all {
            match sifted(job) {
                Some(job) if is_new => fitting.push(job),
                Some(job) => self.jobs.add(job),
                None => {}
            }
        }
        (fitting, slow)
    }
}
