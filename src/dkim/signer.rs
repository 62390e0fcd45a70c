//! Signing a message: the same headers and body hash for each key, relaxed canonicalisation, headers signed once more than
//! they are there.

use mail_auth::common::crypto::{HashAlgorithm, SigningKey as _};
use mail_auth::common::headers::{Writable, Writer};
use mail_auth::dkim::{Canonicalization, Signature};

use super::key::PrivateKey;
use crate::domain::UtcMillis;

/// The headers that are signed, each once more than it occurs, so that nobody can add another one (RFC 6376, 8.15). Those
/// for unsubscribing are asked for by RFC 8058.
pub const SIGNED: [&str; 16] = [
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Archive",
    "Feedback-ID",
    "Auto-Submitted",
];

/// A message that was not signed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignError {
    /// It has no end of its headers.
    #[error("the message has no headers that could be signed")]
    NoHeaders,
    /// The key did not sign.
    #[error("the key did not sign: {0}")]
    Key(String),
}

/// Signs for one domain, with one key or several.
#[derive(Debug)]
pub struct Signer {
    domain: String,
    /// Each with its selector.
    keys: Vec<(String, PrivateKey)>,
}

impl Signer {
    /// A signer for `domain` with these keys, each with its selector.
    pub fn new(domain: &str, keys: Vec<(String, PrivateKey)>) -> Self {
        Self { domain: domain.to_owned(), keys }
    }

    /// The domain that it signs for.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether its signatures count for mails from an address of that domain.
    pub fn signs_for(&self, from: &str) -> bool {
        aligns(&self.domain, from)
    }

    /// The headers to put before `message`, which has CRLF line ends: one `DKIM-Signature` for each key.
    ///
    /// # Errors
    /// [`SignError`] when it is no message, or a key does not sign.
    pub fn sign(&self, message: &[u8], time: UtcMillis) -> Result<String, SignError> {
        let (headers, body) = cut(message).ok_or(SignError::NoHeaders)?;
        let headers: Vec<(&[u8], &[u8])> = headers.into_iter().filter(|(name, _)| is_signed(name)).rev().collect();
        let found = headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        let names: Vec<String> = found.chain(SIGNED.map(str::to_owned)).collect();
        let hash = HashAlgorithm::Sha256.hash(Canonicalization::Relaxed.canonical_body(body, u64::MAX));
        let mut out = Vec::new();
        for (selector, key) in &self.keys {
            let mut signature = Signature {
                v: 1,
                a: key.key.algorithm(),
                d: self.domain.clone(),
                s: selector.clone(),
                h: names.clone(),
                bh: hash.as_ref().to_vec(),
                t: u64::try_from(time.0 / 1000).unwrap_or_default(),
                ch: Canonicalization::Relaxed,
                cb: Canonicalization::Relaxed,
                ..Signature::default()
            };
            let signed = key.key.sign(Signable { headers: &headers, signature: &signature });
            signature.b = signed.map_err(|error| SignError::Key(error.to_string()))?;
            signature.write(&mut out, true);
        }
        String::from_utf8(out).map_err(|error| SignError::Key(error.to_string()))
    }
}

/// Whether a signature of `domain` counts for mails from `from`: they are the same, or one is above the other (RFC 7489,
/// section 3.1.1, as far as it can be told without a list of registries).
pub fn aligns(domain: &str, from: &str) -> bool {
    let below =
        |one: &str, other: &str| one.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    below(from, domain) || below(domain, from)
}

fn is_signed(name: &[u8]) -> bool {
    SIGNED.iter().any(|signed| name.eq_ignore_ascii_case(signed.as_bytes()))
}

/// What a signature is over: the headers, and the signature's own header without its value (RFC 6376, 3.7).
struct Signable<'a> {
    headers: &'a [(&'a [u8], &'a [u8])],
    signature: &'a Signature,
}

impl Writable for Signable<'_> {
    fn write(self, writer: &mut impl Writer) {
        Canonicalization::Relaxed.canonicalize_headers(self.headers.iter().copied(), writer);
        self.signature.write(writer, false);
    }
}

/// A message's headers, each as its name and all that follows the colon, and its body.
type Parts<'a> = (Vec<(&'a [u8], &'a [u8])>, &'a [u8]);

fn cut(message: &[u8]) -> Option<Parts<'_>> {
    let mut headers = Vec::new();
    let mut rest = message;
    loop {
        if let Some(body) = rest.strip_prefix(b"\r\n") {
            return (!headers.is_empty()).then_some((headers, body));
        }
        let mut end = 0;
        loop {
            end += rest[end..].iter().position(|byte| *byte == b'\n')? + 1;
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (header, after) = rest.split_at(end);
        let colon = header.iter().position(|byte| *byte == b':')?;
        headers.push((&header[..colon], &header[colon + 1..]));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_into_headers_and_body() {
        let (headers, body) = cut(b"A: 1\r\nB:\r\n\t2\r\n 3\r\n\r\nbody\r\n").unwrap();
        assert_eq!(headers, [(&b"A"[..], &b" 1\r\n"[..]), (b"B", b"\r\n\t2\r\n 3\r\n")]);
        assert_eq!(body, b"body\r\n");
        for none in ["", "\r\n", "A: 1\r\n", "no header\r\n\r\n", "A: 1"] {
            assert_eq!(cut(none.as_bytes()), None, "{none:?}");
        }
    }
}
