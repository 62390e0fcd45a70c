//! Claimed deliveries in the order in which they go, and how many of them each domain with a rate of its own has.
//!
//! Those that wait for their domain keep nobody else from being claimed, and take no place of a rate that others share: what
//! counts as at hand is what may go soon.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use super::message::Job;
use super::pace::Pace;

/// Deliveries, those that matter more first.
#[derive(Default)]
pub struct InOrder {
    jobs: VecDeque<Job>,
    /// How many there are to each domain that has a rate of its own.
    to_domain: HashMap<String, usize>,
}

impl InOrder {
    /// None yet. `domains`: those that have a rate of their own.
    pub fn of<'a>(domains: impl Iterator<Item = &'a str>) -> Self {
        Self { jobs: VecDeque::new(), to_domain: domains.map(|domain| (domain.to_owned(), 0)).collect() }
    }

    /// They all, in their order.
    pub fn jobs(&self) -> &VecDeque<Job> {
        &self.jobs
    }

    /// Adds one after those that matter as much.
    pub fn add(&mut self, job: Job) {
        let place = self.jobs.partition_point(|other| other.row.priority <= job.row.priority);
        self.insert(place, job);
    }

    /// Puts one before those that matter as much.
    pub fn put_back(&mut self, job: Job) {
        let place = self.jobs.partition_point(|other| other.row.priority < job.row.priority);
        self.insert(place, job);
    }

    fn insert(&mut self, place: usize, job: Job) {
        if let Some(count) = self.to_domain.get_mut(job.to.domain()) {
            *count += 1;
        }
        self.jobs.insert(place, job);
    }

    /// Takes out the one in that place.
    pub fn remove(&mut self, place: usize) -> Option<Job> {
        let job = self.jobs.remove(place)?;
        if let Some(count) = self.to_domain.get_mut(job.to.domain()) {
            *count -= 1;
        }
        Some(job)
    }

    /// Takes out those that are such.
    pub fn take_out(&mut self, are_such: impl Fn(&Job) -> bool) -> Vec<Job> {
        self.to_domain.values_mut().for_each(|count| *count = 0);
        let mut out = Vec::new();
        for job in std::mem::take(&mut self.jobs) {
            if are_such(&job) {
                out.push(job);
            } else {
                self.insert(self.jobs.len(), job);
            }
        }
        out
    }

    /// How many there are to a domain that has a rate of its own.
    pub fn to_domain(&self, domain: &str) -> usize {
        self.to_domain.get(domain).copied().unwrap_or_default()
    }

    /// How many may go within a second, as far as their domains are concerned.
    pub fn at_hand(&self, pace: &Pace, now: Instant) -> usize {
        let waiting = self.to_domain.iter().filter(|(_, count)| **count > 0);
        let waiting = waiting.map(|(domain, count)| count.saturating_sub(pace.soon_to(domain, now)));
        self.jobs.len() - waiting.sum::<usize>()
    }
}
