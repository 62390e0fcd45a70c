//! All that is held of one person, to give to them.

use serde::Serialize;

use super::{PersonalClaim, Record, Subscribers, SubscribersError};
use crate::config::write_duration;
use crate::domain::{EmailAddress, UtcMillis};
use crate::store::{MailedRow, Session};

/// All that is held of one person.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// Who they are, what they chose, and the evidence; none where only a suppression is left.
    #[serde(flatten)]
    pub record: Option<Record>,
    /// What was mailed to them, as far as that is kept.
    pub mails: Vec<MailedRow>,
    /// For how long that is kept after it was finished, as in `365d`.
    pub mails_kept_for: String,
    /// Why they must not be mailed, where that is so.
    pub suppression: Option<HeldSuppression>,
}

/// A suppression. It is kept under a keyed hash of the address, which cannot be turned back into it.
#[derive(Clone, Debug, Serialize)]
pub struct HeldSuppression {
    /// `erased`, `bounced`, `complaint` or `manual`.
    pub reason: String,
    /// What was written beside it.
    pub note: String,
    /// Since when.
    pub since: UtcMillis,
}

impl Subscribers {
    /// All that is held of the person of the link; `None`: the link is not theirs any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn data(&self, claim: &PersonalClaim) -> Result<Option<Held>, SubscribersError> {
        match self.managed(claim).await? {
            Some(managed) => {
                let mut session = self.store.read().await?;
                self.held(&mut session, &managed.row.address_hash).await
            }
            None => Ok(None),
        }
    }

    /// All that is held of an address; `None`: nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn data_of(&self, address: &EmailAddress) -> Result<Option<Held>, SubscribersError> {
        let mut session = self.store.read().await?;
        self.held(&mut session, &self.keys.address_hash(address)).await
    }

    async fn held(&self, session: &mut Session, address_hash: &str) -> Result<Option<Held>, SubscribersError> {
        let mails_kept_for = write_duration(self.config.retention.deliveries);
        let suppression = session.suppression(address_hash).await?;
        let suppression =
            suppression.map(|row| HeldSuppression { reason: row.reason, note: row.note, since: row.created_at });
        let Some(row) = session.subscriber_by_hash(address_hash).await? else {
            let nothing_else =
                |suppression| Held { record: None, mails: Vec::new(), mails_kept_for, suppression: Some(suppression) };
            return Ok(suppression.map(nothing_else));
        };
        let mails = session.deliveries_to(row.id).await?;
        let record = self.record_of(session, row).await?;
        Ok(Some(Held { record: Some(record), mails, mails_kept_for, suppression }))
    }
}
