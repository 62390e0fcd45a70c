//! What template files say of each other: which others they extend or include, and which of their blocks they fill.

use std::path::Path;

use super::TemplateError;
use super::error::file_of;
use super::templates::BUILT_IN;
use crate::config::{listed, suggestion, unknown_name};

/// The tags of the language.
const TAGS: [&str; 21] = [
    "block",
    "break",
    "component",
    "continue",
    "elif",
    "else",
    "endblock",
    "endcomponent",
    "endfilter",
    "endfor",
    "endif",
    "endraw",
    "endset",
    "extends",
    "filter",
    "for",
    "if",
    "include",
    "raw",
    "set",
    "set_global",
];

/// Template files by name: an operator's over the built-in ones.
#[derive(Clone, Copy, Default)]
pub(crate) struct Texts<'t> {
    /// The operator's.
    pub(crate) own: &'t [(String, String)],
    /// Those of the program.
    pub(crate) built_in: &'t [(&'static str, &'static str)],
}

impl<'t> Texts<'t> {
    /// What a file says.
    pub(super) fn of(self, name: &str) -> Option<&'t str> {
        let own = self.own.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
        let name = name.strip_prefix(BUILT_IN).unwrap_or(name);
        own.or_else(|| self.built_in.iter().find(|(known, _)| *known == name).map(|(_, text)| *text))
    }

    fn names(self) -> impl Iterator<Item = &'t str> {
        self.own.iter().map(|(name, _)| name.as_str()).chain(self.built_in.iter().map(|(name, _)| *name))
    }

    /// What is wrong where a file has a block, a component or a tag that there is not, with the nearest one, or a place in a list
    /// that is not there. `None`: Tera's message says something else.
    pub(crate) fn unknown(self, message: &str, place: &str) -> Option<String> {
        let mut parts = place.rsplitn(3, ':');
        let (column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
        let at = column.parse::<usize>().ok()?.checked_sub(1)?;
        let text = || self.of(file)?.lines().nth(line.parse::<usize>().ok()?.checked_sub(1)?);
        if message.contains("undefined") || message.starts_with("Field `") && message.ends_with("` is not defined") {
            return not_there(text()?, at);
        }
        if message == "Unknown tag" {
            let word = text()?.get(at..)?;
            let word = &word[..word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len())];
            let near = suggestion(word, TAGS, || format!("the tags are {}", listed(TAGS)));
            return (!word.is_empty()).then(|| format!("there is no tag `{word}`{near}"));
        }
        let name = message.split('`').nth(1)?;
        if message.starts_with("Block `") && message.contains("not defined in any parent") {
            let blocks = self.blocks_above(file);
            let near = suggestion(name, blocks.iter().copied(), || match blocks.as_slice() {
                [] => "there are none".to_owned(),
                blocks => format!("there are {}", listed(blocks.iter().copied())),
            });
            return Some(format!("there is no block `{name}` in what it extends{near}"));
        }
        if !message.starts_with("Unknown component `") {
            return None;
        }
        let known: Vec<&str> = self.names().filter_map(|name| self.of(name)).flat_map(components).collect();
        let near = suggestion(name, known, || format!("{{% component {name}() %}} would begin one"));
        Some(format!("there is no component `{name}`{near}"))
    }

    /// The blocks that a file may fill: those of the file that it extends, and of what that extends.
    fn blocks_above(self, file: &str) -> Vec<&'t str> {
        let mut above: Vec<&str> = Vec::new();
        let mut text = self.of(file);
        while let Some(name) = text.and_then(extended).filter(|name| !above.contains(name)) {
            above.push(name);
            text = self.of(name);
        }
        let mut blocks: Vec<&str> = above.iter().filter_map(|name| self.of(name)).flat_map(blocks).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }
}

/// Says of what stands at a place in a line that it is not there, where it counts into a list or text.
fn not_there(line: &str, at: usize) -> Option<String> {
    let is_part = |c: char| c.is_alphanumeric() || "_.?[]\"'`-".contains(c);
    let (before, behind) = line.split_at_checked(at)?;
    let begin = before.trim_end_matches(is_part).len();
    let end = at + behind.find(|c| !is_part(c)).unwrap_or(behind.len());
    let whole = line[begin..end].trim_matches(['-', '.', '?']);
    let counted: Vec<&str> = whole.match_indices(']').map(|(end, _)| &whole[..=end]).collect();
    let asked = counted.join(" and ");
    let say = || format!("`{whole}` is not there in every mail; ask for it first, as in `{{% if {asked} %}}`");
    (!counted.is_empty()).then(say)
}

/// Whether a file has all of a mail's part, if no other extends or includes it, as far as its text shows.
pub(super) fn is_whole(name: &str, text: &str) -> bool {
    let has = |part: &str| text.to_ascii_lowercase().contains(part);
    extended(text).is_some()
        || if name.ends_with(".html") { has("<html") || has("<!doctype") } else { text.contains("slot.") }
}

/// The tags of a template: where each begins, and from its name on.
fn tags(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("{%").map(|(at, _)| (at, text[at + 2..].trim_start_matches('-').trim_start()))
}

/// The files that a template extends or includes, each with its line.
pub(super) fn used(text: &str) -> impl Iterator<Item = (usize, &str)> {
    tags(text).filter_map(|(at, tag)| {
        let name = quoted(tag.strip_prefix("extends").or_else(|| tag.strip_prefix("include"))?)?;
        Some((text[..at].matches('\n').count() + 1, name))
    })
}

/// The file that a template extends.
fn extended(text: &str) -> Option<&str> {
    tags(text).find_map(|(_, tag)| quoted(tag.strip_prefix("extends")?))
}

/// The blocks that a template has.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    tags(text).filter_map(|(_, tag)| named(tag, "block"))
}

/// The components that a template makes.
fn components(text: &str) -> impl Iterator<Item = &str> {
    tags(text).filter_map(|(_, tag)| named(tag, "component"))
}

/// The name in a tag behind that word.
fn named<'t>(tag: &'t str, word: &str) -> Option<&'t str> {
    let rest = tag.strip_prefix(word)?.strip_prefix(char::is_whitespace)?.trim_start();
    let name = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
    (!name.is_empty()).then_some(name)
}

/// The text in quotes that follows.
fn quoted(rest: &str) -> Option<&str> {
    rest.trim_start().strip_prefix(['"', '\'', '`'])?.split(['"', '\'', '`']).next()
}

/// Finds a file that an operator's names and that there is not, and one that comes back to itself: Tera tells neither's line.
pub(super) fn check_references(texts: Texts<'_>, dir: Option<&Path>) -> Result<(), TemplateError> {
    let wrong = |file: &str, line: usize, message: String| {
        Err(TemplateError::Template { place: format!("{}:{line}", file_of(file, dir)), message })
    };
    for (file, own) in texts.own {
        for (line, name) in used(own) {
            if texts.of(name).is_none() {
                return wrong(file, line, unknown_name(name, texts.names()));
            }
            let (mut reached, mut at) = (vec![name], 0);
            while let Some(next) = reached.get(at) {
                let further = texts.of(next).filter(|_| !next.starts_with(BUILT_IN));
                let further: Vec<&str> = further.into_iter().flat_map(used).map(|(_, name)| name).collect();
                reached.extend(further.into_iter().filter(|name| !reached.contains(name)).collect::<Vec<_>>());
                at += 1;
            }
            if reached.contains(&file.as_str()) {
                let message = format!("`{name}` comes back to `{file}` itself; the built-in one is `{BUILT_IN}{file}`");
                return wrong(file, line, message);
            }
        }
    }
    Ok(())
}
