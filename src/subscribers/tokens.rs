//! Tokens: what links in mails carry, signed so that nobody can make one, and bound to one purpose.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;

use super::choice::{self, Chosen};
use super::keys::Keys;
use super::personal;
use crate::domain::{EmailAddress, PublicId, UtcMillis};

/// Octets of the MAC in a token: 128 bits.
const MAC_LEN: usize = 16;
/// Octets of a public id.
const ID_LEN: usize = 16;
/// Octets of the address's hash that a confirmation is bound to.
pub(super) const BINDING_LEN: usize = 8;
/// Octets of the moment at which a confirmation was asked for.
pub(super) const TIME_LEN: usize = 6;

/// What a token may be used for. The letter is part of every token and must never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    ChangeAddress = b'a' as isize,
    Confirm = b'c' as isize,
    Undo = b'g' as isize,
    Manage = b'm' as isize,
    Form = b'f' as isize,
    Link = b'l' as isize,
    Preferences = b'p' as isize,
    Unsubscribe = b'u' as isize,
}

/// A token as it stands in a link: lower-case base32. `Debug` does not show it, since whoever reads a log could use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Its letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a token is not good for what it was given for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// No token at all.
    #[error("this is not a link that we make; perhaps a part of it was cut off")]
    Malformed,
    /// Has the shape of a token, and no key of ours made it for this purpose.
    #[error("this link was not made by us; perhaps a part of it was changed on the way")]
    Forged,
    /// Was good once.
    #[error("this link is too old")]
    Expired,
}

/// What an unsubscribe or preferences token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestClaim {
    /// Whose it is.
    pub subscriber: PublicId,
    /// The digest that it came with.
    pub digest: String,
}

/// What a confirmation token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfirmClaim {
    /// Whose it is.
    pub subscriber: PublicId,
    /// The beginning of the hash of the address it was mailed to.
    binding: String,
    /// When it was asked for.
    pub asked_at: UtcMillis,
    /// What was asked for.
    pub choice: Vec<Chosen>,
}

impl ConfirmClaim {
    /// Whether it was mailed to the address of that hash.
    pub fn is_bound_to(&self, address_hash: &str) -> bool {
        address_hash.starts_with(&self.binding)
    }
}

/// A token longer than this is none of ours: far more digests and topics than anybody chooses from.
const LONGEST: usize = 16_000;

/// Makes and reads tokens and the links around them. Cheap to clone; making a link costs microseconds.
#[derive(Clone, Debug)]
pub struct Tokens {
    keys: Arc<Keys>,
    public_url: String,
    valid_for: Duration,
}

impl Tokens {
    /// `public_url` is how the outside reaches the web pages; a slash at its end is dropped.
    pub fn new(keys: Arc<Keys>, public_url: &str) -> Self {
        let valid_for = crate::config::Confirmation::default().valid_for;
        Self { keys, public_url: public_url.trim_end_matches('/').to_owned(), valid_for }
    }

    /// The same, with confirmation links that are good for so long.
    #[must_use]
    pub fn valid_for(self, valid_for: Duration) -> Self {
        Self { valid_for, ..self }
    }

    /// The id of nobody, for mails to addresses that are no subscriber's, such as tests: its links show their pages and
    /// change nothing.
    #[allow(clippy::expect_used, reason = "a constant, tried by a test")]
    pub fn nobody() -> PublicId {
        PublicId::parse("aaaaaaaaaaaaaaaaaaaaaaaaaa").expect("the zero id is one")
    }

    /// The link that leaves `digest`. Works for ever.
    pub fn unsubscribe_url(&self, subscriber: &PublicId, digest: &str) -> String {
        self.url("unsubscribe", &self.unsubscribe(subscriber, digest))
    }

    /// The link to the choices for `digest`. Works for ever.
    pub fn preferences_url(&self, subscriber: &PublicId, digest: &str) -> String {
        self.url("preferences", &self.preferences(subscriber, digest))
    }

    /// The link that confirms `choice`, good for a while and for that address alone.
    pub fn confirm_url(
        &self,
        subscriber: &PublicId,
        address: &EmailAddress,
        choice: &[Chosen],
        now: UtcMillis,
    ) -> String {
        self.url("confirm", &self.confirm(subscriber, address, choice, now))
    }

    /// The link that counts and leads to the address in that place of an issue; the same for all readers. Works for ever.
    pub fn click_url(&self, issue: &PublicId, place: i64) -> String {
        self.url("r", &self.sealed(Purpose::Link, issue, &place.to_be_bytes()[4..], ""))
    }

    /// Reads a token of a counted link: the issue, and the place in it.
    ///
    /// # Errors
    /// [`TokenError`]; such a token never expires.
    pub fn verify_click(&self, token: &str) -> Result<(PublicId, i64), TokenError> {
        let (issue, place) = self.opened(Purpose::Link, token)?;
        let place: [u8; 4] = place.try_into().map_err(|_| TokenError::Malformed)?;
        Ok((issue, i64::from(u32::from_be_bytes(place))))
    }

    pub(super) fn url(&self, route: &str, token: &Token) -> String {
        format!("{}/{route}/{}", self.public_url, token.0)
    }

    /// The token that leaves `digest`.
    pub fn unsubscribe(&self, subscriber: &PublicId, digest: &str) -> Token {
        self.sealed(Purpose::Unsubscribe, subscriber, &[], digest)
    }

    /// The token of the choices for `digest`.
    pub fn preferences(&self, subscriber: &PublicId, digest: &str) -> Token {
        self.sealed(Purpose::Preferences, subscriber, &[], digest)
    }

    /// The token that confirms `choice` for `address`.
    pub fn confirm(&self, subscriber: &PublicId, address: &EmailAddress, choice: &[Chosen], now: UtcMillis) -> Token {
        let bound = personal::bound(&self.keys.address_hash(address), now);
        self.sealed(Purpose::Confirm, subscriber, &bound, &choice::pack(choice))
    }

    /// The stamp of a form that is handed out at that moment, so that it is known again when it comes back.
    pub fn form(&self, now: UtcMillis) -> Token {
        self.sealed(Purpose::Form, &Self::nobody(), &now.0.to_be_bytes()[8 - TIME_LEN..], "")
    }

    /// When the form of that stamp was handed out.
    ///
    /// # Errors
    /// [`TokenError`]; how old a form may be is not decided here.
    pub fn verify_form(&self, token: &str) -> Result<UtcMillis, TokenError> {
        let (_, time) = self.opened(Purpose::Form, token)?;
        (time.len() == TIME_LEN).then(|| moment(&time)).ok_or(TokenError::Malformed)
    }

    /// The keys behind them.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Purpose, subscriber, what it is bound to, text, MAC.
    pub(super) fn sealed(&self, purpose: Purpose, subscriber: &PublicId, bound: &[u8], text: &str) -> Token {
        let id = subscriber.as_str().to_ascii_uppercase();
        let mut bytes = Vec::with_capacity(1 + ID_LEN + bound.len() + text.len() + MAC_LEN);
        bytes.push(purpose as u8);
        bytes.extend(BASE32_NOPAD.decode(id.as_bytes()).unwrap_or_default());
        bytes.extend_from_slice(bound);
        bytes.extend_from_slice(text.as_bytes());
        let mac = self.keys.sign(&bytes);
        bytes.extend_from_slice(&mac.as_ref()[..MAC_LEN]);
        let mut letters = BASE32_NOPAD.encode(&bytes);
        letters.make_ascii_lowercase();
        Token(letters)
    }

    /// Reads a token of an unsubscribe link.
    ///
    /// # Errors
    /// [`TokenError`]; such a token never expires.
    pub fn verify_unsubscribe(&self, token: &str) -> Result<DigestClaim, TokenError> {
        let (subscriber, digest) = self.opened(Purpose::Unsubscribe, token)?;
        Ok(DigestClaim { subscriber, digest: utf8(digest)? })
    }

    /// Reads a token of a preferences link.
    ///
    /// # Errors
    /// [`TokenError`]; such a token never expires.
    pub fn verify_preferences(&self, token: &str) -> Result<DigestClaim, TokenError> {
        let (subscriber, digest) = self.opened(Purpose::Preferences, token)?;
        Ok(DigestClaim { subscriber, digest: utf8(digest)? })
    }

    /// Reads a token of a confirmation link.
    ///
    /// # Errors
    /// [`TokenError`]; `Expired` only for what was good once.
    pub fn verify_confirm(&self, token: &str, now: UtcMillis) -> Result<ConfirmClaim, TokenError> {
        let claim = self.verify_confirm_of_any_age(token)?;
        if claim.asked_at.plus(self.valid_for) <= now {
            return Err(TokenError::Expired);
        }
        Ok(claim)
    }

    /// Reads a token of a confirmation link however old it is: good for asking anew, not for confirming.
    ///
    /// # Errors
    /// [`TokenError`], never `Expired`.
    pub fn verify_confirm_of_any_age(&self, token: &str) -> Result<ConfirmClaim, TokenError> {
        let (subscriber, rest) = self.opened(Purpose::Confirm, token)?;
        if rest.len() < BINDING_LEN + TIME_LEN {
            return Err(TokenError::Malformed);
        }
        let (binding, rest) = rest.split_at(BINDING_LEN);
        let (time, choice) = rest.split_at(TIME_LEN);
        let asked_at = moment(time);
        // The last letter of an encoded part may also hold bits of what follows, so it is left out.
        let mut binding = BASE32_NOPAD.encode(binding);
        binding.make_ascii_lowercase();
        binding.pop();
        Ok(ConfirmClaim { subscriber, binding, asked_at, choice: choice::unpack(&utf8(choice.to_vec())?) })
    }

    /// Whose token it is, and what stands between the id and the MAC.
    pub(super) fn opened(&self, purpose: Purpose, token: &str) -> Result<(PublicId, Vec<u8>), TokenError> {
        if token.len() > LONGEST || token.bytes().any(|letter| letter.is_ascii_uppercase()) {
            return Err(TokenError::Malformed);
        }
        let bytes = BASE32_NOPAD.decode(token.to_ascii_uppercase().as_bytes()).map_err(|_| TokenError::Malformed)?;
        if bytes.len() < 1 + ID_LEN + MAC_LEN {
            return Err(TokenError::Malformed);
        }
        let (message, mac) = bytes.split_at(bytes.len() - MAC_LEN);
        if message[0] != purpose as u8 || !self.keys.verify(message, mac) {
            return Err(TokenError::Forged);
        }
        let mut id = BASE32_NOPAD.encode(&message[1..=ID_LEN]);
        id.make_ascii_lowercase();
        let id = PublicId::parse(&id).ok_or(TokenError::Malformed)?;
        Ok((id, message[1 + ID_LEN..].to_vec()))
    }
}

/// A moment of [`TIME_LEN`] octets.
pub(super) fn moment(time: &[u8]) -> UtcMillis {
    UtcMillis(time.iter().fold(0, |sum, byte| (sum << 8) | i64::from(*byte)))
}

pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, TokenError> {
    String::from_utf8(bytes).map_err(|_| TokenError::Malformed)
}
