//! Issues that are held, cancelled or changed while deliveries of them are in hand: nothing that is only claimed goes on to
//! a relay, which would have to be left in the middle, or would be asked for addresses in vain.

use std::collections::HashMap;

use super::bury;
use super::message::Job;
use super::run::{LATER, Run};
use crate::domain::{DeliveryState, IssueState};
use crate::store::{ClaimedRow, Mark, StoreError};

/// Issues of which nothing more goes out, with the state that their claims come to.
#[derive(Debug, Default)]
pub struct Aside(HashMap<i64, Stopped>);

#[derive(Debug)]
struct Stopped {
    to: DeliveryState,
    /// Whether the store knows of it yet.
    known: bool,
    /// Whether what is claimed now was looked at after that: if its issue is being sent, it goes on again.
    before: bool,
}

impl Aside {
    /// Of `issue` nothing goes out any more.
    pub fn insert(&mut self, issue: i64, to: DeliveryState, known: bool) {
        self.0.insert(issue, Stopped { to, known, before: false });
    }

    /// It goes on.
    pub fn remove(&mut self, issue: i64) {
        self.0.remove(&issue);
    }

    /// A claim begins.
    pub fn claiming(&mut self) {
        self.0.values_mut().for_each(|stopped| stopped.before = stopped.known);
    }

    /// What becomes of a delivery that was claimed while its issue was being sent; `None`: it goes out.
    pub fn of_claimed(&mut self, issue: i64) -> Option<DeliveryState> {
        if self.0.get(&issue).is_some_and(|stopped| stopped.before) {
            self.remove(issue);
        }
        self.of(Some(issue))
    }

    /// What becomes of a delivery in hand; `None`: it goes out.
    pub fn of(&self, issue: Option<i64>) -> Option<DeliveryState> {
        self.0.get(&issue?).map(|stopped| stopped.to)
    }
}

impl Run {
    /// What becomes of a claim whose issue is not being sent, or not any more; `None`: it is, or there is none.
    pub fn of_no_issue_under_way(&self, row: &ClaimedRow) -> Option<Mark> {
        match row.issue_state.as_deref().map(str::parse) {
            None => None,
            Some(Ok(IssueState::Sending)) => {
                let to = self.feed.aside(|aside| aside.of_claimed(row.issue_id.unwrap_or_default()))?;
                Some(self.unwanted(row, to))
            }
            Some(Ok(IssueState::Held)) => Some(self.unwanted(row, DeliveryState::Held)),
            Some(Ok(IssueState::Cancelled)) => Some(self.unwanted(row, DeliveryState::Cancelled)),
            Some(_) => Some(self.put_off(row, LATER)),
        }
    }

    /// Whether a content may follow an envelope that the relay has taken: not when stopping, nor of an issue that is not being
    /// sent any more.
    pub fn goes_on_with(&self, job: &Job) -> bool {
        !self.is_stopping() && self.feed.aside(|aside| aside.of(job.row.issue_id)).is_none()
    }

    /// The marks of what was taken out of the feed, or has not come into it.
    pub fn unwanted_all(&self, jobs: &[(Job, DeliveryState)]) -> Vec<Mark> {
        jobs.iter().map(|(job, to)| self.unwanted(&job.row, *to)).collect()
    }

    fn unwanted(&self, row: &ClaimedRow, next: DeliveryState) -> Mark {
        let finished_at = (next == DeliveryState::Cancelled).then(|| self.shared.clock.now().0);
        Mark { next, finished_at, ..self.unclaimed(row) }
    }

    /// A start was refused. If that was not about one subscriber, no other of its kind is tried.
    pub async fn learn_from_refusal(&self, job: &Job) {
        let Some(issue) = job.row.issue_id.filter(|issue| self.feed.aside(|aside| aside.of(Some(*issue))).is_none())
        else {
            return;
        };
        if let Err(error) = self.look_at(issue, Some(job.row.mail_id)).await {
            tracing::debug!(%error, issue, "why a start was refused is not known yet");
        }
    }

    /// Looks at the issues of which something waits.
    async fn look_at_issues(&self) -> Result<(), StoreError> {
        for issue in self.feed.issues() {
            self.look_at(issue, None).await?;
        }
        Ok(())
    }

    /// Sets aside what waits of an issue that is held or cancelled, and gives back what has a mail that was replaced.
    async fn look_at(&self, issue: i64, mail: Option<i64>) -> Result<(), StoreError> {
        let (state, replaced) = self.shared.store.read().await?.is_under_way(issue, mail.unwrap_or_default()).await?;
        let to = match state.parse() {
            Ok(IssueState::Held) => DeliveryState::Held,
            Ok(IssueState::Cancelled) => DeliveryState::Cancelled,
            _ => {
                if let Some(mail) = mail.filter(|_| replaced) {
                    let outdated = self.feed.take_out(|job| job.row.mail_id == mail);
                    self.recorder.record(outdated.iter().map(|job| self.unclaimed(&job.row)).collect()).await;
                }
                return Ok(());
            }
        };
        let waiting = self.feed.set_aside(issue, to, true);
        self.recorder.record(self.unwanted_all(&waiting)).await;
        Ok(())
    }

    /// Holds an issue of which too many have failed. Nothing more of it goes out from now on.
    pub fn hold(&self, issue: i64, reason: String) {
        let Some(run) = self.me.upgrade() else { return };
        let waiting = self.feed.set_aside(issue, DeliveryState::Held, false);
        let mut marks = self.unwanted_all(&waiting);
        tokio::spawn(async move {
            let held = bury::hold(&run.shared.store, issue, &reason, run.shared.clock.now()).await;
            match held {
                Ok(true) => {
                    tracing::error!(issue, reason, "an issue is held; `issue resume` goes on with it");
                    run.feed.aside(|aside| aside.insert(issue, DeliveryState::Held, true));
                }
                other => {
                    if let Err(error) = other {
                        tracing::error!(issue, reason, %error, "an issue could not be held");
                    }
                    // They are looked at once more, as their issue is then.
                    run.feed.aside(|aside| aside.remove(issue));
                    marks.iter_mut().for_each(|mark| mark.next = DeliveryState::Queued);
                }
            }
            run.recorder.record(marks).await;
        });
    }
}

/// Looks after the issues of which something waits, for as long as it runs: at once when this process has held, cancelled or
/// changed one, and now and then, since another one may have.
pub async fn keep(run: &Run) {
    loop {
        tokio::select! {
            () = run.shared.store.recalled() => {}
            () = tokio::time::sleep(run.shared.settings.timings.poll) => {}
        }
        if let Err(error) = run.look_at_issues().await {
            tracing::debug!(%error, "the issues that are being sent could not be looked at");
        }
    }
}
