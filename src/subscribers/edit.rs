//! What an operator changes for a person who asked them to: name, language, topics, a pause; a new address is confirmed
//! there first.

use super::address_change::Asks;
use super::manage::locked_by_hash;
use super::{Chose, DigestClaim, Notify, Origin, Subscribers, SubscribersError, Topics};
use crate::domain::{EmailAddress, Locale, UtcMillis};
use crate::store::Durability;

/// What is to be changed; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The name.
    pub name: Option<String>,
    /// The language; the inner none is that of each digest.
    pub locale: Option<Option<Locale>>,
    /// The digest whose topics or pause change.
    pub digest: Option<String>,
    /// Its topics.
    pub topics: Option<Topics>,
    /// Until when it is paused; the inner none ends a pause.
    pub pause: Option<Option<UtcMillis>>,
    /// The new address.
    pub address: Option<EmailAddress>,
}

/// What editing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// All of it is done; a new address waits for its confirmation.
    Done,
    /// There is nobody of that address, or whoever had it has another one by now.
    Unknown,
    /// They do not get that digest, so there is nothing to choose.
    NotSubscribed,
}

impl Subscribers {
    /// Changes what is held of an address.
    ///
    /// # Errors
    /// [`SubscribersError::Immovable`] where a new address would come to nothing; when the store fails, or the mail to a new
    /// address cannot be queued.
    pub async fn edit(
        &self,
        address: &EmailAddress,
        edit: &Edit,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<Edited, SubscribersError> {
        let hash = self.keys.address_hash(address);
        let new = edit.address.as_ref().filter(|new| self.keys.address_hash(new) != hash);
        if self.moved_to(address).await?.is_some() {
            return Ok(Edited::Unknown);
        }
        if let Some(new) = new {
            self.refuse_move(&mut self.store.read().await?, address, new).await?;
        }
        if let Some(digest) = &edit.digest {
            let Some(row) = self.store.read().await?.subscriber_by_hash(&hash).await? else {
                return Ok(Edited::Unknown);
            };
            let claim = DigestClaim { subscriber: row.public_id, digest: digest.clone() };
            let pause = match edit.pause {
                Some(pause) => pause,
                None => self.preferences(&claim).await?.and_then(|now| now.paused_until),
            };
            if self.choose(&claim, edit.topics.as_ref(), pause, origin).await? == Chose::NotSubscribed {
                return Ok(Edited::NotSubscribed);
            }
        }
        let mut session = self.store.write(Durability::Full).await?;
        let Some(row) = locked_by_hash(&mut session, &hash).await? else { return Ok(Edited::Unknown) };
        let locale = edit.locale.as_ref().map(Option::as_ref);
        self.write_profile(&mut session, row.clone(), edit.name.as_deref(), locale, origin).await?;
        if let Some(new) = new {
            let digests = session.subscriptions_among(&[row.id]).await?;
            let digest = digests.first().map(|have| have.digest.clone()).unwrap_or_default();
            let asks = Asks { row: &row, digest: &digest, new, granted: true };
            self.ask_new_address(&mut session, asks, origin, notify).await?;
        }
        session.commit().await?;
        Ok(Edited::Done)
    }
}
