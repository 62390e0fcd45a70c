//! Reads the files of an operator's: templates, pages and wordings, as text without what no text has.

use std::io;
use std::path::Path;

/// No template and no wording has more octets.
const LARGEST: u64 = 1_000_000;

/// Why a file of an operator's cannot be used.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// What the system says.
    System(io::Error),
    /// It is no text.
    Text {
        /// The line.
        line: usize,
        /// What is wrong there, and what would be right.
        message: String,
    },
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Reads an operator's template, page or wording, without the byte order mark that some editors put before it.
///
/// # Errors
/// When it cannot be read, is no text in UTF-8, or is far too large to be one.
pub(crate) fn read_own(path: &Path) -> Result<String, Unreadable> {
    let octets = std::fs::metadata(path)?.len();
    if octets > LARGEST {
        let message = format!("it has {octets} octets, and no template needs more than {LARGEST}");
        return Err(io::Error::other(message).into());
    }
    let text = String::from_utf8(std::fs::read(path)?).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + String::from_utf8_lossy(valid).matches('\n').count();
        Unreadable::Text { line, message: "what stands here is no UTF-8; save the file as UTF-8".to_owned() }
    })?;
    if let Some((at, control)) = text.char_indices().find(|(_, c)| is_control(*c)) {
        let message = format!("{}, which mails cannot have; take it out", named_control(control));
        return Err(Unreadable::Text { line: 1 + text[..at].matches('\n').count(), message });
    }
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Whether a file of that name is nobody's template: what is hidden, and the copies that editors, systems and people leave beside one.
pub(crate) fn is_aside(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with('.') || ["~", ".bak", ".orig", ".swp"].iter().any(|ending| name.ends_with(ending))
}

/// Whether it is a link to what is not there.
pub(crate) fn dangles(path: &Path) -> bool {
    path.is_symlink() && !path.exists()
}

/// Whether no text has it, beside the ends of its lines and its tabs.
pub(super) fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

/// A control character that is too many, as it is told.
pub(super) fn named_control(c: char) -> String {
    format!("there is a control character, U+{:04X}", u32::from(c))
}
