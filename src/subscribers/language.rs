//! In which language somebody is spoken to: their own; else the one they asked in, before they have a way to say which is
//! theirs; else that of the digest, which is not decided here.

use super::personal::PersonalClaim;
use super::tokens::Purpose;
use super::{Subscribers, SubscribersError, Tokens};
use crate::domain::{Locale, PublicId, SubscriberState, UtcMillis};
use crate::store::SubscriberRow;

/// Who is behind a link, as far as it matters for the language of its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    subscriber: PublicId,
    /// The digest that the link is about.
    pub digest: Option<String>,
    /// Of a confirmation, when it was asked for.
    asked_at: Option<UtcMillis>,
}

impl From<&PersonalClaim> for Reader {
    fn from(claim: &PersonalClaim) -> Self {
        Self { subscriber: claim.subscriber.clone(), digest: Some(claim.digest.clone()), asked_at: None }
    }
}

impl Tokens {
    /// Who is behind a link, whatever it is for and however old it is. `None`: it is none of ours, or nobody's own.
    pub fn reader(&self, token: &str) -> Option<Reader> {
        if let Ok(claim) = self.verify_unsubscribe(token).or_else(|_| self.verify_preferences(token)) {
            return Some(Reader { subscriber: claim.subscriber, digest: Some(claim.digest), asked_at: None });
        }
        if let Ok(claim) = self.verify_confirm_of_any_age(token) {
            let digest = claim.choice.first().map(|chosen| chosen.digest.clone());
            return Some(Reader { subscriber: claim.subscriber, digest, asked_at: Some(claim.asked_at) });
        }
        let purposes = [Purpose::Manage, Purpose::Undo, Purpose::ChangeAddress];
        let claim = purposes.into_iter().find_map(|purpose| self.personal(purpose, token).ok())?;
        Some(Reader::from(&claim))
    }
}

impl Subscribers {
    /// The language of that reader; none: that of the digest.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn language_of(&self, reader: &Reader) -> Result<Option<Locale>, SubscribersError> {
        let mut session = self.store.read().await?;
        let Some(row) = session.subscriber_by_public_id(&reader.subscriber).await? else { return Ok(None) };
        let request = match reader.asked_at {
            Some(asked_at) if row.locale.is_none() => session.join_request(row.id, asked_at).await?,
            _ => None,
        };
        Ok(of_person(&row, request.and_then(|request| request.locale).as_deref()))
    }
}

/// The language for somebody who asked in `asked_in`.
pub(super) fn of_person(row: &SubscriberRow, asked_in: Option<&str>) -> Option<Locale> {
    let asked_in = asked_in.filter(|_| row.state != SubscriberState::Confirmed);
    locale_of(row.locale.as_deref().or(asked_in))
}

/// The language of that code.
pub(super) fn locale_of(code: Option<&str>) -> Option<Locale> {
    code.and_then(|code| Locale::parse(code).ok())
}
