//! The texts of feed elements: plain, HTML or XHTML, as the dialect and the element's own type say.

use std::borrow::Cow;

use super::text::{self, longest};
use super::xml::{Child, Element};

/// What an element holds when it does not say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    /// Plain text in Atom; in RSS perhaps HTML.
    Title,
    /// HTML.
    Html,
    /// Markup that is part of the document.
    Xhtml,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    LikelyHtml,
    Html,
    Xhtml,
    /// Not a text.
    Other,
}

fn mode(element: &Element, default: Default, is_atom: bool) -> Mode {
    let plain = if is_atom { Mode::Plain } else { Mode::LikelyHtml };
    let Some(kind) = element.attribute("type") else {
        return match default {
            Default::Title => plain,
            Default::Html => Mode::Html,
            Default::Xhtml => Mode::Xhtml,
        };
    };
    match kind.trim().to_ascii_lowercase().as_str() {
        "text" | "plain" | "text/plain" => plain,
        "html" | "text/html" => Mode::Html,
        "xhtml" | "application/xhtml+xml" => Mode::Xhtml,
        "" => plain,
        other if other.ends_with("+xml") || other.ends_with("/xml") => Mode::Xhtml,
        other if other.starts_with("text/") => plain,
        _ => Mode::Other,
    }
}

/// Its text as one line of at most `limit` characters; empty when it holds no text.
pub(super) fn line(element: &Element, default: Default, is_atom: bool, limit: usize) -> String {
    let mode = mode(element, default, is_atom);
    if let Some(decoded) = base64(element, mode) {
        return if mode == Mode::Plain { text::one_line(&decoded, limit) } else { text::from_html(&decoded, limit) };
    }
    if mode == Mode::Other {
        return String::new();
    }
    if element.elements().next().is_some() {
        return text::from_html(&html(element, mode == Mode::Xhtml), limit);
    }
    let raw = undoubled(element.text());
    match mode {
        Mode::Plain | Mode::Xhtml => text::one_line(&raw, limit),
        Mode::LikelyHtml => text::from_likely_html(&raw, limit),
        Mode::Html | Mode::Other => text::from_html(&raw, limit),
    }
}

/// A name, an identifier or a label as one line.
pub(super) fn name(element: &Element) -> String {
    text::from_likely_html(&undoubled(element.text()), longest::NAME)
}

/// Undoes a second encoding: UTF-8 that was taken for windows-1252 on its way, so that `é` reads `Ã©`.
fn undoubled(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(['Ã', 'Â', 'â', 'Å', 'Ä', 'Ð', 'Ñ']) {
        return text;
    }
    let (bytes, _, unknown) = encoding_rs::WINDOWS_1252.encode(&text);
    match std::str::from_utf8(&bytes) {
        Ok(meant) if !unknown => Cow::Owned(meant.to_owned()),
        _ => text,
    }
}

/// The first picture in the markup that it holds, as it is written.
pub(super) fn picture(element: &Element) -> Option<String> {
    if element.elements().next().is_some() {
        return text::first_image(&html(element, false)).map(Cow::into_owned);
    }
    text::first_image(&element.text()).map(Cow::into_owned)
}

/// The content of Atom 0.3's `mode="base64"`, and of types that are neither text nor XML.
fn base64(element: &Element, mode: Mode) -> Option<String> {
    if element.attribute("mode") != Some("base64") && mode != Mode::Other {
        return None;
    }
    let packed: String = element.text().split_whitespace().collect();
    String::from_utf8(data_encoding::BASE64.decode(packed.as_bytes()).ok()?).ok()
}

/// What is in it as HTML; with `escape`, its texts are plain.
fn html(element: &Element, escape: bool) -> String {
    let mut out = String::new();
    write_html(element, escape, &mut out);
    out
}

fn write_html(element: &Element, escape: bool, out: &mut String) {
    for child in &element.children {
        match child {
            Child::Text(text) if escape => out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;")),
            Child::Text(text) => out.push_str(text),
            Child::Element(inner) => {
                let name = inner.name.rsplit(':').next().unwrap_or_default();
                out.push('<');
                out.push_str(name);
                for (key, value) in &inner.attributes {
                    let value = value.replace('&', "&amp;").replace('"', "&quot;");
                    out.push_str(&format!(" {key}=\"{value}\""));
                }
                out.push('>');
                write_html(inner, escape, out);
                if !matches!(name, "br" | "img" | "hr" | "wbr" | "input") {
                    out.push_str(&format!("</{name}>"));
                }
            }
        }
    }
}
