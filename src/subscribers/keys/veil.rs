//! Hides what must stand in a token and must not be read there: with keys that are derived from the token keys, and rotate
//! with them.

use std::sync::PoisonError;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;

use super::Keys;

/// What the keys that hide are derived by. No message that is signed begins like it.
const LABEL: &[u8] = b"\0 hides what stands in tokens";

impl Keys {
    /// Hides `text` with the newest key. Only [`Keys::reveal`] gives it back, to whoever names the same `context`.
    pub(in crate::subscribers) fn conceal(&self, context: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let mut hidden = text.to_vec();
        let nonce = derived(ring.tokens.last()?)?.seal_in_place_append_tag(Aad::from(context), &mut hidden).ok()?;
        Some([&nonce.as_ref()[..], &hidden].concat())
    }

    /// What was hidden with any of the keys.
    pub(in crate::subscribers) fn reveal(&self, context: &[u8], hidden: &[u8]) -> Option<Vec<u8>> {
        let (nonce, hidden) = hidden.split_at_checked(NONCE_LEN)?;
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.tokens.iter().rev().chain(&ring.next).find_map(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = hidden.to_vec();
            Some(derived(key)?.open_in_place(nonce, Aad::from(context), &mut text).ok()?.to_vec())
        })
    }
}

/// The key that hides, out of one that signs.
fn derived(key: &hmac::Key) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, hmac::sign(key, LABEL).as_ref()).ok()
}
