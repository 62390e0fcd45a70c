//! Finds the addresses in a field that is none as a whole, such as `Ann <ann@example.org>` or two addresses.

use crate::domain::EmailAddress;

/// How long such a field is at most, in octets: it is no place for a text.
const LONGEST: usize = 2000;

/// Stands for octets that are no letters.
pub(super) const UNREADABLE: char = '\u{fffd}';

/// The addresses that can be read in a field.
pub(super) fn addresses_in(field: &str) -> Vec<EmailAddress> {
    if let Ok(address) = EmailAddress::parse(field) {
        return vec![address];
    }
    if field.len() > LONGEST {
        return Vec::new();
    }
    let text = with_tight_signs(field);
    let (mut found, mut rest) = (Vec::new(), text.as_str());
    while let Some((before, behind)) = rest.split_once('@') {
        // What cannot be read is part of an address, and makes it another one.
        let local = before.rsplit(|c: char| !is_local(c) && c != UNREADABLE).next().unwrap_or_default();
        let local = local.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != UNREADABLE);
        let end = behind.find(|c: char| !is_domain(c) && c != UNREADABLE).unwrap_or(behind.len());
        let domain = behind[..end].trim_end_matches(['.', '-']);
        let address = EmailAddress::parse(&format!("{local}@{domain}")).ok();
        found.extend(address.filter(|address| !found.contains(address)));
        rest = &behind[end..];
    }
    found
}

/// The field without what cannot be seen, and without spaces beside an `@`.
fn with_tight_signs(field: &str) -> String {
    let seen = |c: char| if c == '\u{ff20}' { '@' } else { c };
    let text: String = field.chars().filter(|c| !is_unseen(*c)).map(seen).collect();
    let parts: Vec<&str> = text.split('@').collect();
    let last = parts.len() - 1;
    let trimmed = parts.iter().enumerate().map(|(at, part)| match (at > 0, at < last) {
        (true, true) => part.trim(),
        (true, false) => part.trim_start(),
        (false, true) => part.trim_end(),
        (false, false) => part,
    });
    trimmed.collect::<Vec<_>>().join("@")
}

/// What copying leaves in a text: spaces without a width, marks of direction, soft hyphens.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

fn is_domain(c: char) -> bool {
    c.is_alphanumeric() || c == '.' || c == '-'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("A. Marsh <a@example.com>", "a@example.com")]
    #[case("mailto:a@example.com?subject=Hi", "a@example.com")]
    #[case("a@example.com>", "a@example.com")]
    #[case("'a@example.com'", "a@example.com")]
    #[case("a@example.com; b@example.com", "a@example.com b@example.com")]
    #[case("a@example.com/B.c+d@example.com,a@example.com", "a@example.com B.c+d@example.com")]
    #[case("a\u{200b}@example.com", "a@example.com")]
    #[case("a @ example.com.", "a@example.com")]
    #[case("a＠example.com (home)", "a@example.com")]
    #[case("us @ home", "")]
    #[case("a\u{fffd}b@example.com", "")]
    #[case("@", "")]
    fn every_address_that_can_be_read_is_found(#[case] field: &str, #[case] expected: &str) {
        let found: Vec<String> = addresses_in(field).iter().map(|address| address.as_str().to_owned()).collect();
        assert_eq!(found.join(" "), expected, "{field}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a@. \u{200b}<;é-]{0,30}|.{0,30}") {
            addresses_in(&text);
        }
    }
}
