//! Why somebody gets, or does not get, each digest and each of its latest issues.

use serde::Serialize;

use super::choose::paused_until;
use super::{Subscribers, SubscribersError, meant};
use crate::config::{Digest, WhenEmpty};
use crate::domain::{DeliveryState, EmailAddress, IssueState, SubscriberState, SubscriptionState, UtcMillis};
use crate::store::{IssueForRow, SubscriberRow, SubscriptionRow, SuppressionRow};

/// How many issues of each digest are told of.
const LATEST: i64 = 10;

/// Everything about what one address gets.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// The address.
    pub email: String,
    /// Where they stand; none: nothing is held of them.
    pub state: Option<SubscriberState>,
    /// The address that they have now, where this one is a former one of theirs.
    pub moved_to: Option<String>,
    /// Why their address must not be mailed, where it must not.
    pub suppressed: Option<WhySuppressed>,
    /// Each digest; after those that there are, those that are gone from the configuration.
    pub digests: Vec<WhyDigest>,
    /// Its latest issues, the newest first.
    pub issues: Vec<WhyIssue>,
}

/// A suppression.
#[derive(Clone, Debug, Serialize)]
pub struct WhySuppressed {
    /// `erased`, `bounced`, `complaint` or `manual`.
    pub reason: String,
    /// Since when.
    pub since: UtcMillis,
}

impl From<SuppressionRow> for WhySuppressed {
    fn from(row: SuppressionRow) -> Self {
        Self { reason: row.reason, since: row.created_at }
    }
}

/// Whether somebody would get the next issue of a digest.
#[derive(Clone, Debug, Serialize)]
pub struct WhyDigest {
    /// The digest.
    pub id: String,
    /// Where the subscription stands; none: there is none.
    pub state: Option<SubscriptionState>,
    /// The topics that they chose; `*` is all, later ones included.
    pub topics: Vec<String>,
    /// Until when it is paused.
    pub paused_until: Option<UtcMillis>,
    /// Whether the digest itself is held.
    pub held: bool,
    /// Whether they would get an issue that was sent now.
    pub gets: bool,
    /// Why, in a sentence.
    pub why: String,
}

/// What became of an issue for somebody.
#[derive(Clone, Debug, Serialize)]
pub struct WhyIssue {
    /// The issue.
    pub id: i64,
    /// Its digest.
    pub digest: String,
    /// Counted for each digest.
    pub number: Option<i64>,
    /// Where it stands.
    pub state: IssueState,
    /// Its subject.
    pub subject: String,
    /// When it was composed.
    pub composed_at: UtcMillis,
    /// Where their delivery stands; none: they have none.
    pub delivery: Option<DeliveryState>,
    /// When it was last started.
    pub started_at: Option<UtcMillis>,
    /// When it was finished.
    pub finished_at: Option<UtcMillis>,
    /// How often it was tried.
    pub attempts: i64,
    /// Which relay had it last.
    pub relay: Option<String>,
    /// The relay's last words on it.
    pub answer: Option<String>,
    /// What became of it, in a sentence.
    pub why: String,
}

impl Subscribers {
    /// Why an address gets what it gets, and nothing else.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn why(&self, address: &EmailAddress) -> Result<Why, SubscribersError> {
        let now = self.clock.now();
        let hash = self.keys.address_hash(address);
        let mut session = self.store.read().await?;
        let suppressed = session.suppression(&hash).await?.map(WhySuppressed::from);
        let row = session.subscriber_by_hash(&hash).await?;
        let moved_to = meant::mover(&mut session, row.as_ref(), &hash).await?.map(|person| person.email);
        let (mut digests, mut issues) = (Vec::new(), Vec::new());
        let subscriptions = match &row {
            Some(row) => session.subscriptions_among(&[row.id]).await?,
            None => Vec::new(),
        };
        let gone = subscriptions.iter().map(|row| &row.digest).filter(|id| self.config.digest(id).is_none());
        for id in self.config.digests.iter().map(|digest| &digest.id).chain(gone) {
            let subscription = subscriptions.iter().find(|subscription| subscription.digest == *id);
            let held = session.hold(id).await?.is_some_and(|hold| hold.is_on(now));
            let bar = bar(row.as_ref(), suppressed.as_ref(), subscription, now);
            let moved = moved_to.as_ref().filter(|_| row.is_none());
            let moved = moved.map(|now| format!("it is a former address of {now}"));
            let bar = moved.or(bar);
            digests.push(of_digest((id, self.config.digest(id)), subscription, bar.as_deref(), held, now));
            let Some(row) = &row else { continue };
            for issue in session.issues_for(row.id, id, LATEST).await? {
                issues.push(of_issue(issue, row, subscription, bar.as_deref()));
            }
        }
        issues.sort_by_key(|issue| std::cmp::Reverse((issue.composed_at, issue.id)));
        let email = row.as_ref().map_or_else(|| address.to_string(), |row| row.email.clone());
        Ok(Why { email, state: row.map(|row| row.state), moved_to, suppressed, digests, issues })
    }
}

/// What keeps a digest from somebody now.
pub(super) fn bar(
    row: Option<&SubscriberRow>,
    suppressed: Option<&WhySuppressed>,
    subscription: Option<&SubscriptionRow>,
    now: UtcMillis,
) -> Option<String> {
    if let Some(WhySuppressed { reason, since }) = suppressed {
        return Some(format!("the address is suppressed ({reason}) since {since}"));
    }
    let Some(row) = row else { return Some("nothing is held of this address".to_owned()) };
    match row.state {
        SubscriberState::Pending => {
            return Some(format!("they were asked to confirm on {} and have not", row.created_at));
        }
        SubscriberState::Bounced => {
            return Some(format!("the address has bounced; so it stands since {}", row.updated_at));
        }
        SubscriberState::Complained => return Some("they complained of unwanted mail".to_owned()),
        SubscriberState::Confirmed | SubscriberState::Unsubscribed => {}
    }
    let Some(subscription) = subscription else { return Some("they have not subscribed to it".to_owned()) };
    if subscription.state == SubscriptionState::Left {
        return Some(subscription.left_at.map_or("they have left it".to_owned(), |at| format!("they left it on {at}")));
    }
    if row.state == SubscriberState::Unsubscribed {
        return Some("they have left".to_owned());
    }
    paused_until(subscription, now).map(|until| format!("they have paused it until {until}"))
}

/// Of a digest with what the configuration says of it; one that it has no more is nobody's.
fn of_digest(
    (id, digest): (&str, Option<&Digest>),
    subscription: Option<&SubscriptionRow>,
    bar: Option<&str>,
    held: bool,
    now: UtcMillis,
) -> WhyDigest {
    let topics: Vec<String> =
        subscription.map(|row| row.topics.split(',').map(str::to_owned).collect()).unwrap_or_default();
    let why = match (bar, topics.as_slice()) {
        (Some(bar), _) => bar.to_owned(),
        (None, _) if digest.is_none() => "the digest is gone from the configuration, so nobody gets it".to_owned(),
        (None, _) if held => "the digest is held, so nobody gets it".to_owned(),
        (None, [all]) if all == "*" => "they have subscribed, to all topics".to_owned(),
        (None, topics) => {
            let without = match digest.map(|digest| digest.when_topics_are_empty) {
                Some(WhenEmpty::Rest) => "is sent to them whole",
                Some(WhenEmpty::Skip) | None => "is not sent to them",
            };
            format!("they have subscribed; an issue without {} {without}", topics.join(", "))
        }
    };
    WhyDigest {
        id: id.to_owned(),
        state: subscription.map(|row| row.state),
        topics,
        paused_until: subscription.and_then(|row| paused_until(row, now)),
        held,
        gets: bar.is_none() && !held && digest.is_some(),
        why,
    }
}

fn of_issue(
    issue: IssueForRow,
    row: &SubscriberRow,
    subscription: Option<&SubscriptionRow>,
    bar: Option<&str>,
) -> WhyIssue {
    let delivery = issue.delivery.as_deref().and_then(|state| state.parse().ok());
    let why = match delivery {
        Some(state) => of_delivery(&issue, state, bar),
        None => no_delivery(&issue, row, subscription, bar),
    };
    WhyIssue {
        id: issue.id,
        digest: issue.digest,
        number: issue.number,
        state: issue.state,
        subject: issue.subject,
        composed_at: issue.composed_at,
        delivery: delivery.map(shown),
        started_at: issue.started_at,
        finished_at: issue.finished_at,
        attempts: issue.attempts.unwrap_or_default(),
        relay: issue.relay,
        answer: issue.answer,
        why,
    }
}

/// In whose hands it waits is of no interest to people.
fn shown(state: DeliveryState) -> DeliveryState {
    if matches!(state, DeliveryState::Claimed | DeliveryState::Held) { DeliveryState::Queued } else { state }
}

fn of_delivery(issue: &IssueForRow, state: DeliveryState, bar: Option<&str>) -> String {
    let at = |time: Option<UtcMillis>| time.map(|time| format!(" on {time}")).unwrap_or_default();
    let answer = issue.answer.as_deref().unwrap_or("no answer");
    let held = issue.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match state {
        DeliveryState::Sent => format!("sent{}: {answer}", at(issue.finished_at)),
        DeliveryState::Failed => format!("refused for good{}: {answer}", at(issue.finished_at)),
        DeliveryState::Sending => format!("being sent{}", at(issue.started_at)),
        DeliveryState::Uncertain => {
            format!("sent{} without an answer; `issue retry {}` sends it again", at(issue.started_at), issue.id)
        }
        DeliveryState::Deferred if issue.attempts == Some(0) => format!("waits for its turn{}", at(issue.due_at)),
        DeliveryState::Deferred => format!("put off, tried again{}: {answer}", at(issue.due_at)),
        DeliveryState::Cancelled if issue.state == IssueState::Cancelled => {
            format!("cancelled{} with the issue{held}", at(issue.finished_at))
        }
        DeliveryState::Cancelled => {
            let why = bar.unwrap_or("they had left, or what it had for them was withdrawn");
            format!("cancelled{} before it was sent: {why}", at(issue.finished_at))
        }
        DeliveryState::Queued | DeliveryState::Claimed | DeliveryState::Held if issue.state == IssueState::Held => {
            format!("waits, since the issue is held{held}")
        }
        DeliveryState::Queued | DeliveryState::Claimed | DeliveryState::Held => "waits for its turn".to_owned(),
    }
}

fn no_delivery(
    issue: &IssueForRow,
    row: &SubscriberRow,
    subscription: Option<&SubscriptionRow>,
    bar: Option<&str>,
) -> String {
    let reason = issue.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    if issue.state == IssueState::Skipped {
        return format!("nobody got it, it was skipped{reason}");
    }
    if let Some(folded) = issue.folded_at {
        return format!("what each got of it is not kept since {folded}; `[retention]` says for how long it is");
    }
    let later = subscription.map(|row| row.created_at).into_iter().chain(row.confirmed_at).max();
    if let Some(later) = later.filter(|later| *later > issue.composed_at) {
        return format!("not sent: they have subscribed later, on {later}");
    }
    if let Some(bar) = bar {
        return format!("not sent: {bar}");
    }
    if issue.had_nothing == 1 {
        return "not sent: none of their topics had an article".to_owned();
    }
    if issue.laid_out_at.is_none() && issue.layout_after < row.id {
        return match issue.state {
            IssueState::Held => format!("not queued yet, since the issue is held{reason}"),
            IssueState::Cancelled => format!("not sent: the issue was cancelled{reason}"),
            _ => "not queued yet".to_owned(),
        };
    }
    "not sent: they were paused, had left or had other topics when it was queued".to_owned()
}
