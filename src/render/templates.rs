//! The templates: those in the program, and an operator's files over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use tera::{Context, Kwargs, State, Tera};
use unicode_width::UnicodeWidthStr;

use super::TemplateError;
use super::error::file_of;
use super::names::{Locals, Names};
use super::text::{WIDTH, tidy, wrap};

/// What the names of the built-in templates begin with. An operator's file of the same name wins, and may still extend or
/// include the built-in one under its full name.
pub(super) const BUILT_IN: &str = "builtin/";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/mail/", $name)))),*]
    };
}

const FILES: [(&str, &str); 30] = files![
    "address.html",
    "address.txt",
    "alert.html",
    "alert.txt",
    "confirmation.html",
    "confirmation.txt",
    "correction.html",
    "correction.txt",
    "cut.html",
    "digest.html",
    "digest.txt",
    "feature.html",
    "footer.html",
    "footer.txt",
    "goodbye.html",
    "goodbye.txt",
    "layout.html",
    "manage.html",
    "manage.txt",
    "moved.html",
    "moved.txt",
    "note.html",
    "note.txt",
    "story.html",
    "story.txt",
    "subscribed.html",
    "subscribed.txt",
    "titles.html",
    "welcome.html",
    "welcome.txt",
];

/// The built-in templates of the mails, by name, as `template export` writes them.
pub fn built_in_templates() -> &'static [(&'static str, &'static str)] {
    &FILES
}

/// All templates, parsed and checked against each other.
pub(super) struct Templates {
    tera: Tera,
    dir: Option<PathBuf>,
    /// The operator's whole mails, by the name that a digest has for them.
    own: Vec<String>,
    /// What each file says.
    texts: BTreeMap<String, String>,
}

impl Templates {
    /// Reads the operator's files, where there is a folder, and parses all.
    pub(super) fn load(dir: Option<&Path>) -> Result<Self, TemplateError> {
        let files = dir.map(read).transpose()?.unwrap_or_default();
        let mut tera = Tera::new();
        tera.register_filter("wrap", wrapped);
        tera.register_filter("underline", underlined);
        let wrong = |error: tera::Error| TemplateError::from_tera(&error, dir);
        tera.set_fallback_prefixes([BUILT_IN]).map_err(wrong)?;
        let built_in = FILES.iter().map(|(name, text)| (format!("{BUILT_IN}{name}"), *text));
        let own = files.iter().map(|(name, text)| (name.clone(), text.as_str()));
        tera.add_raw_templates(built_in.chain(own)).map_err(wrong)?;
        let parts: Vec<&str> = files.iter().flat_map(|(_, text)| used(text)).collect();
        let mails = files.iter().filter(|(name, text)| is_whole(name, text) && !parts.contains(&name.as_str()));
        let own = mails.filter_map(|(name, _)| name.rsplit_once('.')).map(|(name, _)| name.to_owned()).collect();
        let built_in = FILES.iter().map(|(name, text)| (format!("{BUILT_IN}{name}"), (*text).to_owned()));
        let texts = built_in.chain(files).collect();
        Ok(Self { tera, dir: dir.map(Path::to_owned), own, texts })
    }

    pub(super) fn own(&self) -> &[String] {
        &self.own
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str, ending: &str) -> bool {
        self.tera.contains_template(&format!("{name}{ending}"))
    }

    /// The template's file as an operator knows it.
    pub(super) fn place(&self, file: &str) -> String {
        let name = self.tera.get_template_names().find(|name| *name == file);
        name.map_or_else(|| format!("{BUILT_IN}{file}"), |name| file_of(name, self.dir.as_deref()))
    }

    /// Finds a name in a template, or in one that it extends or includes, that no mail has: `known` is an example of all
    /// that mails have. Tera itself says nothing of those in an `if`.
    pub(super) fn check_names(&self, file: &str, known: &Value) -> Result<(), TemplateError> {
        let mut files = vec![self.full_name(file)];
        let mut at = 0;
        while let Some(name) = files.get(at) {
            let found: Vec<String> = used(self.text(name)).map(|name| self.full_name(name)).collect();
            for name in found {
                if !files.contains(&name) {
                    files.push(name);
                }
            }
            at += 1;
        }
        let names: Vec<Names<'_>> = files.iter().map(|name| Names::of(self.text(name))).collect();
        let locals = Locals::of(&names, known);
        for (file, names) in files.iter().zip(&names) {
            if let Some((line, message)) = names.unknown(known, &locals) {
                return Err(TemplateError::Template { place: format!("{}:{line}", self.place(file)), message });
            }
        }
        Ok(())
    }

    /// The name of the file that is meant: the operator's, else the built-in one.
    fn full_name(&self, file: &str) -> String {
        let is_own = self.texts.contains_key(file) || file.starts_with(BUILT_IN);
        if is_own { file.to_owned() } else { format!("{BUILT_IN}{file}") }
    }

    fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    /// Renders a file; a text is tidied.
    pub(super) fn render(&self, file: &str, view: &impl Serialize) -> Result<String, TemplateError> {
        let wrong = |error: tera::Error| TemplateError::from_tera(&error, self.dir.as_deref());
        let context = Context::from_serialize(view).map_err(wrong)?;
        let rendered = self.tera.render(file, &context).map_err(wrong)?;
        Ok(if file.ends_with(".txt") { tidy(&rendered) } else { rendered })
    }
}

/// Whether a file has all of a mail's part, if no other extends or includes it.
fn is_whole(name: &str, text: &str) -> bool {
    let extends = text.contains("{% extends") || text.contains("{%- extends");
    extends || text.contains(if name.ends_with(".html") { "<html" } else { "slot." })
}

/// The files that a template extends or includes.
fn used(text: &str) -> impl Iterator<Item = &str> {
    text.split("{%").filter_map(|tag| {
        let tag = tag.trim_start_matches('-').trim_start();
        let name = tag.strip_prefix("extends").or_else(|| tag.strip_prefix("include"))?;
        name.trim_start().strip_prefix(['"', '\'', '`'])?.split(['"', '\'', '`']).next()
    })
}

/// The folder's templates by file name.
fn read(dir: &Path) -> Result<Vec<(String, String)>, TemplateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TemplateError::Read { path, source }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed(dir))? {
        let path = entry.map_err(failed(dir))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let is_template = (name.ends_with(".html") || name.ends_with(".txt")) && !name.starts_with('.');
        if is_template && path.is_file() {
            files.push((name.to_owned(), std::fs::read_to_string(&path).map_err(failed(&path))?));
        }
    }
    files.sort();
    Ok(files)
}

/// `{{ text | wrap(indent=2) }}`: broken at words for the text part.
#[allow(clippy::needless_pass_by_value, reason = "the shape of a Tera filter")]
fn wrapped(text: &str, arguments: Kwargs, _: &State<'_>) -> tera::TeraResult<String> {
    let width = arguments.get::<usize>("width")?.unwrap_or(WIDTH);
    Ok(wrap(text, width, arguments.get::<usize>("indent")?.unwrap_or_default()))
}

/// `{{ title | underline(with="-") }}`: a heading of the text part, with a line below.
#[allow(clippy::needless_pass_by_value, reason = "the shape of a Tera filter")]
fn underlined(text: &str, arguments: Kwargs, _: &State<'_>) -> tera::TeraResult<String> {
    let line = arguments.get::<&str>("with")?.unwrap_or("-");
    let heading = wrap(text, WIDTH, 0);
    let length = heading.lines().map(UnicodeWidthStr::width).max().unwrap_or_default();
    Ok(format!("{heading}\n{}", line.repeat(length)))
}
