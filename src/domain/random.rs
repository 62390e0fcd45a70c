//! Randomness from outside, and the public ids that are made of it.

use std::fmt;

use aws_lc_rs::rand::SecureRandom;
use data_encoding::BASE32_NOPAD;

/// A source of unpredictable bytes. Rooms take it as an argument, so that tests can repeat themselves.
pub trait Random: Send + Sync {
    /// Fills `bytes` with unpredictable ones.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    /// When the operating system has no randomness to give: going on would make guessable tokens.
    #[allow(clippy::expect_used, reason = "a token from a failed generator would be guessable")]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::SystemRandom::new().fill(bytes).expect("the operating system gives randomness");
    }
}

/// A random 128-bit id as 26 lower-case base32 letters: what leaves the house instead of row ids.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct PublicId(String);

impl PublicId {
    /// A fresh one.
    pub fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }

    /// Fresh ones for people who come together: alike in their first 24 bits, which are random too, so that an index
    /// keeps them in one place. The other 104 are random for each.
    pub fn together(random: &dyn Random) -> impl FnMut() -> Self {
        let mut shared = [0; 3];
        random.fill(&mut shared);
        move || {
            let mut bytes = [0; 16];
            random.fill(&mut bytes);
            bytes[..3].copy_from_slice(&shared);
            Self(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
        }
    }

    /// Reads one back; `None` for anything that [`PublicId::new`] could not have made.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 26 && !text.bytes().any(|b| b.is_ascii_uppercase());
        (fits && BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).is_ok()).then(|| Self(text.to_owned()))
    }

    /// Its letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl rusqlite::types::FromSql for PublicId {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        String::column_result(value).map(Self)
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
