//! The schedule: composes the issue of each period that is due, once.

use std::time::Duration;

use super::{ComposeError, Composed, Composer, Occasion};
use crate::config::Digest;
use crate::domain::{IssueState, PublicId, UtcMillis};
use crate::schedule::{Occurrence, local_day};
use crate::store::{Durability, Hold, NewIssue};

/// A period is never late within this time, however short `catch_up` is: the daemon looks every second.
const GRACE: Duration = Duration::from_secs(60);

/// Why a period is skipped that a hold of its digest covers.
pub const HELD: &str = "the digest was held; the articles wait for the next issue";
/// Why a period is skipped that nothing ran for in time.
pub const MISSED: &str = "missed by more than `catch_up` allows; the articles wait for the next issue";

impl Composer {
    /// Composes the issues that are due now, at most one for each digest. A period that was missed by more than
    /// `catch_up`, or that a hold covers, is recorded as skipped, and its articles wait. A digest that fails does not stop the others; those
    /// that `rests` names are left alone this time.
    pub async fn compose_due(&self, rests: impl Fn(&str) -> bool) -> Vec<(String, Result<Composed, ComposeError>)> {
        let mut outcomes = Vec::new();
        for digest in self.config.digests.iter().filter(|digest| !rests(&digest.id)) {
            match self.due(digest).await {
                Ok(None) => {}
                Ok(Some(composed)) => outcomes.push((digest.id.clone(), Ok(composed))),
                Err(error) => outcomes.push((digest.id.clone(), Err(error))),
            }
        }
        outcomes
    }

    async fn due(&self, digest: &Digest) -> Result<Option<Composed>, ComposeError> {
        let now = self.clock.now();
        let since = self.store.read().await?.schedule_since(&digest.id, &schedule_text(digest)).await?;
        let Some(since) = since else {
            // First seen, or seen with another schedule: its periods count from now on.
            let mut session = self.store.write(Durability::Full).await?;
            session.see_digest(&digest.id, &schedule_text(digest), now).await?;
            session.commit().await?;
            return Ok(None);
        };
        let latest = digest.schedule.latest_due(now).filter(|latest| latest.due > since);
        let Some(Occurrence { scheduled, due }) = latest else { return Ok(None) };
        let mut reader = self.store.read().await?;
        if reader.issue_by_key(&digest.id, &period_key(scheduled)).await?.is_some() {
            return Ok(None);
        }
        let held = reader.hold(&digest.id).await?.is_some_and(|hold| hold.covers(due));
        drop(reader);
        if held {
            return self.record_skipped(digest, scheduled, HELD, now).await;
        }
        if now > due.plus(digest.catch_up.max(GRACE)) {
            return self.record_skipped(digest, scheduled, MISSED, now).await;
        }
        self.compose(digest, Occasion::Period(scheduled)).await.map(Some)
    }

    /// Lets a digest rest until a moment, or until it is resumed: periods that are due in this time are skipped.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn hold(&self, digest: &Digest, until: Option<UtcMillis>) -> Result<(), ComposeError> {
        let now = self.clock.now();
        let mut session = self.store.write(Durability::Full).await?;
        session.see_digest(&digest.id, &schedule_text(digest), now).await?;
        session.hold_digest(&digest.id, Hold { since: now, until }).await?;
        Ok(session.commit().await?)
    }

    /// Ends a digest's rest; says whether it was resting. What was due in this time stays skipped.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&self, digest: &Digest) -> Result<bool, ComposeError> {
        let mut session = self.store.write(Durability::Full).await?;
        let was_held = session.resume_digest(&digest.id, self.clock.now()).await?;
        session.commit().await?;
        Ok(was_held)
    }

    /// Whether a digest rests now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_held(&self, digest: &Digest) -> Result<bool, ComposeError> {
        let hold = self.store.read().await?.hold(&digest.id).await?;
        Ok(hold.is_some_and(|hold| hold.covers(self.clock.now())))
    }

    async fn record_skipped(
        &self,
        digest: &Digest,
        at: UtcMillis,
        reason: &str,
        now: UtcMillis,
    ) -> Result<Option<Composed>, ComposeError> {
        let issue = NewIssue {
            public_id: &PublicId::new(&*self.random),
            digest: &digest.id,
            key: &period_key(at),
            state: IssueState::Skipped,
            reason: Some(reason),
            subject: "",
            date: &local_day(at, digest.timezone()).to_string(),
            scheduled_at: Some(at),
        };
        let mut session = self.store.write(Durability::Full).await?;
        let recorded = session.insert_issue(&issue, now).await?;
        session.commit().await?;
        Ok(recorded.map(|(issue, _)| Composed { issue, fresh: true, polled: Vec::new() }))
    }
}

/// The key of a period's issue.
pub(super) fn period_key(at: UtcMillis) -> String {
    format!("period:{at}")
}

/// What makes a schedule another one: its expression or its zone.
pub(super) fn schedule_text(digest: &Digest) -> String {
    format!("{} {}", digest.schedule.expression(), digest.timezone().name())
}
