//! What was measured of one setting, as a line to read.

use std::fmt;

use crate::worker::Measured;

/// The rounds of one setting.
pub struct Row {
    name: String,
    count: usize,
    /// The rival's messages a second, and ours.
    rounds: Vec<(f64, Measured)>,
}

impl Row {
    /// Of `count` messages each.
    pub fn new(name: String, count: usize) -> Self {
        Self { name, count, rounds: Vec::new() }
    }

    /// Adds a round: the rival's messages a second, and ours.
    pub fn add(&mut self, rival: f64, ours: Measured) {
        self.rounds.push((rival, ours));
    }

    fn median(&self, value: impl Fn(&(f64, Measured)) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios: Vec<String> =
            self.rounds.iter().map(|(rival, ours)| format!("{:.2}", ours.rate() / rival)).collect();
        write!(
            f,
            "{:<34} {:>7} messages: {:>6.0}/s, smtp-source {:>6.0}/s, ratio {:.2} ({}); {:.0} CPU µs a message, peak {:.0} MB",
            self.name,
            self.count,
            self.median(|(_, ours)| ours.rate()),
            self.median(|(rival, _)| *rival),
            self.median(|(rival, ours)| ours.rate() / rival),
            ratios.join(", "),
            self.median(|(_, ours)| ours.cpu_micros()),
            self.median(|(_, ours)| ours.megabytes()),
        )
    }
}
