//! Texts that readers see: one for all, or a table by locale.

use crate::config::local_text::LocalText;
use crate::config::nearest::{listed, suggestion};
use crate::config::reader::{Field, shown};
use crate::domain::Locale;
use crate::wording::is_broken;

/// A text, or a table with one for each locale, of which `each` takes every single one.
pub fn local_text<'a>(field: &Field<'a>, each: impl Fn(&Field<'a>) -> Option<&'a str>) -> Option<LocalText> {
    if !field.is_table() {
        return each(field).map(LocalText::from);
    }
    let mut texts: Vec<(Locale, String)> = Vec::new();
    let entries = field.entries()?;
    if entries.is_empty() {
        field.fail(
            "has no text; write it in quotes, or by locale, as in { \"en-GB\" = \"News\", de = \"Nachrichten\" }",
        );
    }
    for (code, entry) in entries {
        let (Some(locale), Some(text)) = (entry.accept(locale(code)), each(&entry)) else { continue };
        if texts.iter().any(|(known, _)| *known == locale) {
            entry.fail(format!("comes twice, in other letters; keep one text for `{locale}`"));
        } else if text.is_empty() {
            entry.fail("is empty; write the text, or leave the locale out");
        } else {
            texts.push((locale, text.to_owned()));
        }
    }
    (!texts.is_empty()).then_some(LocalText::Each(texts))
}

/// The same, each in one line.
pub fn local_line(field: &Field<'_>) -> Option<LocalText> {
    local_text(field, Field::line)
}

/// A locale that there is, as the configuration names it.
pub fn locale(code: &str) -> Result<Locale, String> {
    Locale::parse(code).map_err(|_| {
        if is_broken(code) {
            return format!("`{}` cannot be used, since its file in the folder of the templates is wrong", shown(code));
        }
        let known = Locale::known();
        let near = suggestion(code, known.iter().copied(), || format!("there are {}", listed(known.iter().copied())));
        format!("`{}` is not a locale that there is{near}", shown(code))
    })
}
