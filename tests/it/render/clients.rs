//! What mail clients, validators and a spam filter make of the mails, by the tools that they are checked with elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::looks::looks;
use super::{RENDERER, fill_all};

/// The mails as files of that kind: `html` or `eml`.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let write = |(name, html, _, message): (&str, String, String, String)| {
        let path = folder.join(format!("{name}.{ending}"));
        std::fs::write(&path, if ending == "html" { html } else { message }).unwrap();
        path
    };
    looks(&RENDERER).iter().map(fill_all).map(write).collect()
}

/// Runs a program of tests/browser on a folder with the mails. Gives how many they are, whether all is well, and what it says; none
/// where node or its packages are not installed.
fn checked(needs: &str, arguments: &[&str]) -> Option<(usize, bool, String)> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let is_there = tools.join("node_modules").join(needs).is_dir();
    if !is_there || Command::new("node").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "this test needs node, and `npm ci` in tests/browser");
        eprintln!("NOT CHECKED: this needs node, and `npm ci` in tests/browser");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let count = files(folder.path(), "html").len();
    let (program, options) = arguments.split_first().unwrap();
    let checked = Command::new("node").arg(program).arg(folder.path()).args(options).current_dir(tools).output();
    let checked = checked.unwrap();
    let said = [checked.stdout, checked.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    Some((count, checked.status.success(), said))
}

/// The browser's part, which takes longer, is run by `.ci/run`.
#[test]
fn the_markup_is_valid_and_every_client_knows_it_or_has_a_fallback() {
    if let Some((count, is_well, said)) = checked("html-validate", &["mails.mjs", "--without-browser"]) {
        assert!(is_well && said.contains(&format!("{count} mails, 0 problems")), "{said}");
    }
}

#[test]
fn what_mjml_does_for_old_outlook_is_in_each_place_of_the_mails_too() {
    if let Some((_, is_well, said)) = checked("mjml", &["mjml.mjs"]) {
        assert!(is_well && said.contains("places, 0 problems"), "{said}");
    }
}

/// The rules that cost points in the report of each message: name and points.
fn costly(report: &str) -> Vec<(String, f64)> {
    let rules = report.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let points = words.next()?.parse::<f64>().ok()?;
        let rule = words.next()?;
        let is_rule = rule.len() > 3 && rule.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        (is_rule && points > 0.0).then(|| (rule.to_owned(), points))
    });
    rules.collect()
}

#[test]
fn no_rule_of_a_spam_filter_costs_a_mail_a_point() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path(), "eml");
    // -L: the rules that ask nobody on the network; -t: with a report.
    let Ok(checked) = Command::new("spamassassin").args(["-L", "-t"]).args(&files).output() else {
        assert!(std::env::var_os("CI").is_none(), "this test needs spamassassin, of the package of that name");
        eprintln!("NOT CHECKED: this needs spamassassin, of the package of that name");
        return;
    };
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let reports: Vec<&str> = said.split("Content analysis details:").skip(1).collect();
    assert_eq!(reports.len(), files.len(), "a report on each");
    for (file, report) in files.iter().zip(reports) {
        assert!(report.contains("NO_RECEIVED"), "it has been looked at: {report}");
        let costly = costly(report);
        assert!(costly.is_empty(), "{}: {costly:?}", file.display());
    }
}

#[test]
fn a_mail_that_looks_like_spam_would_be_found() {
    let report = " pts rule name  description\n 0.0 HTML_MESSAGE BODY: HTML\n-0.0 NO_RELAYS Informational\n 2.2 MPART_ALT_DIFF BODY: parts differ\n";
    assert_eq!(costly(report), [("MPART_ALT_DIFF".to_owned(), 2.2)]);
}
