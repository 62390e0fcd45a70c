//! What the outside sees of `config`: each `tests/config/NAME.toml` is one mistake, and `NAME.expected` the
//! answer to it, word by word. Lines `# env: NAME=value` at the top of a case set variables.
//!
//! `POSTROUND_WRITE_EXPECTED=1 cargo test config` writes the answers anew; read them before you commit them.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its cases has failed")]

use std::path::{Path, PathBuf};

use postround::config::{Backlog, Config, ConfigError, RelayUrl, SourceKind, StoreUrl};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn variables(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map_while(|line| line.strip_prefix("# env: "));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What the program answers to the text as its `config.toml`.
fn answer(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("config.toml"), variables(text).into_iter())
}

/// Every case, with what is answered to it.
fn cases() -> Vec<(PathBuf, String)> {
    let paths = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let cases = paths.filter(|path| path.extension().is_some_and(|end| end == "toml") && !path.ends_with("full.toml"));
    let answered = |path: PathBuf| {
        let found = match answer(&std::fs::read_to_string(&path).unwrap()) {
            Ok(_) => "it was taken".to_owned(),
            Err(error) => error.to_string(),
        };
        (path, format!("{found}\n"))
    };
    cases.map(answered).collect()
}

#[test]
fn each_mistake_is_answered_word_by_word() {
    let write = std::env::var_os("POSTROUND_WRITE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    let cases = cases();
    for (path, found) in &cases {
        let expected = path.with_extension("expected");
        if write {
            std::fs::write(&expected, found).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        if *found != expected {
            wrong.push(format!("{}:\n{found}instead of\n{expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 80, "only {} cases were found", cases.len());
}

#[test]
fn every_answer_says_where_and_what_would_be_right() {
    for (path, found) in cases() {
        for line in found.lines() {
            let place = line.split(": ").next().unwrap();
            let in_file = place.strip_prefix("config.toml:").is_some_and(|line| line.parse::<usize>().is_ok());
            assert!(in_file || place.starts_with("POSTROUND_"), "{}: {line}", path.display());
            assert!(line.contains("; "), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_shipped_configuration_works_as_it_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let config = Config::load(&file, std::iter::empty()).unwrap();
    assert!(matches!(&config.smtp.relays[0].url, RelayUrl::File(folder) if folder.ends_with("data/outbox")));
    assert!(matches!(&config.store.url, StoreUrl::Sqlite(path) if path.ends_with("data/postround.db")));
    assert!(matches!(config.sources[0].kind, SourceKind::Feed(_)));
    assert_eq!(config.collect.backlog, Backlog::Period);
    let digest = config.digest("weekly").unwrap();
    assert_eq!(digest.schedule.expression(), "0 8 * * MON");
    assert_eq!(config.topic_title("news", &digest.locale, &digest.locale), "News");
}
