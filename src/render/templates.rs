//! The templates: those in the program, and an operator's files over them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use tera::{Context, Kwargs, State, Tera};
use unicode_width::UnicodeWidthStr;

use super::TemplateError;
use super::article::web_link;
use super::encode::html_pieces;
use super::error::file_of;
use super::references::{Texts, check_references, is_whole, used};
use super::text::{WIDTH, tidy, wrap};
use super::unused::{other, unused_file, unused_mail};
use crate::config::{Locals, Names, begin_render, limited_tera};
use crate::wording::{Unreadable, is_aside, read_own};

/// What the names of the built-in templates begin with. An operator's file of the same name wins, and may still extend or
/// include the built-in one under its full name.
pub(super) const BUILT_IN: &str = "builtin/";

/// What the language has here beside its own words, also in pages.
pub(super) const OWN_WORDS: [(&str, &str); 4] =
    [("filter", "links"), ("filter", "underline"), ("filter", "wrap"), ("function", "t")];

/// The most that a template may write, in octets: more than an issue of ten thousand stories comes to, before it is made
/// smaller.
const WRITTEN: usize = 64_000_000;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/mail/", $name)))),*]
    };
}

pub(super) const FILES: [(&str, &str); 32] = files![
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
    "story-body.html",
    "story-end.html",
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
    /// The operator's files that nothing uses, as far as the folder shows, with a sentence for each.
    unused: Vec<(String, String)>,
    /// The operator's files with what they say.
    files: Vec<(String, String)>,
}

impl Templates {
    /// Reads the operator's files, where there is a folder, and parses all.
    pub(super) fn load(dir: Option<&Path>) -> Result<Self, TemplateError> {
        let Folder { templates: files, others } = dir.map(read).transpose()?.unwrap_or_default();
        let mut tera = limited_tera();
        tera.register_filter("wrap", wrapped);
        tera.register_filter("underline", underlined);
        tera.register_filter("links", links);
        tera.set_fallback_prefixes([BUILT_IN]).map_err(|error| TemplateError::from_tera(&error, dir))?;
        let built_in = FILES.iter().map(|(name, text)| (format!("{BUILT_IN}{name}"), *text));
        let texts = Texts { own: &files, built_in: &FILES };
        check_references(texts, dir)?;
        let own = files.iter().map(|(name, text)| (name.clone(), text.as_str()));
        tera.add_raw_templates(built_in.chain(own)).map_err(|error| TemplateError::in_texts(&error, dir, texts))?;
        let parts: Vec<&str> = files.iter().flat_map(|(_, text)| used(text)).map(|(_, name)| name).collect();
        let mails = files.iter().filter(|(name, text)| is_whole(name, text) && !parts.contains(&name.as_str()));
        let own = mails.filter_map(|(name, _)| name.rsplit_once('.')).map(|(name, _)| name.to_owned()).collect();
        let said = |(name, text): &(String, String)| match is_whole(name, text) {
            true => unused_mail(name, dir),
            false => unused_file(name, text, dir),
        };
        let alone = files.iter().filter(|(name, _)| !parts.contains(&name.as_str()));
        let unused = alone.filter_map(|file| Some((file.0.clone(), said(file)?)));
        let others = others.iter().filter_map(|name| Some((name.clone(), other(name, dir?)?)));
        let unused = unused.chain(others).collect();
        Ok(Self { tera, dir: dir.map(Path::to_owned), own, unused, files })
    }

    /// Whether there is any file of the operator's.
    pub(super) fn has_own(&self) -> bool {
        !self.files.is_empty()
    }

    pub(super) fn own(&self) -> &[String] {
        &self.own
    }

    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        self.unused.iter().map(|(_, said)| said.as_str())
    }

    /// Notes that a digest uses the files of that name.
    pub(super) fn is_used(&mut self, name: &str) {
        // What could not be read is not used either.
        let is_read = |file: &str| self.files.iter().any(|(known, _)| known == file);
        let is_its = |file: &str| is_read(file) && file.rsplit_once('.').is_some_and(|(stem, _)| stem == name);
        self.unused.retain(|(file, _)| !is_its(file));
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
        let files = self.with_parts(file);
        let names: Vec<Names<'_>> = files.iter().map(|name| Names::of(self.text(name))).collect();
        let locals = Locals::of(&names, known);
        for (file, names) in files.iter().zip(&names) {
            if let Some((line, slot)) = names.bent_slot() {
                return Err(TemplateError::SlotBent {
                    place: format!("{}:{line}", self.place(file)),
                    slot: slot.clone(),
                });
            }
            if let Some((line, message)) = names.unknown(known, &locals) {
                return Err(TemplateError::Template { place: format!("{}:{line}", self.place(file)), message });
            }
        }
        Ok(())
    }

    /// Whether the operator has a part in what a file makes. A component of theirs may be used anywhere.
    pub(super) fn has_own_in(&self, file: &str) -> bool {
        self.with_parts(file).iter().any(|name| !name.starts_with(BUILT_IN))
            || self.files.iter().any(|(_, text)| text.contains("component "))
    }

    /// A file with all that it extends or includes, and what those do.
    fn with_parts(&self, file: &str) -> Vec<String> {
        let mut files = vec![self.full_name(file)];
        let mut at = 0;
        while let Some(name) = files.get(at) {
            let found: Vec<String> = used(self.text(name)).map(|(_, name)| self.full_name(name)).collect();
            for name in found {
                if !files.contains(&name) {
                    files.push(name);
                }
            }
            at += 1;
        }
        files
    }

    /// The name of the file that is meant: the operator's, else the built-in one.
    fn full_name(&self, file: &str) -> String {
        let is_own = self.files.iter().any(|(name, _)| name == file) || file.starts_with(BUILT_IN);
        if is_own { file.to_owned() } else { format!("{BUILT_IN}{file}") }
    }

    fn text(&self, name: &str) -> &str {
        self.texts().of(name).unwrap_or_default()
    }

    fn texts(&self) -> Texts<'_> {
        Texts { own: &self.files, built_in: &FILES }
    }

    /// Renders a file; a text is tidied.
    pub(super) fn render(&self, file: &str, view: &impl Serialize) -> Result<String, TemplateError> {
        let wrong = |error: tera::Error| TemplateError::in_texts(&error, self.dir.as_deref(), self.texts());
        let context = Context::from_serialize(view).map_err(wrong)?;
        let mut written = Bounded::default();
        begin_render();
        let done = self.tera.render_to(file, &context, &mut written);
        if written.is_full {
            return Err(TemplateError::Endless { place: self.place(file), octets: WRITTEN });
        }
        done.map_err(wrong)?;
        let rendered = String::from_utf8_lossy(&written.text).into_owned();
        Ok(if file.ends_with(".txt") { tidy(&rendered) } else { rendered })
    }
}

/// What a template writes, as long as there is room: a loop may go on for too long.
#[derive(Default)]
struct Bounded {
    text: Vec<u8>,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.is_full |= self.text.len() + part.len() > WRITTEN;
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a file of that name is read as a template.
fn is_template(name: &str) -> bool {
    name.ends_with(".html") || name.ends_with(".txt")
}

/// What is in a folder, by name.
#[derive(Default)]
struct Folder {
    /// With their texts.
    templates: Vec<(String, String)>,
    others: Vec<String>,
}

fn read(dir: &Path) -> Result<Folder, TemplateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TemplateError::Read { path, source }
    };
    let mut folder = Folder::default();
    for entry in std::fs::read_dir(dir).map_err(failed(dir))? {
        let entry = entry.map_err(failed(dir))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if is_aside(&name) {
            continue;
        }
        if !is_template(&name) || !path.is_file() {
            folder.others.push(name);
            continue;
        }
        let text = read_own(&path).map_err(|error| match error {
            Unreadable::System(source) => failed(&path)(source),
            Unreadable::Text { line, message } => {
                TemplateError::Template { place: format!("{}:{line}", path.display()), message }
            }
        })?;
        folder.templates.push((name, text));
    }
    folder.templates.sort();
    folder.others.sort();
    Ok(folder)
}

/// `{{ text | wrap(indent=2) }}`: broken at words for the text part.
#[allow(clippy::needless_pass_by_value, reason = "the shape of a Tera filter")]
fn wrapped(text: &str, arguments: Kwargs, _: &State<'_>) -> tera::TeraResult<String> {
    let width = arguments.get::<usize>("width")?.unwrap_or(WIDTH);
    Ok(wrap(text, width, arguments.get::<usize>("indent")?.unwrap_or_default()))
}

/// `{{ text | links | safe }}`: escaped, and its web addresses are links, without the marks of the sentence around them.
#[allow(clippy::needless_pass_by_value, reason = "the shape of a Tera filter")]
pub(crate) fn links(text: &str, _: Kwargs, _: &State<'_>) -> tera::TeraResult<String> {
    let escaped = |text: &str| {
        let mut out = String::with_capacity(text.len());
        html_pieces(text, |piece| out.push_str(piece));
        out
    };
    let mut html = String::with_capacity(text.len());
    for (number, word) in text.split(' ').enumerate() {
        if number > 0 {
            html.push(' ');
        }
        let rest = word.trim_start_matches(|c: char| !c.is_alphanumeric());
        let (before, address) = (&word[..word.len() - rest.len()], without_last_marks(rest));
        match web_link(address) {
            Some(url) => {
                let (url, shown, after) = (escaped(&url), escaped(address), escaped(&rest[address.len()..]));
                let before = escaped(before);
                html.extend([&*before, "<a class=\"a\" href=\"", &*url, "\">", &*shown, "</a>", &*after]);
            }
            None => html.push_str(&escaped(word)),
        }
    }
    Ok(html)
}

/// A web address without the marks at its end that belong to the sentence. A bracket that it opened itself is its own.
pub(super) fn without_last_marks(word: &str) -> &str {
    let mut address = word;
    while let Some(last) = address.chars().next_back() {
        let closes =
            |open: char, close: char| last == close && address.matches(open).count() >= address.matches(close).count();
        if last.is_alphanumeric() || "/_-=&#~+%$*@".contains(last) || closes('(', ')') || closes('[', ']') {
            break;
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address
}

/// `{{ title | underline(with="-") }}`: a heading of the text part, with a line below.
#[allow(clippy::needless_pass_by_value, reason = "the shape of a Tera filter")]
fn underlined(text: &str, arguments: Kwargs, _: &State<'_>) -> tera::TeraResult<String> {
    let line = arguments.get::<&str>("with")?.unwrap_or("-");
    let heading = wrap(text, WIDTH, 0);
    let length = heading.lines().map(UnicodeWidthStr::width).max().unwrap_or_default();
    Ok(format!("{heading}\n{}", line.repeat(length)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LEEDS: &str = "https://en.wikipedia.org/wiki/Leeds_(disambiguation)";

    #[rstest]
    #[case("See https://en.wikipedia.org/wiki/Leeds_(disambiguation) for more.", "See ", LEEDS, " for more.")]
    #[case("(https://en.wikipedia.org/wiki/Leeds_(disambiguation)).", "(", LEEDS, ").")]
    #[case("See <https://a.example/b>.", "See &lt;", "https://a.example/b", "&gt;.")]
    #[case("اقرأ https://a.example/b، ثم", "اقرأ ", "https://a.example/b", "، ثم")]
    #[case("https://a.example/b؟", "", "https://a.example/b", "؟")]
    #[case("(siehe „https://a.example/b“)", "(siehe „", "https://a.example/b", "“)")]
    #[case("«https://a.example/b»;", "«", "https://a.example/b", "»;")]
    #[case("‘https://a.example/b’…", "‘", "https://a.example/b", "’…")]
    #[case("[https://a.example/b]", "[", "https://a.example/b", "]")]
    #[case("https://a.example/?a[]", "", "https://a.example/?a[]", "")]
    #[case("https://a.example/?a=1#b/", "", "https://a.example/?a=1#b/", "")]
    fn a_link_ends_where_the_address_does_in_every_language(
        #[case] text: &str,
        #[case] before: &str,
        #[case] address: &str,
        #[case] after: &str,
    ) {
        let mut tera = limited_tera();
        tera.register_filter("links", links);
        let mut context = Context::new();
        context.insert("text", text);
        let html = tera.render_str("{{ text | links | safe }}", &context, true).unwrap();
        assert_eq!(html, format!("{before}<a class=\"a\" href=\"{address}\">{address}</a>{after}"));
    }
}
