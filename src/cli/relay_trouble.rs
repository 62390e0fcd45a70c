//! What is the matter with the relays, as the operator hears of it where an issue waits for them.

use serde::Serialize;

use super::issue::IssueReport;
use crate::app::App;
use crate::deliver::{Trouble, troubles};
use crate::domain::{IssueState, UtcMillis};
use crate::render::{SentBy, sender_of};
use crate::store::{PaceRow, Session, StoreError};

/// What is finished so soon after a relay has failed was under way.
const UNDER_WAY: i64 = 60_000;

/// A relay that does not work.
#[derive(Clone, Serialize)]
pub struct Failing {
    /// Its id.
    pub relay: String,
    /// Since when it has taken nothing.
    since: UtcMillis,
    /// Its words.
    reason: String,
    /// When it is tried again.
    next_try: UtcMillis,
}

/// An issue of which nothing goes out, since no relay works.
#[derive(Serialize)]
pub struct Standstill {
    since: UtcMillis,
    next_try: UtcMillis,
    relays: Vec<Failing>,
    /// Whether any of it may be tried again by now.
    #[serde(skip)]
    is_due: bool,
}

/// The sender of an issue, where it is in the way.
#[derive(Serialize)]
pub struct RefusedSender {
    sender: String,
    /// The relay that refuses it while it takes mail from others; none: nothing of anybody goes out, and the issue has another
    /// sender than is configured now.
    relay: Option<String>,
    reason: Option<String>,
    #[serde(skip)]
    remedy: String,
}

/// What keeps an issue from going out.
#[derive(Default, Serialize)]
pub struct InTheWay {
    standstill: Option<Standstill>,
    refused_sender: Option<RefusedSender>,
    /// Whether no relay takes it from its sender.
    #[serde(skip)]
    pub is_refused: bool,
}

impl Failing {
    /// Of what is known of it.
    pub fn of(trouble: Trouble) -> Self {
        let Trouble { relay, words, since, next_try, .. } = trouble;
        Self { relay, since, reason: words, next_try }
    }

    /// For people.
    pub fn describe(&self) -> String {
        let Self { relay, since, reason, next_try } = self;
        format!("the relay {relay} does not take mail since {since}, and is tried again at {next_try}: {reason}")
    }
}

impl InTheWay {
    /// Of an issue that has gone so far.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(
        session: &mut Session,
        app: &App,
        report: &IssueReport,
        pace: &PaceRow,
        now: UtcMillis,
    ) -> Result<Self, StoreError> {
        let waits = report.totals.queued + report.totals.sending + report.totals.deferred > 0;
        if report.state != IssueState::Sending || !waits {
            return Ok(Self::default());
        }
        let (of_all, of_senders): (Vec<_>, Vec<_>) =
            troubles(session, &app.config.smtp, now).await?.into_iter().partition(|trouble| trouble.sender.is_none());
        let standstill = Standstill::of(of_all, app.config.smtp.relays.len(), pace, now);
        if standstill.is_none() && of_senders.is_empty() {
            return Ok(Self::default());
        }
        let sender = session.message_of_issue(report.id).await?.and_then(|message| sender_of(&message));
        let Some(SentBy { email: sender, .. }) = sender else { return Ok(Self { standstill, ..Self::default() }) };
        let mut refused = of_senders.into_iter().filter(|trouble| trouble.sender.as_deref() == Some(sender.as_str()));
        let (refused, others) = (refused.next(), refused.count());
        let is_refused = refused.is_some() && others + 1 == app.config.smtp.relays.len();
        let configured = app.config.digest(&report.digest).map(|digest| &digest.sender.email);
        let has_changed = configured.is_some_and(|configured| *configured != sender);
        let is_in_the_way = refused.is_some() || standstill.is_some() && has_changed;
        let refused_sender = is_in_the_way.then(|| RefusedSender {
            sender: sender.as_str().to_owned(),
            remedy: remedy(report, has_changed),
            relay: refused.as_ref().map(|trouble| trouble.relay.clone()),
            reason: refused.map(|trouble| trouble.words),
        });
        Ok(Self { standstill, refused_sender, is_refused })
    }

    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.standstill.iter().map(Standstill::describe).collect();
        if let Some(RefusedSender { sender, relay, reason, remedy }) = &self.refused_sender {
            lines.push(match (relay, reason) {
                (Some(relay), Some(reason)) => {
                    format!(
                        "the relay {relay} refuses its sender {sender} and takes mail from others: {reason}; {remedy}"
                    )
                }
                _ => format!("its sender is {sender}; {remedy}"),
            });
        }
        lines
    }
}

impl Standstill {
    /// Where none of so many relays works, and nothing has been finished since.
    fn of(troubles: Vec<Trouble>, relays: usize, pace: &PaceRow, now: UtcMillis) -> Option<Self> {
        let relays = (troubles.len() == relays).then_some(troubles)?;
        let since = relays.iter().map(|trouble| trouble.since).max()?;
        let next_try = relays.iter().map(|trouble| trouble.next_try).min()?;
        // Another node may get something through.
        let goes_on = pace.last_end.is_some_and(|end| end.0 > since.0 + UNDER_WAY);
        let is_due = next_try <= now;
        (!goes_on).then(|| Self { since, next_try, relays: relays.into_iter().map(Failing::of).collect(), is_due })
    }

    fn describe(&self) -> String {
        let relays: Vec<String> = self.relays.iter().map(|one| format!("{}: {}", one.relay, one.reason)).collect();
        let next = if self.is_due { "now".to_owned() } else { format!("at {}", self.next_try) };
        format!("stands still since {}, tried again {next}; the relay {}", self.since, relays.join("; the relay "))
    }
}

/// What the operator can do about a sender.
fn remedy(report: &IssueReport, has_changed: bool) -> String {
    let first = if has_changed { "" } else { "once `sender` is mended and read again, " };
    if report.totals.sent > 0 {
        return "each of its mails keeps that sender, and some have gone out: have the relay take it, or the rest fails when \
                `retry_for` is over"
            .to_owned();
    }
    format!(
        "each of its mails keeps that sender: {first}`issue cancel {}` and then `run {}` make it anew",
        report.id, report.digest
    )
}
