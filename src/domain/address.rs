//! Email addresses, normalised so that one mailbox has one spelling.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// An email address: the local part in Unicode NFC with its case kept, the domain lower-case in its A-label form
/// (RFC 5321, RFC 6531, UTS 46).
///
/// Gmail's dots and plus tags are left alone: they are the reader's own spelling.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    text: String,
    at: usize,
}

/// Why a text is not an email address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("an email address is missing")]
    Empty,
    /// No `@`, or nothing on one side of it.
    #[error("`{0}` is not an email address; one looks like `name@example.org`")]
    Shape(String),
    /// A character that a local part cannot have, or dots where none may be.
    #[error("`{0}` has a character before the @ that an email address cannot have")]
    Local(String),
    /// The part after the `@` is no domain name.
    #[error("`{0}` has no usable domain after the @")]
    Domain(String),
    /// Over 254 octets, or 64 before the `@`.
    #[error("the email address is too long: at most 64 letters before the @ and 254 in all")]
    TooLong,
}

impl EmailAddress {
    /// Reads an address as a person or a file gives it: surrounding spaces are dropped, the domain is normalised.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with it.
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        let input = input.trim();
        if input.is_empty() {
            return Err(AddressError::Empty);
        }
        if input.len() > 1000 {
            return Err(AddressError::TooLong);
        }
        let shown = || input.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
        let (local, domain) = input.rsplit_once('@').ok_or_else(|| AddressError::Shape(shown()))?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Shape(shown()));
        }
        let local: String = local.nfc().collect();
        let dots_fit = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        if !dots_fit || !local.chars().all(is_atom_char) {
            return Err(AddressError::Local(shown()));
        }
        let domain = ascii_domain(domain).ok_or_else(|| AddressError::Domain(shown()))?;
        if local.len() > 64 || local.len() + 1 + domain.len() > 254 {
            return Err(AddressError::TooLong);
        }
        let at = local.len();
        Ok(Self { text: format!("{local}@{domain}"), at })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`, in A-labels.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// Whether a server must offer SMTPUTF8 to take it (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        !self.text.is_ascii()
    }
}

/// RFC 5322 `atext` and the dot, or any letter, digit and mark beyond ASCII (RFC 6531).
fn is_atom_char(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
    } else {
        !c.is_control() && !c.is_whitespace() && !is_invisible(c)
    }
}

/// Marks that a reader cannot see, which make two addresses look the same.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{ad}')
}

fn ascii_domain(domain: &str) -> Option<String> {
    let domain = idna::domain_to_ascii_strict(domain.trim_end_matches('.')).ok()?;
    let labels: Vec<&str> = domain.split('.').collect();
    let fits = labels.len() >= 2
        && labels.iter().all(|label| !label.is_empty())
        && labels.last().is_some_and(|top| !top.bytes().all(|b| b.is_ascii_digit()));
    fits.then_some(domain)
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Shows only the domain: addresses do not belong into logs.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress(…@{})", self.domain())
    }
}

impl std::str::FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_domain_is_folded_and_the_local_part_is_kept() {
        assert_eq!(EmailAddress::parse(" Jo.Bloggs+x@EXAMPLE.Org ").unwrap().as_str(), "Jo.Bloggs+x@example.org");
        assert_eq!(EmailAddress::parse("zoë@BÜCHER.example").unwrap().as_str(), "zoë@xn--bcher-kva.example");
        assert_eq!(EmailAddress::parse("zoe\u{308}@example.org").unwrap().as_str(), "zoë@example.org");
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for bad in [
            "",
            "plain",
            "@example.org",
            "a@",
            "a b@example.org",
            "a..b@example.org",
            ".a@example.org",
            "a@localhost",
            "a@exa mple.org",
            "a@-x.org",
            "a\r\nBcc: b@example.org",
            "a@b@example.org",
            "a@1.2.3.4",
            "<a@example.org>",
            "a@example.org\n.b",
            "a\u{200b}b@example.org",
            "\"a b\"@example.org",
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?} was taken");
        }
        assert_eq!(EmailAddress::parse(&format!("{}@example.org", "a".repeat(65))), Err(AddressError::TooLong));
    }

    proptest! {
        #[test]
        fn parsing_is_stable_and_never_lets_a_control_character_through(input in "\\PC{0,20}@?[a-zA-Z0-9.ß-]{0,20}|[\\x00-\\x7f]{0,30}") {
            if let Ok(address) = EmailAddress::parse(&input) {
                prop_assert!(!address.as_str().chars().any(char::is_control));
                prop_assert!(!address.as_str().contains(['<', '>', ' ', ',', ';', '"']));
                prop_assert_eq!(EmailAddress::parse(address.as_str()).unwrap(), address);
            }
        }
    }
}
