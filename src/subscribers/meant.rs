//! Who is meant by an address: whoever has it, and whoever had it before they moved, until somebody confirms it as their own.

use super::{Refusal, Subscribers, SubscribersError, refusal};
use crate::domain::{EmailAddress, PublicId, SubscriberState};
use crate::store::{Session, StoreError, SubscriberRow, SuppressionRow};

/// Who is meant by an address, as what stands outside for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// Whoever has it.
    pub here: Option<PublicId>,
    /// The address that whoever had it before has now, and who that is.
    pub moved: Option<(String, PublicId)>,
}

impl Subscribers {
    /// Who is meant by an address.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn meant_by(&self, address: &EmailAddress) -> Result<Meant, SubscribersError> {
        let mut session = self.store.read().await?;
        let hash = self.keys.address_hash(address);
        let here = session.subscriber_by_hash(&hash).await?;
        let moved = mover(&mut session, here.as_ref(), &hash).await?;
        Ok(Meant { here: here.map(|row| row.public_id), moved: moved.map(|row| (row.email, row.public_id)) })
    }

    /// The address that whoever had this one before has now, where they are meant by it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn moved_to(&self, address: &EmailAddress) -> Result<Option<String>, SubscribersError> {
        Ok(self.meant_by(address).await?.moved.map(|(email, _)| email))
    }
}

/// Whether an address is nobody's but theirs: they have confirmed it. That somebody types it into a form makes it nobody's.
pub(super) fn is_theirs_alone(here: Option<&SubscriberRow>) -> bool {
    here.is_some_and(|person| person.state == SubscriberState::Confirmed)
}

/// Whoever had an address before they moved, where they are meant by it; `here` has it now.
pub(super) async fn mover(
    session: &mut Session,
    here: Option<&SubscriberRow>,
    address_hash: &str,
) -> Result<Option<SubscriberRow>, StoreError> {
    // Looked up in any case, so that time does not tell who is here.
    let moved = session.moved_from(address_hash).await?;
    Ok(moved.filter(|_| !is_theirs_alone(here)))
}

/// What `decide` says of whoever had an address before they moved, where they are meant by it.
pub(super) async fn refusal_of_mover(
    session: &mut Session,
    here: Option<&SubscriberRow>,
    address_hash: &str,
    decide: impl Fn(&SubscriberRow, Option<&SuppressionRow>) -> Option<Refusal>,
) -> Result<Option<Refusal>, StoreError> {
    let Some(person) = mover(session, here, address_hash).await? else { return Ok(None) };
    let suppression = session.suppression(&person.address_hash).await?;
    Ok(decide(&person, suppression.as_ref()))
}

/// Whoever had an address before they moved and has said no for good, at the one that they have now: for this one too.
pub(super) async fn mover_who_said_no(
    session: &mut Session,
    here: Option<&SubscriberRow>,
    address_hash: &str,
) -> Result<Option<SubscriberRow>, StoreError> {
    let Some(person) = mover(session, here, address_hash).await? else { return Ok(None) };
    let suppression = session.suppression(&person.address_hash).await?;
    let no = refusal::of_asking(Some(&person), suppression.as_ref()).is_some();
    Ok(Some(person).filter(|_| no))
}

/// Whether there is somebody who said so.
pub(super) async fn mover_said_no(
    session: &mut Session,
    here: Option<&SubscriberRow>,
    address_hash: &str,
) -> Result<bool, StoreError> {
    Ok(mover_who_said_no(session, here, address_hash).await?.is_some())
}
