//! What can be wrong with a template, said with the file, the line and the nearest right name.

use std::path::{Path, PathBuf};

use super::references::Texts;
use super::templates::OWN_WORDS;
use crate::config::{unknown_name, unknown_word};

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read the templates in {path}: {source}; check `dir` of [templates] and who may read it")]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A mistake in the writing of a template, or one that shows when it is rendered.
    #[error("{place}: {message}")]
    Template {
        /// The file and, where known, the line: `templates/digest.html:12`.
        place: String,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A digest names a template that there is not.
    #[error("there is no template `{name}`; a file `{name}.html` in the folder of [templates] would be one")]
    NoSuchTemplate {
        /// Its name.
        name: String,
    },
    /// A rendered mail lacks a link that each mail must have.
    #[error("{place}: the mail has no `{{{{ slot.{slot} }}}}`, which each reader needs; put it back")]
    SlotMissing {
        /// The template.
        place: String,
        /// The slot.
        slot: &'static str,
    },
    /// A link that each mail must have is there, and readers do not see it.
    #[error(
        "{place}: readers do not see the link to `{{{{ slot.{slot} }}}}`: it has no words, or a style or `hidden` hides it; give \
         it words, and let them be seen"
    )]
    LinkUnseen {
        /// The template.
        place: String,
        /// The slot.
        slot: &'static str,
    },
    /// Something stands so close to a slot's address that it leads elsewhere.
    #[error(
        "{place}: `{address}` leads nowhere, since what stands right beside the slot becomes a part of its address; take that \
         away, or put a space between them"
    )]
    SlotSpoilt {
        /// The template.
        place: String,
        /// The address with what is beside it, as the template has it.
        address: String,
    },
    /// A mail has the link of a slot that is empty in it.
    #[error(
        "{place}: `{{{{ slot.link }}}}` is empty in this mail; only a mail that is for one link has it, as the confirmation"
    )]
    SlotEmpty {
        /// The template.
        place: String,
    },
    /// A link that leads nowhere from a mail.
    #[error(
        "{place}: a link leads to `{link}`; in a mail it must begin with `https://`, `http://` or `mailto:`. Where there may be \
         none, ask for it first, as in `{{% if article.url %}}`"
    )]
    LinkAstray {
        /// The template.
        place: String,
        /// Where the link leads.
        link: String,
    },
    /// A slot's mark was changed by a filter or cut, or something depends on it.
    #[error(
        "{place}: a slot is passed through a filter, cut or asked about, and is filled in only afterwards; write it as it is, \
         `{{{{ slot.… }}}}`"
    )]
    SlotBroken {
        /// The template.
        place: String,
    },
    /// A template that does not come to an end.
    #[error("{place}: it writes more than {octets} octets; a loop in it goes on for too long")]
    Endless {
        /// The template.
        place: String,
        /// How much it may write.
        octets: usize,
    },
    /// The templates could not be used when they were read, and the built-in ones are there instead.
    #[error("{0}")]
    NotRead(String),
    /// There is no thread to try templates on.
    #[error("the templates cannot be tried: {0}")]
    NoThread(std::io::Error),
    /// A template that is not done in time.
    #[error(
        "{place}: it is not done after {seconds} seconds with an invented mail; a loop in it, or in what it includes, goes on for \
         too long"
    )]
    TooSlow {
        /// The template.
        place: String,
        /// How long all of them may take.
        seconds: u64,
    },
    /// A template decides something by a slot, or makes something of it.
    #[error(
        "{place}: `{slot}` is filled in for each reader after the template, so nothing can be decided by it or made of it; write \
         it as it is, `{{{{ {slot} }}}}`, and for a greeting with the name or without `{{{{ slot.greeting }}}}`"
    )]
    SlotBent {
        /// The file and, where known, the line.
        place: String,
        /// The slot, as `slot.name`.
        slot: String,
    },
    /// A template, or a wording, with which mail programs would cut a mail off whatever it is about.
    #[error(
        "{place}: a mail has {octets} octets of HTML with next to nothing in it, and Gmail cuts mails near 102,000; make it \
         shorter"
    )]
    TooLong {
        /// The template, or the file of the wording.
        place: String,
        /// How long the HTML is.
        octets: usize,
    },
    /// The style sheet of a template cannot be worked into its elements.
    #[error("{place}: the styles cannot be inlined: {message}")]
    Styles {
        /// The template.
        place: String,
        /// What is wrong with them.
        message: String,
    },
}

impl TemplateError {
    /// Reads Tera's report: the message, the place, and for an unknown name the nearest one instead of all.
    pub(crate) fn from_tera(error: &tera::Error, dir: Option<&Path>) -> Self {
        Self::in_texts(error, dir, Texts::default())
    }

    /// The same where those files are read.
    pub(crate) fn in_texts(error: &tera::Error, dir: Option<&Path>, texts: Texts<'_>) -> Self {
        let report = error.to_string();
        let mut lines = report.lines();
        let first = lines.next().unwrap_or_default();
        let message = first.strip_prefix("error: ").unwrap_or(first);
        let place = lines.find_map(|line| line.trim_start().strip_prefix("--> "));
        let message = place.and_then(|place| texts.unknown(message, place)).unwrap_or_else(|| in_words(message));
        let place = place.map_or_else(|| "the templates".to_owned(), |place| place_of(place, dir));
        Self::Template { place, message }
    }
}

/// `digest.html:12:3` as the file that an operator can open, without the column.
fn place_of(place: &str, dir: Option<&Path>) -> String {
    let mut parts = place.rsplitn(3, ':');
    let (_column, line, file) = (parts.next(), parts.next(), parts.next());
    match (file, line) {
        (Some(file), Some(line)) => format!("{}:{line}", file_of(file, dir)),
        _ => place.to_owned(),
    }
}

/// The name under which an operator knows a template.
pub(super) fn file_of(name: &str, dir: Option<&Path>) -> String {
    match dir {
        Some(dir) if !name.starts_with(super::templates::BUILT_IN) => dir.join(name).display().to_string(),
        _ => name.to_owned(),
    }
}

/// Tera's message; where it lists all names that there are, or none, with the nearest alone.
fn in_words(message: &str) -> String {
    if let Some(unknown) = unknown_word(message, &OWN_WORDS) {
        return format!("there is no {} `{}`{}", unknown.kind, unknown.word, unknown.near);
    }
    let Some((what, names)) = message.split_once(" is not defined. Available ") else {
        return message.trim_end_matches('.').to_owned();
    };
    let wrong = what.trim_start_matches(|c| c != '`').trim_matches('`');
    let names = names.split_once(": ").map_or("", |(_, names)| names);
    unknown_name(wrong, names.split(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        assert_eq!(
            in_words("Variable `disgest` is not defined. Available variables: articles, digest, lead"),
            "`disgest` is not known here; did you mean `digest`?"
        );
        assert_eq!(
            in_words("Field `colour` is not defined. Available fields: title, url"),
            "`colour` is not known here; there are title, url"
        );
        assert_eq!(in_words("Unknown filter `wrp`"), "there is no filter `wrp`; did you mean `wrap`?");
        assert_eq!(in_words("Unknown tag."), "Unknown tag");
    }
}
