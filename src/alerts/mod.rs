//! Warnings to the operator: mailed through the queue, and posted to a webhook, since a relay that does not work cannot
//! mail its own alarm.

mod lasting;
mod post;
mod teller;
mod watch;

use std::sync::Arc;

use tokio::sync::mpsc;

pub use lasting::Lasting;
pub use post::{PostError, Poster};
pub use teller::Teller;
pub use watch::Watch;

/// How many warnings wait to be given; what comes beyond that is in the log alone.
const WAITING: usize = 64;

/// A warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it is about; the same key is told at most once an hour.
    pub key: String,
    /// What is wrong, in a few words.
    pub subject: String,
    /// More of it, and the remedy; each line is a paragraph.
    pub text: String,
    /// Whether it is told once and never again.
    pub once: bool,
}

/// Raises warnings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Alerts(mpsc::Sender<Alert>);

impl Alerts {
    /// Where warnings are raised, and where they come out.
    pub fn new() -> (Self, mpsc::Receiver<Alert>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Warns of something that may last: at most once an hour for each key, whatever process raises it. Never waits.
    pub fn raise(&self, key: &str, subject: &str, text: &str) {
        self.give(key, subject, text, false);
    }

    /// Warns of something that happens once: each key is told once for all.
    pub fn raise_once(&self, key: &str, subject: &str, text: &str) {
        self.give(key, subject, text, true);
    }

    /// What the pages raise theirs with.
    pub fn of_pages(&self) -> Arc<dyn Fn(&'static str, String) + Send + Sync> {
        let alerts = self.clone();
        Arc::new(move |key, warning| alerts.raise(key, "The pages need attention", &warning))
    }

    fn give(&self, key: &str, subject: &str, text: &str, once: bool) {
        let alert = Alert { key: key.to_owned(), subject: subject.to_owned(), text: text.to_owned(), once };
        if self.0.try_send(alert).is_err() {
            tracing::warn!(key, subject, "a warning could not be passed on");
        }
    }
}
