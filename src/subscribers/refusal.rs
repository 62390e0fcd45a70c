//! Why an address may not be added or come back, and what would let it.

use crate::domain::{SubscriberState, UtcMillis};
use crate::store::{SubscriberRow, SuppressionRow};

/// Why an address is suppressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuppressionReason {
    /// The person had their data erased.
    Erased,
    /// The address is dead.
    Bounced,
    /// The person reported our mail as spam.
    Complaint,
    /// An operator said so.
    Manual,
}

impl SuppressionReason {
    /// Reads the word that is stored; one that is not known counts as the strictest.
    pub fn parse(word: &str) -> Self {
        match word {
            "erased" => Self::Erased,
            "bounced" => Self::Bounced,
            "complaint" => Self::Complaint,
            _ => Self::Manual,
        }
    }

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Bounced => "bounced",
            Self::Complaint => "complaint",
            Self::Manual => "manual",
        }
    }

    /// The more the harder it is to lift.
    pub(super) fn weight(self) -> u8 {
        match self {
            Self::Erased => 0,
            Self::Bounced => 1,
            Self::Complaint => 2,
            Self::Manual => 3,
        }
    }

    /// Whether a confirmation by the person lifts it.
    pub(super) fn is_lifted_by_confirmation(self) -> bool {
        matches!(self, Self::Erased | Self::Bounced)
    }
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was suppressed by hand.
    #[error("it is suppressed since {0}; it can be added when the suppression is removed")]
    Suppressed(UtcMillis),
    /// The person has complained.
    #[error("the person reported a mail as spam; nobody is mailed after a complaint")]
    Complained,
    /// The person had their data erased.
    #[error(
        "the person had their data erased; only a confirmation of their own brings them back, so add it without `--confirmed`"
    )]
    Erased,
    /// The address is dead.
    #[error(
        "mail to it bounced for good; only a confirmation from there brings it back, so add it without `--confirmed`"
    )]
    Bounced,
    /// It is a former address of somebody who gets the mails at another one.
    #[error("the person gets the mails at another address now; whoever wants them here too can sign up themselves")]
    Moved,
    /// The person has left.
    #[error("the person has left; only a confirmation of their own brings them back, so add it without `--confirmed`")]
    Left,
}

/// Why this address cannot even be asked to confirm.
pub(super) fn of_asking(row: Option<&SubscriberRow>, suppression: Option<&SuppressionRow>) -> Option<Refusal> {
    if let Some(suppression) = suppression {
        let reason = SuppressionReason::parse(&suppression.reason);
        if !reason.is_lifted_by_confirmation() {
            let complaint = reason == SuppressionReason::Complaint;
            return Some(if complaint { Refusal::Complained } else { Refusal::Suppressed(suppression.created_at) });
        }
    }
    row.filter(|row| row.state == SubscriberState::Complained).map(|_| Refusal::Complained)
}

/// The same of an address that `person` had before they moved.
pub(super) fn of_asking_moved(person: &SubscriberRow, suppression: Option<&SuppressionRow>) -> Option<Refusal> {
    let moved = suppression.is_none() && person.state == SubscriberState::Confirmed;
    of_asking(Some(person), suppression).or(moved.then_some(Refusal::Moved))
}

/// Why this address cannot be recorded as confirmed on somebody else's word.
pub(super) fn of_recording(row: Option<&SubscriberRow>, suppression: Option<&SuppressionRow>) -> Option<Refusal> {
    if let Some(refusal) = of_asking(row, suppression) {
        return Some(refusal);
    }
    if let Some(suppression) = suppression {
        let erased = SuppressionReason::parse(&suppression.reason) == SuppressionReason::Erased;
        return Some(if erased { Refusal::Erased } else { Refusal::Bounced });
    }
    match row?.state {
        SubscriberState::Unsubscribed => Some(Refusal::Left),
        SubscriberState::Bounced => Some(Refusal::Bounced),
        SubscriberState::Complained => Some(Refusal::Complained),
        SubscriberState::Pending | SubscriberState::Confirmed => None,
    }
}
