//! `[dkim]`: the domain that signs, and its keys out of their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::site::path;
use crate::config::keys;
use crate::config::reader::{Table, shown};
use crate::config::settings::{Digest, Dkim, DkimNames, Sender};
use crate::dkim::{Algorithm, PrivateKey, Signer, aligns};
use crate::domain::EmailAddress;

/// The table's names alone; the files need not be there. `None`: there is no such table, or it is wrong.
pub fn names(root: &Table<'_>, folder: &Path) -> Option<DkimNames> {
    root.field("dkim")?;
    let table = root.table("dkim", keys::DKIM);
    let domain = table.required("domain", "give the domain that signs, which is that of `sender.email` or above it");
    let domain = domain.and_then(|field| field.parse(domain_name));
    let selector = table.given("selector").map(|field| field.parse(selector_name));
    let key_file = path(&table, "key_file", folder);
    let ed25519 = ed25519(&table, folder);
    let selector = selector.unwrap_or_else(|| Some(DkimNames::SELECTOR.to_owned()))?;
    if ed25519.as_ref().is_some_and(|(other, _)| *other == selector) {
        table.wrong("ed25519_selector", "is that of the RSA key too; each key needs a selector of its own");
    }
    let key_file = key_file.unwrap_or_else(|| folder.join(DkimNames::KEY_FILE));
    Some(DkimNames { domain: domain?, selector, key_file, ed25519 })
}

fn ed25519(table: &Table<'_>, folder: &Path) -> Option<(String, PathBuf)> {
    let file = path(table, "ed25519_key_file", folder);
    let selector = table.given("ed25519_selector").and_then(|field| field.parse(selector_name));
    match (selector, file) {
        (Some(selector), Some(file)) => Some((selector, file)),
        (None, Some(_)) if table.given("ed25519_selector").is_none() => {
            table.wrong("ed25519_key_file", "has no selector with it; set `ed25519_selector` too");
            None
        }
        (Some(_), None) => {
            table.wrong("ed25519_selector", "has no key with it; set `ed25519_key_file` too");
            None
        }
        _ => None,
    }
}

/// The table with its keys, which all senders must be able to use.
pub fn dkim(root: &Table<'_>, folder: &Path, sender: Option<&Sender>, digests: &[Digest]) -> Option<Dkim> {
    let names = names(root, folder)?;
    let table = root.table("dkim", keys::DKIM);
    let mut signing = vec![(names.selector.clone(), key(&table, "key_file", &names.key_file, Algorithm::Rsa))];
    if let Some((selector, file)) = &names.ed25519 {
        signing.push((selector.clone(), key(&table, "ed25519_key_file", file, Algorithm::Ed25519)));
    }
    let senders = sender.into_iter().map(|sender| ("sender.email".to_owned(), &sender.email));
    let own = digests.iter().map(|digest| (format!("digest.{}.sender.email", digest.id), &digest.sender.email));
    if let Some((key, address)) = senders.chain(own).find(|(_, address)| !aligns(&names.domain, address.domain())) {
        let (domain, from) = (shown(&names.domain), shown(address.as_str()));
        let remedy = format!(
            "it must be {} or a domain above it, or receivers take the signature for a stranger's",
            shown(address.domain())
        );
        table.wrong("domain", format!("`{domain}` does not align with `{from}` of `{key}`; {remedy}"));
    }
    let signing: Option<Vec<_>> = signing.into_iter().map(|(selector, key)| Some((selector, key?))).collect();
    let signer = Arc::new(Signer::new(&names.domain, signing?));
    Some(Dkim { names, signer })
}

fn key(table: &Table<'_>, name: &'static str, file: &Path, wanted: Algorithm) -> Option<PrivateKey> {
    let key = PrivateKey::read(file).map_err(|error| table.wrong(name, error.to_string())).ok()?;
    if key.algorithm() == wanted {
        return Some(key);
    }
    let shown = file.display();
    table.wrong(
        name,
        match wanted {
            Algorithm::Rsa => format!(
                "{shown} has an Ed25519 key, which many receivers do not know; it must have an RSA key, and that one can \
                 stand beside it as `ed25519_key_file`"
            ),
            Algorithm::Ed25519 => format!("{shown} has an RSA key; it must have an Ed25519 key"),
        },
    );
    None
}

/// A domain as a signature has it: in ASCII and small letters, with a dot in it.
pub fn domain_name(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('.');
    match EmailAddress::parse(&format!("a@{text}")) {
        Ok(address) if address.domain().contains('.') && !address.domain().starts_with('[') => {
            Ok(address.domain().to_owned())
        }
        _ => Err(format!("`{}` is no domain; it looks like `example.org`", shown(text))),
    }
}

/// A selector: labels of letters, digits and hyphens (RFC 6376, section 3.1).
pub fn selector_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    match text.len() <= 100 && text.split('.').all(is_label) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("`{}` is no selector; write letters, digits and hyphens, as in `postround`", shown(text))),
    }
}

impl DkimNames {
    /// The selector where none is given.
    pub const SELECTOR: &str = "postround";
    /// The file of the RSA key where none is given, from the configuration's folder.
    pub const KEY_FILE: &str = "data/dkim.pem";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_aligns_with_itself_and_what_is_below_or_above_it() {
        let all =
            [("example.org", "example.org"), ("example.org", "news.example.org"), ("m.example.org", "example.org")];
        assert!(all.iter().all(|(domain, from)| aligns(domain, from)));
        let none =
            [("example.org", "example.net"), ("example.org", "notexample.org"), ("a.example.org", "b.example.org")];
        assert!(none.iter().all(|(domain, from)| !aligns(domain, from)));
    }

    #[test]
    fn selectors_are_labels() {
        assert_eq!(selector_name(" Post-1.Round "), Ok("post-1.round".to_owned()));
        for bad in ["", "a b", "-a", "a-", "a..b", "a_b", "ä"] {
            assert!(selector_name(bad).is_err(), "{bad}");
        }
    }
}
