//! Signatures on mails (DKIM, RFC 6376): keys out of files, the record of each for the DNS, and the signing itself.

mod key;
mod signer;

pub use key::{Algorithm, KeyError, PrivateKey, Record};
pub use signer::{SIGNED, SignError, Signer, aligns};
