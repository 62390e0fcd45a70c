//! What was measured of one setting, as a line to read.

use std::fmt;

use crate::rivals::Rival;
use crate::worker::Measured;

/// The rounds of one setting.
pub struct Row {
    name: String,
    count: usize,
    /// What the rival did, and we.
    rounds: Vec<(Rival, Measured)>,
}

impl Row {
    /// Of `count` messages each.
    pub fn new(name: String, count: usize) -> Self {
        Self { name, count, rounds: Vec::new() }
    }

    /// Adds a round: what the rival did, and we.
    pub fn add(&mut self, rival: Rival, ours: Measured) {
        self.rounds.push((rival, ours));
    }

    fn median(&self, value: impl Fn(&(Rival, Measured)) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios: Vec<String> =
            self.rounds.iter().map(|(rival, ours)| format!("{:.2}", ours.rate() / rival.rate)).collect();
        write!(
            f,
            "{:<34} {:>7} messages: {:>6.0}/s, smtp-source {:>6.0}/s, ratio {:.2} ({}); CPU µs a message {:.0} (smtp-source {:.0}), peak {:.0} MB",
            self.name,
            self.count,
            self.median(|(_, ours)| ours.rate()),
            self.median(|(rival, _)| rival.rate),
            self.median(|(rival, ours)| ours.rate() / rival.rate),
            ratios.join(", "),
            self.median(|(_, ours)| ours.cpu_micros()),
            self.median(|(rival, _)| rival.cpu_micros),
            self.median(|(_, ours)| ours.megabytes()),
        )
    }
}
