//! The schedule: composes the issue of each period that is due, once.

use std::time::Duration;

use super::{ComposeError, Composed, Composer, Occasion};
use crate::config::Digest;
use crate::domain::{IssueState, PublicId, UtcMillis};
use crate::schedule::{Occurrence, local_day};
use crate::store::{Durability, Hold, NewIssue, Session, StoreError};

/// A period is never late within this time, however short `catch_up` is: the daemon looks every second.
const GRACE: Duration = Duration::from_secs(60);

/// How many of the periods before the latest are recorded where nothing has looked for long.
const MISSED_AT_MOST: usize = 10;

/// By how much the clocks of nodes may differ: what was recorded later than that from now on was so by a clock that was wrong.
pub(super) const SKEW: Duration = Duration::from_secs(3600);

/// No period is made by a clock that says it is earlier: it has not been set since the machine started.
const EARLIEST: UtcMillis = UtcMillis(1_577_836_800_000); // 2020-01-01

/// Why a period is skipped that a hold of its digest covers, or that was late when it began.
pub const HELD: &str = "the digest was held; the articles wait for the next issue";
/// Why a period is skipped that nothing ran for in time.
pub const MISSED: &str = "missed by more than `catch_up` allows; the articles wait for the next issue";
/// Why a period is skipped that could have come late, but for a later one that was due by then.
pub const OVERTAKEN: &str = "missed until a later period was due; the articles wait for the next issue";

/// When a digest rests, as far as it is known.
#[derive(Clone, Copy)]
pub(super) struct Rest {
    /// The latest hold, which may be over.
    pub(super) hold: Option<Hold>,
    /// Whether it rests now.
    pub(super) now: bool,
}

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
        let now = self.time()?;
        let since = self.schedule_since(digest, now).await?;
        let mut reader = self.store.read().await?;
        let open = open_periods(&mut reader, digest, since, now).await?;
        let Some(latest) = open.first() else { return Ok(None) };
        let hold = reader.hold(&digest.id).await?;
        drop(reader);
        let rest = Rest { hold, now: hold.is_some_and(|hold| hold.is_on(now)) };
        let mut session = self.store.write(Durability::Full).await?;
        let skipped = self.skip(&mut session, digest, &open, rest, now).await?;
        session.commit().await?;
        if skipped_for(digest, *latest, true, rest, now).is_none() {
            return self.compose(digest, Occasion::Period(latest.scheduled)).await.map(Some);
        }
        Ok(skipped.map(|issue| Composed { issue, fresh: true, polled: Vec::new() }))
    }

    /// The time.
    ///
    /// # Errors
    /// When the clock has not been set: what it gives to a schedule, or to a source that is met for the first time, would stay.
    pub fn time(&self) -> Result<UtcMillis, ComposeError> {
        let now = self.clock.now();
        if now < EARLIEST { Err(ComposeError::Clock { now }) } else { Ok(now) }
    }

    /// Records those of the open periods as skipped that are not composed, the latest of which is the first. Gives the last issue
    /// that it has recorded; none where another process was first.
    pub(super) async fn skip(
        &self,
        session: &mut Session,
        digest: &Digest,
        open: &[Occurrence],
        rest: Rest,
        now: UtcMillis,
    ) -> Result<Option<i64>, StoreError> {
        session.lock_digest(&digest.id).await?;
        session.forget_skipped_after(&digest.id, now.plus(SKEW)).await?;
        let mut last = None;
        for (place, period) in open.iter().enumerate().rev() {
            let Some(reason) = skipped_for(digest, *period, place == 0, rest, now) else { continue };
            let issue = NewIssue {
                public_id: &PublicId::new(&*self.random),
                digest: &digest.id,
                key: &period_key(period.scheduled),
                state: IssueState::Skipped,
                reason: Some(reason),
                subject: "",
                date: &local_day(period.scheduled, digest.timezone()).to_string(),
                scheduled_at: Some(period.scheduled),
            };
            last = session.insert_issue(&issue, now).await?.map(|(issue, _)| issue);
        }
        Ok(last)
    }
}

/// The periods that are due and have no issue, the latest first: back to one that has, or to the beginning of the schedule, or
/// for as far as they are recorded.
pub(super) async fn open_periods(
    session: &mut Session,
    digest: &Digest,
    since: UtcMillis,
    now: UtcMillis,
) -> Result<Vec<Occurrence>, StoreError> {
    let mut open = Vec::new();
    let mut next = digest.schedule.latest_due(now);
    while let Some(period) = next.filter(|period| period.due > since && open.len() <= MISSED_AT_MOST) {
        let issue = session.issue_by_key(&digest.id, &period_key(period.scheduled)).await?;
        // What was skipped while the clock was ahead comes when it is due.
        let is_settled = |state, at| state != IssueState::Skipped || at <= now.plus(SKEW);
        if issue.is_some_and(|issue| is_settled(issue.state, issue.composed_at)) {
            break;
        }
        open.push(period);
        next = digest.schedule.latest_due(UtcMillis(period.due.0 - 1));
    }
    Ok(open)
}

/// Why a period that is due and has no issue gets none; none: it is composed.
fn skipped_for(
    digest: &Digest,
    period: Occurrence,
    is_latest: bool,
    rest: Rest,
    now: UtcMillis,
) -> Option<&'static str> {
    if rest.hold.is_some_and(|hold| hold.covers(period.due)) {
        return Some(HELD);
    }
    if now > period.due.plus(digest.catch_up.max(GRACE)) {
        return Some(MISSED);
    }
    if !is_latest {
        return Some(OVERTAKEN);
    }
    rest.now.then_some(HELD)
}

/// The key of a period's issue.
pub(super) fn period_key(at: UtcMillis) -> String {
    format!("period:{at}")
}
