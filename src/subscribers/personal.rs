//! Tokens for the owner of one address alone, and for a while: to manage everything, to change the address, to undo a
//! leaving. Each is bound to the address that it was made for, so that it dies when the mails go elsewhere.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;

use super::tokens::{BINDING_LEN, Purpose, TIME_LEN, moment, utf8};
use super::{Token, TokenError, Tokens};
use crate::domain::{EmailAddress, PublicId, UtcMillis};

/// How long the link to everything about somebody works.
pub const MANAGE_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How long the link works that is mailed to a new address.
pub const CHANGE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a leaving can be undone.
pub const UNDO_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Stands between the digest, whose id has no such octet, and what is hidden.
const HIDDEN: u8 = b' ';

/// What such a token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonalClaim {
    /// Whose it is.
    pub subscriber: PublicId,
    /// The digest in whose looks it came.
    pub digest: String,
    /// When it was made; of an undoing, when they left.
    pub at: UtcMillis,
    binding: Vec<u8>,
}

impl PersonalClaim {
    /// Whether it was made for the address of that hash.
    pub fn is_bound_to(&self, address_hash: &str) -> bool {
        binding(address_hash) == self.binding
    }
}

/// What the token says that is mailed to a new address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeClaim {
    /// Whose it is; bound to the address that they had when they asked.
    pub person: PersonalClaim,
    /// The address that they want.
    pub address: EmailAddress,
}

impl Tokens {
    /// The link to everything about a subscriber, for whoever reads the mails to the address of that hash.
    pub fn manage_url(&self, subscriber: &PublicId, address_hash: &str, digest: &str, now: UtcMillis) -> String {
        self.url("preferences", &self.manage(subscriber, address_hash, digest, now))
    }

    /// The token of that link.
    pub fn manage(&self, subscriber: &PublicId, address_hash: &str, digest: &str, now: UtcMillis) -> Token {
        self.sealed(Purpose::Manage, subscriber, &bound(address_hash, now), digest)
    }

    /// The link that brings a subscriber, who has the address of that hash, to `address`. The address is hidden in it, since
    /// proxies write down what is asked for.
    pub fn change_url(
        &self,
        subscriber: &PublicId,
        address_hash: &str,
        digest: &str,
        address: &EmailAddress,
        now: UtcMillis,
    ) -> String {
        let hidden = self.keys().conceal(subscriber.as_str().as_bytes(), address.as_str().as_bytes());
        let mut bound = bound(address_hash, now);
        bound.extend_from_slice(digest.as_bytes());
        bound.push(HIDDEN);
        bound.extend(hidden.unwrap_or_default());
        self.url("address", &self.sealed(Purpose::ChangeAddress, subscriber, &bound, ""))
    }

    /// The link that undoes what was left at that moment.
    pub fn undo_url(&self, subscriber: &PublicId, address_hash: &str, digest: &str, left_at: UtcMillis) -> String {
        self.url("goodbye", &self.undo(subscriber, address_hash, digest, left_at))
    }

    /// The token of that link.
    pub fn undo(&self, subscriber: &PublicId, address_hash: &str, digest: &str, left_at: UtcMillis) -> Token {
        self.sealed(Purpose::Undo, subscriber, &bound(address_hash, left_at), digest)
    }

    /// Reads a token of a link to everything.
    ///
    /// # Errors
    /// [`TokenError`]; `Expired` only for what was good once.
    pub fn verify_manage(&self, token: &str, now: UtcMillis) -> Result<PersonalClaim, TokenError> {
        in_time(self.personal(Purpose::Manage, token)?, MANAGE_LIFETIME, now)
    }

    /// Reads a token that was mailed to a new address.
    ///
    /// # Errors
    /// As [`Tokens::verify_manage`].
    pub fn verify_change(&self, token: &str, now: UtcMillis) -> Result<ChangeClaim, TokenError> {
        let (person, hidden) = self.personal_parts(Purpose::ChangeAddress, token)?;
        let person = in_time(person, CHANGE_LIFETIME, now)?;
        let address =
            self.keys().reveal(person.subscriber.as_str().as_bytes(), &hidden).ok_or(TokenError::Malformed)?;
        let address = EmailAddress::parse(&utf8(address)?).map_err(|_| TokenError::Malformed)?;
        Ok(ChangeClaim { person, address })
    }

    /// Reads a token that undoes a leaving.
    ///
    /// # Errors
    /// As [`Tokens::verify_manage`].
    pub fn verify_undo(&self, token: &str, now: UtcMillis) -> Result<PersonalClaim, TokenError> {
        in_time(self.personal(Purpose::Undo, token)?, UNDO_LIFETIME, now)
    }

    pub(super) fn personal(&self, purpose: Purpose, token: &str) -> Result<PersonalClaim, TokenError> {
        self.personal_parts(purpose, token).map(|(claim, _)| claim)
    }

    /// The claim, and what is hidden behind it.
    fn personal_parts(&self, purpose: Purpose, token: &str) -> Result<(PersonalClaim, Vec<u8>), TokenError> {
        let (subscriber, rest) = self.opened(purpose, token)?;
        let (binding, rest) = rest.split_at_checked(BINDING_LEN).ok_or(TokenError::Malformed)?;
        let (time, digest) = rest.split_at_checked(TIME_LEN).ok_or(TokenError::Malformed)?;
        let end = digest.iter().position(|octet| *octet == HIDDEN);
        let (digest, hidden) = digest.split_at(end.unwrap_or(digest.len()));
        let (digest, binding) = (utf8(digest.to_vec())?, binding.to_vec());
        let claim = PersonalClaim { subscriber, digest, at: moment(time), binding };
        Ok((claim, hidden.get(1..).unwrap_or_default().to_vec()))
    }
}

fn in_time(claim: PersonalClaim, lifetime: Duration, now: UtcMillis) -> Result<PersonalClaim, TokenError> {
    if claim.at.plus(lifetime) <= now { Err(TokenError::Expired) } else { Ok(claim) }
}

/// The address and the moment, as they stand in the token.
pub(super) fn bound(address_hash: &str, at: UtcMillis) -> Vec<u8> {
    let mut bound = binding(address_hash);
    bound.extend_from_slice(&at.0.to_be_bytes()[8 - TIME_LEN..]);
    bound
}

/// The beginning of the address's hash.
fn binding(address_hash: &str) -> Vec<u8> {
    let mut hash = BASE32_NOPAD.decode(address_hash.to_ascii_uppercase().as_bytes()).unwrap_or_default();
    hash.resize(BINDING_LEN, 0);
    hash
}
