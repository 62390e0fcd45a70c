//! What an operator does to an issue: hold, resume, cancel, retry. The issue's state changes first, which stops or allows
//! starts at once; its deliveries follow in chunks, and whoever dies between is followed by anyone that tends.

use super::{ComposeError, Composer};
use crate::config::Digest;
use crate::domain::{DeliveryState, IssueState};
use crate::store::{Durability, IssueRow, NewIssueEvent, Session};

/// How many deliveries one transaction changes: leaving never waits for longer than this takes.
const CHUNK: i64 = 10_000;

/// Who does it, and why.
#[derive(Clone, Copy, Debug)]
pub struct Because<'a> {
    /// As in `operator`.
    pub actor: &'a str,
    /// Their reason.
    pub note: Option<&'a str>,
}

impl Composer {
    /// Holds an issue that is being sent: when this returns, no delivery of it is started any more. What is with the relay
    /// already gets its answer.
    ///
    /// # Errors
    /// When there is no such issue, it is not being sent, or the store fails.
    pub async fn hold_issue(&self, id: i64, because: Because<'_>) -> Result<(), ComposeError> {
        let issue = self.known_issue(id).await?;
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&issue.digest).await?;
        if !session.hold_issue(id, because.note).await? {
            return Err(wrong_state(&issue, "held", "only one that is being sent can be"));
        }
        session.add_issue_event(id, &event("held", because), self.clock.now()).await?;
        session.commit().await?;
        self.recall(id, DeliveryState::Held).await?;
        self.settle(id).await
    }

    /// Lets a held issue go on from where it was.
    ///
    /// # Errors
    /// When there is no such issue, it is not held, or the store fails.
    pub async fn resume_issue(&self, id: i64, because: Because<'_>) -> Result<(), ComposeError> {
        let issue = self.known_issue(id).await?;
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&issue.digest).await?;
        if !session.resume_issue(id).await? {
            return Err(wrong_state(&issue, "resumed", "only one that is held can be"));
        }
        session.add_issue_event(id, &event("resumed", because), self.clock.now()).await?;
        session.commit().await?;
        self.settle(id).await
    }

    /// Stops an issue for good: when this returns, no delivery of it is started any more, and what waited is cancelled. Where
    /// none had been started, its articles are free for the next issue. Done again, it ends what was begun.
    ///
    /// # Errors
    /// When there is no such issue, it is sent or skipped already, or the store fails.
    pub async fn cancel_issue(&self, id: i64, because: Because<'_>) -> Result<(), ComposeError> {
        let issue = self.known_issue(id).await?;
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&issue.digest).await?;
        if session.cancel_issue(id, because.note).await? {
            session.add_issue_event(id, &event("cancelled", because), self.clock.now()).await?;
            session.commit().await?;
        } else if issue.state != IssueState::Cancelled {
            return Err(wrong_state(
                &issue,
                "cancelled",
                "what is sent cannot be taken back; `issue correct` may help",
            ));
        } else {
            drop(session);
        }
        self.recall(id, DeliveryState::Cancelled).await?;
        self.settle(id).await
    }

    /// Queues the failed and uncertain deliveries of an issue and of its corrections again, to those who still want them. Says
    /// how many.
    ///
    /// # Errors
    /// When there is no such issue, it has no deliveries, or the store fails.
    pub async fn retry_issue(&self, id: i64, because: Because<'_>) -> Result<u64, ComposeError> {
        let issue = self.known_issue(id).await?;
        let goes_out = matches!(issue.state, IssueState::Sending | IssueState::Held | IssueState::Sent);
        let now = self.clock.now();
        let mut session = self.store.write(Durability::Full).await?;
        session.lock_digest(&issue.digest).await?;
        not_folded(&mut session, id, "tried again").await?;
        // Of an issue that was cancelled the corrections still go.
        let (corrections, given_up) = session.retry_corrections(id, now).await?;
        if !goes_out && corrections == 0 && given_up == 0 {
            return Err(wrong_state(&issue, "tried again", "only one that is or was being sent can be"));
        }
        let deliveries = if goes_out { session.retry_deliveries(id, now).await? } else { 0 };
        if deliveries > 0 {
            session.reopen_issue(id).await?;
        }
        if deliveries + corrections > 0 {
            session.add_issue_event(id, &event("retried", because), now).await?;
        }
        session.commit().await?;
        Ok(deliveries + corrections)
    }

    /// Lets the deliveries of an issue follow its state: of a held one they are set aside, of one that goes on they are queued
    /// again, of a cancelled one they are cancelled.
    pub(super) async fn settle(&self, id: i64) -> Result<(), ComposeError> {
        loop {
            let issue = self.known_issue(id).await?;
            let now = self.clock.now();
            let mut session = self.store.write(Durability::Full).await?;
            let moved = match issue.state {
                IssueState::Held => session.set_aside(id, CHUNK).await?,
                IssueState::Sending => session.put_back(id, CHUNK, now).await?,
                IssueState::Cancelled => session.cancel_rest(id, CHUNK, now).await?,
                _ => 0,
            };
            if moved == 0 && issue.state == IssueState::Cancelled {
                session.end_cancelling(id, now).await?;
            }
            session.commit().await?;
            if moved == 0 {
                return Ok(());
            }
        }
    }

    /// In a transaction of its own, after the one that changed the issue: a start that looked at it before has either been
    /// committed by now, or finds its claim gone.
    pub(super) async fn recall(&self, id: i64, to: DeliveryState) -> Result<(), ComposeError> {
        let mut session = self.store.write(Durability::Full).await?;
        session.recall(id, to, self.clock.now()).await?;
        Ok(session.commit().await?)
    }

    pub(super) async fn known_issue(&self, id: i64) -> Result<IssueRow, ComposeError> {
        self.store.read().await?.issue(id).await?.ok_or(ComposeError::NoIssue { id })
    }

    pub(super) fn digest_of(&self, issue: &IssueRow) -> Result<&Digest, ComposeError> {
        let digest = self.config.digest(&issue.digest);
        digest.ok_or_else(|| ComposeError::DigestGone { digest: issue.digest.clone() })
    }
}

/// Asks within the transaction whether it is still kept who got an issue: whoever folds locks the digest too.
pub(super) async fn not_folded(session: &mut Session, id: i64, wish: &'static str) -> Result<(), ComposeError> {
    match session.issue(id).await?.and_then(|issue| issue.folded_at) {
        None => Ok(()),
        Some(since) => Err(ComposeError::Folded { id, since, wish }),
    }
}

pub(super) fn event<'a>(event: &'a str, because: Because<'a>) -> NewIssueEvent<'a> {
    NewIssueEvent { event, actor: because.actor, note: because.note, subject: None }
}

pub(super) fn wrong_state(issue: &IssueRow, wish: &'static str, rule: &'static str) -> ComposeError {
    ComposeError::WrongState { id: issue.id, state: issue.state, wish, rule }
}
