//! The schedule: composes the issue of each period that is due, once.

use std::time::Duration;

use super::{ComposeError, Composed, Composer, Occasion};
use crate::config::Digest;
use crate::domain::{IssueState, PublicId, UtcMillis};
use crate::schedule::local_day;
use crate::store::{Durability, NewIssue};

/// A period is never late within this time, however short `catch_up` is: the daemon looks every second.
const GRACE: Duration = Duration::from_secs(60);

/// Why a period is skipped that nothing ran for in time.
pub const MISSED: &str = "missed by more than `catch_up` allows; the articles wait for the next issue";

impl Composer {
    /// Composes the issues that are due now, at most one for each digest. A period that was missed by more than
    /// `catch_up` is recorded as skipped, and its articles wait. A digest that fails does not stop the others; those
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
        let Some(at) = digest.schedule.latest_at_or_before(now).filter(|at| *at > since) else { return Ok(None) };
        if self.store.read().await?.issue_by_key(&digest.id, &period_key(at)).await?.is_some() {
            return Ok(None);
        }
        if now > at.plus(digest.catch_up.max(GRACE)) {
            return self.record_missed(digest, at, now).await;
        }
        self.compose(digest, Occasion::Period(at)).await.map(Some)
    }

    async fn record_missed(
        &self,
        digest: &Digest,
        at: UtcMillis,
        now: UtcMillis,
    ) -> Result<Option<Composed>, ComposeError> {
        let issue = NewIssue {
            public_id: &PublicId::new(&*self.random),
            digest: &digest.id,
            key: &period_key(at),
            state: IssueState::Skipped,
            reason: Some(MISSED),
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
