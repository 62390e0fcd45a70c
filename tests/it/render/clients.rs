//! What mail clients and validators make of the mails, by the tools in `tests/browser`.

use std::path::Path;
use std::process::Command;

use super::{fill_all, looks};

/// The browser's part, which takes longer, is run by `.ci/run`.
#[test]
fn the_markup_is_valid_and_every_client_knows_it_or_has_a_fallback() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    if !tools.join("node_modules").is_dir() || Command::new("node").arg("--version").output().is_err() {
        eprintln!("not checked: this needs node, and `npm ci` in tests/browser");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, html, _, _) in looks(&super::RENDERER).iter().map(fill_all) {
        std::fs::write(folder.path().join(format!("{name}.html")), html).unwrap();
    }
    let checked =
        Command::new("node").arg("mails.mjs").arg(folder.path()).arg("--without-browser").current_dir(tools).output();
    let checked = checked.unwrap();
    let said = [checked.stdout, checked.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(checked.status.success() && said.contains("mails, 0 problems"), "{said}");
}
