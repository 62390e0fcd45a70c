//! `[digest.theme]`: colours whose contrast is checked, fonts, logo and width.

use crate::config::reader::{Field, Table, shown};
use crate::config::theme::{Logo, Palette, TEXT_CONTRAST, Theme};
use crate::config::{keys, urls};
use crate::domain::{Colour, is_svg};

/// How wide the content may be, in pixels: wide enough for two columns, narrow enough for a mail program's window.
const WIDTHS: std::ops::RangeInclusive<usize> = 480..=720;

pub fn theme(table: &Table<'_>) -> Theme {
    let default = Theme::default();
    let font = |name, kind| table.given(name).and_then(|field| field.parse(|text| font(text, kind)));
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
        heading_font: font("heading_font", "serif").unwrap_or(default.heading_font),
        text_font: font("text_font", "sans-serif").unwrap_or(default.text_font),
        logo: table.field("logo").and_then(|field| logo(&field, width)),
        width,
    }
}

/// Reports the texts that do not read on what they stand on, at the colours that were chosen: each once, with a colour
/// that reads on all of its grounds, or lets all of its texts be read.
fn check_contrast(table: &Table<'_>, palette: &Palette) {
    let mut told: Vec<&str> = Vec::new();
    for (text, colour, ground, on) in palette.pairs() {
        let ratio = colour.contrast(on);
        if ratio >= TEXT_CONTRAST {
            continue;
        }
        let is_derived = table.given("soft").is_none();
        let better = |key: &str| palette.readable(key, is_derived);
        // The derived band follows accent and paper, one of which is then what was chosen.
        let chosen = || [text, ground, "accent", "paper"].into_iter().filter(|name| table.given(name).is_some());
        let at = chosen().find(|name| better(name).is_some()).or_else(|| chosen().next()).unwrap_or(text);
        if told.contains(&at) {
            continue;
        }
        told.push(at);
        let ratio = (ratio * 100.0).floor() / 100.0;
        let pair = format!("`{text}` {colour} on `{ground}` {on} has a contrast of {ratio}:1");
        let remedy = match better(at) {
            Some(better) => format!("which `{at}` = \"{better}\" has wherever it is used"),
            None => format!("which no `{at}` has beside the other colours; change those too"),
        };
        table.wrong(at, format!("does not read: {pair}; text needs {TEXT_CONTRAST}:1 (WCAG AA), {remedy}"));
    }
}

/// What a list of fonts may end with, so that there is one for it everywhere.
const KINDS: [&str; 6] = ["serif", "sans-serif", "monospace", "cursive", "fantasy", "system-ui"];

/// A list of fonts as CSS has it, with `kind` at its end where it ends with none.
fn font(text: &str, kind: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || " ,'-".contains(c);
    let names = || text.split(',').map(str::trim);
    let closed = names().all(|name| matches!(name.matches('\'').count(), 0 | 2) && !name.trim_matches('\'').is_empty());
    match text.chars().all(fits) && closed && text.len() <= 200 {
        true => {
            let ends = names().next_back().is_some_and(|last| KINDS.contains(&last));
            Ok(names().chain((!ends).then_some(kind)).collect::<Vec<_>>().join(", "))
        }
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
    if is_svg(url.as_str(), "") {
        table.wrong(
            "url",
            "is an SVG, which mail programs do not show; give a PNG, of twice the size for sharp screens",
        );
    }
    Some(Logo { url, width: width?, height: height? })
}
