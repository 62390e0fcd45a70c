//! Character references and named entities of HTML, XML and a document's own DTD.

use std::borrow::Cow;
use std::collections::HashMap;

use quick_xml::escape::resolve_html5_entity;

/// The longest name of an entity that is looked up; HTML's own longest has 31 letters.
const LONGEST_NAME: usize = 40;

/// Entities that a document declares itself: never nested, so that they cannot explode.
pub(super) type Declared = HashMap<String, String>;

/// The declarations of a DTD's internal subset, as in `<!ENTITY copy "(c)">`. Values that refer to others are left out.
pub(super) fn declared(doctype: &str) -> Declared {
    let mut found = Declared::new();
    for declaration in doctype.split("<!ENTITY").skip(1).take(256) {
        let Some((name, rest)) = declaration.trim_start().split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
        let Some((value, _)) = rest[1..].split_once(quote) else { continue };
        let plain = unescape(value, &Declared::new());
        if value.len() <= 200 && name.len() <= LONGEST_NAME && (!plain.contains('&') || plain == "&") {
            found.entry(name.to_owned()).or_insert_with(|| plain.into_owned());
        }
    }
    found
}

/// The text behind what stands between `&` and `;`, or `None` when that is no reference.
pub(super) fn resolve<'a>(name: &str, declared: &'a Declared) -> Option<Cow<'a, str>> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return Some(Cow::Owned(character(code).map(String::from).unwrap_or_default()));
    }
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    {
        return None;
    }
    if let Some(text) = declared.get(name) {
        return Some(Cow::Borrowed(text));
    }
    resolve_html5_entity(name).map(Cow::Borrowed)
}

/// The character of a numeric reference: C1 controls are read as windows-1252, other controls are none.
fn character(code: u32) -> Option<char> {
    if let Ok(byte @ 0x80..=0x9f) = u8::try_from(code) {
        return windows_1252(byte);
    }
    char::from_u32(code).filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
}

/// What windows-1252 has at a byte of the C1 range.
pub(super) fn windows_1252(byte: u8) -> Option<char> {
    encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next().filter(|c| !c.is_control())
}

/// Resolves every reference that ends in a semicolon; what is none stays as it is.
pub(super) fn unescape<'a>(text: &'a str, declared: &Declared) -> Cow<'a, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let window = rest.as_bytes();
        let end = window[..window.len().min(LONGEST_NAME + 1)].iter().position(|b| *b == b';');
        match end.and_then(|end| Some((end, resolve(rest.get(..end)?, declared)?))) {
            Some((end, value)) => {
                out.push_str(&value);
                rest = &rest[end + 1..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// As [`unescape`], for HTML text, where the old Latin-1 entities and numbers also go without a semicolon
/// (`&nbsp `, `&#8217 `).
pub(super) fn unescape_html(text: &str) -> Cow<'_, str> {
    let none = Declared::new();
    let text = unescape(text, &none);
    if !text.contains('&') || !text.as_ref().contains("&#") && !text.contains("&nbsp") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let digits = |from: &str| from.bytes().take(7).take_while(u8::is_ascii_digit).count();
        let number = rest.strip_prefix("&#").map_or(0, digits);
        if rest.starts_with("&nbsp") {
            out.push(' ');
            rest = &rest[5..];
        } else if number > 0 {
            out.push_str(&resolve(&rest[1..number + 2], &none).unwrap_or_default());
            rest = &rest[number + 2..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_once() {
        let none = Declared::new();
        assert_eq!(unescape("Tom &amp;amp; Jerry &eacute; &#8217; &#x1F600;", &none), "Tom &amp; Jerry é ’ 😀");
        assert_eq!(unescape("AT&T; R&D ?a=1&copy=2 &; &bogus;", &none), "AT&T; R&D ?a=1&copy=2 &; &bogus;");
        assert_eq!(unescape("&#150;&#0;&#27;x", &none), "–x");
        assert_eq!(unescape_html("a&nbspb &#8217 c &#; & d&nbsp;"), "a b ’ c &#; & d\u{a0}");
    }

    #[test]
    fn a_documents_own_entities_are_known_and_cannot_explode() {
        let own = declared("feed [ <!ENTITY co 'Example &#38; Co'> <!ENTITY bomb \"&co;&co;\"> ]");
        assert_eq!(unescape("&co;", &own), "&co;");
        let own = declared("feed [ <!ENTITY org \"Example Trust\"> <!ENTITY bomb \"&org;&org;\"> ]");
        assert_eq!(unescape("&org; &bomb;", &own), "Example Trust &bomb;");
    }
}
