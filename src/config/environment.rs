//! Variables such as `POSTROUND_SMTP__PASSWORD`, laid over the file.

use super::document::{Node, Value};
use super::error::Place;
use super::keys;
use super::nearest::suggestion;
use super::reader::Report;

const PREFIX: &str = "POSTROUND_";

/// Lays the variables over the document. Returns those with our prefix that are none of ours, since they have no `__`:
/// Kubernetes makes such for a service of that name.
pub fn overlay(root: &mut Node, variables: impl Iterator<Item = (String, String)>, report: &Report<'_>) -> Vec<String> {
    let mut ours: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    let mut ignored = Vec::new();
    for (name, value) in ours {
        if !name.contains("__") {
            ignored.push(name);
            continue;
        }
        let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match check(&name, &path) {
            Ok(()) => set(root, &path, Node { place: Place::Variable(name), value: Value::Text(value) }),
            Err(message) => report.add(Place::Variable(name), "", message),
        }
    }
    ignored
}

/// Whether the path is one of a key with a single value, in a table that is there once.
fn check(name: &str, path: &[&str]) -> Result<(), String> {
    let keys_of = |table: &str| keys::ONCE.iter().find(|(name, _)| *name == table).map(|(_, keys)| *keys);
    match *path {
        [table, key] if (table, key) == keys::SOCIAL => {
            Err("is a table; set one link of it, as in POSTROUND_SENDER__SOCIAL__LINKEDIN".to_owned())
        }
        [table, key] if keys::TABLES.contains(&(table, key)) => {
            Err(format!("is a table, which the environment cannot set; write `{key}` under [{table}] in the file"))
        }
        [table, key] if keys_of(table).is_some_and(|keys| keys.contains(&key)) => Ok(()),
        [table, key, link] if (table, key) == keys::SOCIAL && !link.is_empty() => Ok(()),
        [table @ ("source" | "topic" | "digest" | "relay"), ..] => {
            Err(format!("repeated tables cannot be set from the environment; write it under [[{table}]] in the file"))
        }
        _ => {
            let all = keys::ONCE.iter().flat_map(|(table, keys)| keys.iter().map(move |key| (*table, *key)));
            let variables: Vec<String> = all
                .filter(|pair| *pair != keys::SOCIAL && !keys::TABLES.contains(pair))
                .map(|(table, key)| format!("{PREFIX}{}__{}", table.to_uppercase(), key.to_uppercase()))
                .collect();
            let near = suggestion(name, variables.iter().map(String::as_str), || {
                "one that does looks like POSTROUND_SMTP__PASSWORD".to_owned()
            });
            Err(format!("names no key{near}"))
        }
    }
}

/// Puts the node at the path; tables on the way are made. Where the file has something else than a table there, the
/// file is wrong, and says so itself.
fn set(at: &mut Node, path: &[&str], node: Node) {
    let Value::Table(entries) = &mut at.value else { return };
    let [name, rest @ ..] = path else { return };
    if rest.is_empty() {
        entries.retain(|(key, _)| key != name);
        entries.push(((*name).to_owned(), node));
        return;
    }
    if !entries.iter().any(|(key, _)| key == name) {
        entries.push(((*name).to_owned(), Node { place: Place::Line(1), value: Value::Table(Vec::new()) }));
    }
    if let Some((_, inner)) = entries.iter_mut().find(|(key, _)| key == name) {
        set(inner, rest, node);
    }
}
