//! Joins by a form: what somebody who is not known to be the owner of an address may ask for.

use super::choice::Chosen;
use super::{NewSubscriber, Notify, Origin, Subscribers, SubscribersError};
use crate::domain::{EmailAddress, Locale};

/// What a form asks for.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The address.
    pub address: EmailAddress,
    /// The name; may be empty.
    pub name: String,
    /// The language; none: the digest's.
    pub locale: Option<Locale>,
    /// The digests and topics; at least one.
    pub choice: Vec<Chosen>,
    /// Exactly what the form said.
    pub wording: String,
}

impl Subscribers {
    /// Asks the address to confirm, where it may be asked. The result tells nothing about the address.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn join(
        &self,
        request: &JoinRequest,
        origin: Origin<'_>,
        notify: &impl Notify,
    ) -> Result<(), SubscribersError> {
        let new = NewSubscriber {
            address: request.address.clone(),
            name: request.name.clone(),
            locale: request.locale.clone(),
            choice: request.choice.clone(),
        };
        match self.add(&new, origin, notify).await {
            Ok(_) | Err(SubscribersError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
