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
    /// A space in it, as between two addresses, or a name and an address.
    #[error("`{0}` has a space in it; an email address has none, and only one can be given")]
    Space(String),
    /// Dots where none may be.
    #[error("`{0}` has a dot too many before the @: none may stand at its start or end, nor beside another")]
    Dots(String),
    /// A character that a local part cannot have.
    #[error("`{0}` has a character before the @ that an email address cannot have")]
    Local(String),
    /// An IP address after the `@`.
    #[error("`{0}` has the address of a machine after the @; it must be a domain name such as `example.org`")]
    Machine(String),
    /// No dot after the `@`.
    #[error("`{0}` has no usable domain after the @; perhaps an ending such as `.org` is missing")]
    Ending(String),
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
        // Keyboards for Chinese, Japanese and Korean have a wide one.
        let (local, domain) = input.rsplit_once(['@', '\u{ff20}']).ok_or_else(|| AddressError::Shape(shown()))?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Shape(shown()));
        }
        if input.chars().any(|c| c.is_whitespace() && !c.is_control()) {
            return Err(AddressError::Space(shown()));
        }
        let local: String = if local.is_ascii() { local.to_owned() } else { local.nfc().collect() };
        if !local.chars().all(is_atom_char) {
            return Err(AddressError::Local(shown()));
        }
        if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
            return Err(AddressError::Dots(shown()));
        }
        if is_machine(domain) {
            return Err(AddressError::Machine(shown()));
        }
        let domain = ascii_domain(domain).ok_or_else(|| AddressError::Domain(shown()))?;
        if !domain.contains('.') {
            return Err(AddressError::Ending(shown()));
        }
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

    /// The address as its owner writes it, the domain in U-labels: for pages and lists, not for the wire.
    pub fn shown(&self) -> String {
        match idna::domain_to_unicode(self.domain()) {
            (domain, Ok(())) => format!("{}@{domain}", self.local()),
            _ => self.text.clone(),
        }
    }

    /// What two spellings of one mailbox have in common: the case of the local part does not count here, though what was
    /// typed is what is mailed to.
    pub fn folded(&self) -> String {
        if self.text.is_ascii() {
            return self.text.to_ascii_lowercase();
        }
        let folded = self.text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c });
        // A small letter may have a composed form where the capital one has none.
        folded.nfc().collect()
    }

    /// What the spellings of one mailbox have in common that differ by a tag after a plus sign, folded. Only good to count
    /// by: a host may take two of them for two people.
    pub fn untagged(&self) -> String {
        let folded = self.folded();
        match folded.split_once('@').and_then(|(local, domain)| Some((local.split_once('+')?.0, domain))) {
            Some((local, domain)) if !local.is_empty() => format!("{local}@{domain}"),
            _ => folded,
        }
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
    matches!(c, '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{ad}')
}

/// Whether it is an IP address, with or without brackets.
fn is_machine(domain: &str) -> bool {
    let bare = domain.trim_start_matches('[').trim_end_matches(']');
    bare.len() < domain.len() || bare.parse::<std::net::IpAddr>().is_ok()
}

fn ascii_domain(domain: &str) -> Option<String> {
    let domain = idna::domain_to_ascii_strict(domain.trim_end_matches('.')).ok()?;
    let labels: Vec<&str> = domain.split('.').collect();
    let fits = labels.iter().all(|label| !label.is_empty())
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

    #[test]
    fn tags_are_set_aside_to_count_by_and_dots_are_not() {
        for (address, untagged) in [
            ("Ann+News@example.org", "ann@example.org"),
            ("ann+a+b@example.org", "ann@example.org"),
            ("ann.m@example.org", "ann.m@example.org"),
            ("+ann@example.org", "+ann@example.org"),
        ] {
            assert_eq!(EmailAddress::parse(address).unwrap().untagged(), untagged);
        }
    }

    #[test]
    fn each_refusal_says_why() {
        for (bad, why) in [
            ("", "missing"),
            ("plain", "one looks like"),
            ("Ann Marsh <ann@example.org>", "has a space"),
            ("ann@example.org bo@example.org", "has a space"),
            ("ann..m@example.org", "a dot too many"),
            ("ann.@example.org", "a dot too many"),
            ("\"ann\"@example.org", "a character before the @"),
            ("ann,bo@example.org", "a character before the @"),
            ("an\u{200b}n@example.org", "a character before the @"),
            ("ann@192.0.2.7", "a machine"),
            ("ann@[IPv6:2001:db8::1]", "a machine"),
            ("ann@example", "an ending"),
            ("ann@exa_mple.org", "no usable domain"),
            ("ann@xn--a.example", "no usable domain"),
        ] {
            let said = EmailAddress::parse(bad).unwrap_err().to_string();
            assert!(said.contains(why), "{bad}: {said}");
        }
        let long = |local: usize, label: usize| {
            let domain = format!("{0}.{0}.{0}.{1}", "d".repeat(61), "e".repeat(label));
            EmailAddress::parse(&format!("{}@{domain}", "a".repeat(local))).map(|address| address.as_str().len())
        };
        assert_eq!(long(64, 3), Ok(254));
        assert_eq!(long(64, 4), Err(AddressError::TooLong));
        assert_eq!(long(65, 3), Err(AddressError::TooLong));
    }

    #[test]
    fn a_domain_is_sent_in_a_labels_and_shown_in_u_labels() {
        let address = EmailAddress::parse("zoë@Bücher.Example").unwrap();
        assert_eq!(address.domain(), "xn--bcher-kva.example");
        assert_eq!(address.shown(), "zoë@bücher.example");
        assert_eq!(EmailAddress::parse("山田\u{ff20}例え。example").unwrap().shown(), "山田@例え.example");
    }

    #[test]
    fn the_case_of_the_local_part_tells_nobody_apart() {
        let folded = |text: &str| EmailAddress::parse(text).unwrap().folded();
        assert_eq!(folded("Ana@x.example"), folded("ana@X.example"));
        // A capital without a composed form whose small letter has one; the two small sigmas.
        assert_eq!(folded("J\u{30c}@x.example"), folded("\u{1f0}@x.example"));
        assert_eq!(folded("ΑΣ@x.example"), folded("ας@x.example"));
        // But these are other people.
        assert_ne!(folded("a.na@gmail.com"), folded("ana@gmail.com"));
        assert_ne!(folded("ana+x@x.example"), folded("ana@x.example"));
    }

    proptest! {
        #[test]
        fn parsing_is_stable_and_never_lets_a_control_character_through(input in "\\PC{0,20}@?[a-zA-Z0-9.ß-]{0,20}|[\\x00-\\x7f]{0,30}") {
            if let Ok(address) = EmailAddress::parse(&input) {
                prop_assert!(!address.as_str().chars().any(char::is_control));
                prop_assert!(!address.as_str().contains(['<', '>', ' ', ',', ';', '"']));
                prop_assert_eq!(&EmailAddress::parse(&address.shown()).unwrap(), &address);
                prop_assert_eq!(EmailAddress::parse(address.as_str()).unwrap(), address);
            }
        }

        #[test]
        fn one_mailbox_is_one_however_it_is_typed(local in "[\\p{L}\\p{N}!#$%&'*+/=?^_{|}~-]{1,12}", label in "[a-zà-öø-ÿ]{1,12}") {
            let typed = |local: String, domain: &str| EmailAddress::parse(&format!("  {local}@{domain}.example ")).ok();
            if let Some(address) = typed(local.clone(), &label) {
                prop_assert!(address.domain().is_ascii());
                prop_assert!(address.local().len() <= 64 && address.as_str().len() <= 254);
                let upper = typed(local.clone(), &label.to_uppercase()).unwrap();
                prop_assert_eq!(&upper, &address);
                let apart = typed(local.nfd().collect(), &label.nfd().collect::<String>()).unwrap();
                prop_assert_eq!(&apart, &address);
                let small = typed(local.chars().flat_map(char::to_lowercase).collect(), &label);
                prop_assert_eq!(small.unwrap().folded(), address.folded());
            }
        }
    }
}
