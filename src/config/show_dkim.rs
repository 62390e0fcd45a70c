//! `[dkim]` in the effective configuration.

use serde::Serialize;

use super::settings::DkimNames;
use super::values::write_path;

/// The table; the keys themselves are in their files.
#[derive(Serialize)]
pub struct DkimShown<'a> {
    domain: &'a str,
    selector: &'a str,
    key_file: String,
    ed25519_selector: &'a str,
    ed25519_key_file: String,
}

impl<'a> DkimShown<'a> {
    /// Shows it.
    pub fn of(names: &'a DkimNames) -> Self {
        let (ed25519_selector, ed25519_key_file) = match &names.ed25519 {
            Some((selector, file)) => (selector.as_str(), write_path(file)),
            None => ("", String::new()),
        };
        let key_file = write_path(&names.key_file);
        Self { domain: &names.domain, selector: &names.selector, key_file, ed25519_selector, ed25519_key_file }
    }
}
