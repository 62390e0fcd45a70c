//! `[digest.theme]`: colours whose contrast is checked, fonts, logo and width.

use crate::config::reader::{Field, Table, shown};
use crate::config::theme::{Logo, Palette, TEXT_CONTRAST, Theme, readable_on};
use crate::config::{keys, urls};
use crate::domain::Colour;

/// How wide the content may be, in pixels: wide enough for two columns, narrow enough for a mail program's window.
const WIDTHS: std::ops::RangeInclusive<usize> = 480..=720;

pub fn theme(table: &Table<'_>) -> Theme {
    let default = Theme::default();
    let font = |name| table.given(name).and_then(|field| field.parse(font));
    let colours = |table: &Table<'_>, palette: &mut Palette| {
        for name in keys::COLOURS {
            if let (Some(field), Some(colour)) = (table.given(name), palette.of(name)) {
                *colour = field.parse(Colour::parse).unwrap_or(*colour);
            }
        }
    };
    let dark_table = table.table("dark", keys::COLOURS);
    let (mut light, mut dark) = (default.light, default.dark);
    colours(table, &mut light);
    let chosen = |table: &Table<'_>, names: &[&'static str]| names.iter().any(|name| table.given(name).is_some());
    if chosen(table, &["accent"]) {
        // Who gives one colour means it by night too.
        dark.accent = dark.suiting_accent(light.accent);
        dark.soft = dark.suiting_soft();
    }
    colours(&dark_table, &mut dark);
    if chosen(table, &["accent", "paper"]) && !chosen(table, &["soft"]) {
        light.soft = light.suiting_soft();
    }
    if chosen(&dark_table, &["accent", "paper"]) && !chosen(&dark_table, &["soft"]) {
        dark.soft = dark.suiting_soft();
    }
    check_contrast(table, &light);
    check_contrast(&dark_table, &dark);
    let width = table.field("width").and_then(|field| field.number(WIDTHS)).unwrap_or(default.width);
    Theme {
        light,
        dark,
        heading_font: font("heading_font").unwrap_or(default.heading_font),
        text_font: font("text_font").unwrap_or(default.text_font),
        logo: table.field("logo").and_then(|field| logo(&field, width)),
        width,
    }
}

/// Reports each text that does not read on what it stands on, at the colour that was chosen.
fn check_contrast(table: &Table<'_>, palette: &Palette) {
    for (text, colour, ground, on) in palette.pairs() {
        let ratio = colour.contrast(on);
        if ratio >= TEXT_CONTRAST {
            continue;
        }
        let ratio = (ratio * 100.0).floor() / 100.0;
        let pair = format!("`{text}` {colour} on `{ground}` {on} has a contrast of {ratio}:1");
        let asked = format!("text needs {TEXT_CONTRAST}:1 (WCAG AA)");
        let better = readable_on(colour, on);
        // The derived band follows the accent, which is then what was chosen.
        let at = [text, ground, "accent"].into_iter().find(|name| table.given(name).is_some()).unwrap_or(text);
        table.wrong(at, format!("does not read: {pair}; {asked}, which `{text}` = \"{better}\" has"));
    }
}

/// A list of fonts as CSS has it.
fn font(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || " ,'-".contains(c);
    let names = || text.split(',').map(str::trim);
    let closed = names().all(|name| matches!(name.matches('\'').count(), 0 | 2) && !name.trim_matches('\'').is_empty());
    match text.chars().all(fits) && closed && text.len() <= 200 {
        true => Ok(names().collect::<Vec<_>>().join(", ")),
        false => Err(format!(
            "`{}` is not a list of fonts; write names with commas between, those of several words in single quotes, as in `Georgia, 'Times New Roman', serif`",
            shown(text)
        )),
    }
}

fn logo(field: &Field<'_>, most: usize) -> Option<Logo> {
    let table = field.table(keys::LOGO)?;
    let side = |name, most| {
        let field = table.required(name, "give the size at which it is shown, in pixels")?;
        field.number(1..=most)
    };
    let (width, height) = (side("width", most), side("height", 200));
    let url = table.required("url", "say where the picture is, as in url = \"https://example.org/logo.png\"")?;
    let url = url.parse(urls::link)?;
    if url.scheme() != "https" && !urls::is_loopback(&url) {
        table.wrong("url", "is not https; mail programs show no other pictures");
    }
    Some(Logo { url, width: width?, height: height? })
}
