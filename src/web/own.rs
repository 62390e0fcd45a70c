//! An operator's pages and stylesheets over the built-in ones: read when the program starts, and looked at for slips, so that no
//! visitor finds them first.

use std::cell::LazyCell;
use std::path::Path;

use super::WebError;
use super::pages::{STYLES, TEMPLATES};
use crate::config::suggestion;
use crate::domain::Locale;
use crate::render::{PageNames, meant_file, misnamed};
use crate::wording::{Unreadable, Wording, dangles, is_aside, read_own};

/// What there is in the folder of the templates.
#[derive(Default)]
pub(super) struct Own {
    /// By the names of those that they replace.
    files: Vec<(String, String)>,
    /// Those that replace nothing, a sentence for each.
    strangers: Vec<String>,
}

impl Own {
    /// Reads them.
    pub(super) fn read(dir: &Path) -> Result<Self, WebError> {
        let mut files = Vec::new();
        for name in names() {
            let path = dir.join(name);
            match read_own(&path) {
                Ok(text) => files.push((name.to_owned(), text)),
                Err(Unreadable::System(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(Unreadable::System(source)) => return Err(WebError::Read { path, source }),
                Err(Unreadable::Text { line, message }) => {
                    return Err(WebError::Page { place: format!("{}:{line}", path.display()), message });
                }
            }
        }
        let own = Self { files, strangers: strangers(dir) };
        own.check(dir)?;
        Ok(own)
    }

    /// All files with their names.
    pub(super) fn files(&self) -> &[(String, String)] {
        &self.files
    }

    /// The pages with their names.
    pub(super) fn pages(&self) -> impl Iterator<Item = (String, &str)> {
        let pages = self.files.iter().filter(|(name, _)| !is_style(name));
        pages.map(|(name, text)| (name.clone(), text.as_str()))
    }

    /// That stylesheet: theirs, else the built-in one.
    pub(super) fn style(&self, name: &str) -> &str {
        let own = self.files.iter().find(|(file, _)| file == name).map(|(_, text)| text.as_str());
        let built_in = || STYLES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
        own.or_else(built_in).unwrap_or_default()
    }

    /// The files that replace nothing, a sentence for each.
    pub(super) fn strangers(&self) -> &[String] {
        &self.strangers
    }

    /// Finds what a page uses and does not see, and keys that the wording has nothing under.
    fn check(&self, dir: &Path) -> Result<(), WebError> {
        let known = LazyCell::new(|| PageNames::of(TEMPLATES.iter().map(|(_, text)| *text)));
        for (name, text) in self.pages() {
            if let Some((line, message)) = known.unknown_in(text).or_else(|| unknown_key(text)) {
                return Err(WebError::Page { place: format!("{}:{line}", dir.join(name).display()), message });
            }
        }
        Ok(())
    }
}

/// The names of all files that an operator can replace.
fn names() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().chain(&STYLES).map(|(name, _)| *name)
}

fn is_style(name: &str) -> bool {
    name.ends_with(".css")
}

/// The first key that a page asks for and that the wording has nothing under: its line, and what is wrong with it.
fn unknown_key(text: &str) -> Option<(usize, String)> {
    const ASKED: &str = "t(key=\"";
    let locale = Locale::default();
    let mut asked =
        text.match_indices(ASKED).filter_map(|(at, _)| Some((at, text[at + ASKED.len()..].split('"').next()?)));
    let is_there = |key: &str| Wording::of(&locale).page(key, Some(2), &[], &locale).is_some();
    asked.find(|(_, key)| !is_there(key)).map(|(at, key)| {
        let keys = Wording::of(&locale).page_keys();
        let near = suggestion(key, keys.iter().map(String::as_str), || {
            "`pages` in locales/en-GB.toml has all keys".to_owned()
        });
        let message = format!("the wording of pages has nothing under `{key}`{near}");
        (text[..at].matches('\n').count() + 1, message)
    })
}

/// The files beside the pages that replace none of them, a sentence for each.
fn strangers(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("pages")).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let ours = || names().map(|name| name.trim_start_matches("pages/"));
    let is_page = |file: &str| [".html", ".xml", ".css"].iter().any(|ending| file.ends_with(ending));
    let say = |file: &String| {
        let (place, is_ours) = (dir.join("pages").join(file), ours().any(|name| name == file));
        let why = if dangles(&place) {
            "it is a link to what is not there".to_owned()
        } else if !is_ours && (is_page(file) || place.is_dir() || misnamed(file, ours()).is_some()) {
            format!("there is no such page{}", meant_file(file, ours()))
        } else {
            return None;
        };
        Some(format!("{} is not used: {why}", place.display()))
    };
    let mut files: Vec<String> = files.filter(|file| !is_aside(file)).collect();
    files.sort();
    files.iter().filter_map(say).collect()
}
