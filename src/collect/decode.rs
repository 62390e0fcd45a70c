//! Bytes to text: byte order marks, declared and undeclared charsets, and declarations that lie.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// With fewer bytes beyond ASCII than this, statistics cannot tell one Latin alphabet from another: windows-1252 is by
/// far the most frequent.
const ENOUGH_FOR_LATIN: usize = 100;
/// So many bytes beyond ASCII in a row are rare in Latin text.
const RUN_OF_OTHERS: usize = 4;

/// A text, and whether its bytes were not what they were declared to be.
pub(super) struct Decoded {
    pub text: String,
    pub repaired: bool,
}

/// Decodes XML or JSON: byte order mark, UTF-16 and UTF-32 by their zero bytes, valid UTF-8 whatever is declared,
/// then the charset of the header, of the XML declaration, and last a guess.
pub(super) fn xml(bytes: &[u8], content_type: Option<&str>) -> Decoded {
    let declared = || label_after(&bytes[..bytes.len().min(1024)], b"encoding");
    decode(bytes, content_type, &declared)
}

/// Decodes HTML: as [`xml`], with the charset that a `<meta>` names.
pub(super) fn html(bytes: &[u8], content_type: Option<&str>) -> Decoded {
    let declared = || label_after(&bytes[..bytes.len().min(4096)], b"charset");
    decode(bytes, content_type, &declared)
}

fn decode(bytes: &[u8], content_type: Option<&str>, declared: &dyn Fn() -> Option<&'static Encoding>) -> Decoded {
    if let Some(decoded) = wide(bytes) {
        return decoded;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (bytes, cut) = without_cut_letter(bytes);
    let header = content_type.and_then(|value| label_after(value.as_bytes(), b"charset"));
    let declared = declared();
    let ascii_escapes = |encoding: &'static Encoding| encoding.name() == "ISO-2022-JP";
    if let Ok(text) = std::str::from_utf8(bytes)
        && !header.or(declared).is_some_and(ascii_escapes)
    {
        let wrong = declared.is_some_and(|encoding| encoding != UTF_8) && !text.is_ascii();
        return Decoded { text: text.to_owned(), repaired: wrong || cut };
    }
    for encoding in [header, declared].into_iter().flatten() {
        let usable = encoding != UTF_8 && encoding != UTF_16LE && encoding != UTF_16BE;
        if usable && let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            return Decoded { text: text.into_owned(), repaired: false };
        }
    }
    Decoded { text: guess(bytes), repaired: true }
}

/// The bytes without a letter of UTF-8 that the end cuts off, when all before is UTF-8.
fn without_cut_letter(bytes: &[u8]) -> (&[u8], bool) {
    match std::str::from_utf8(bytes) {
        Err(error)
            if error.error_len().is_none() && error.valid_up_to() > 0 && !bytes[..error.valid_up_to()].is_ascii() =>
        {
            (&bytes[..error.valid_up_to()], true)
        }
        _ => (bytes, false),
    }
}

/// UTF-16 and UTF-32, by a byte order mark or by the zero bytes around the first `<` or `{`.
fn wide(bytes: &[u8]) -> Option<Decoded> {
    let utf32 = |bytes: &[u8], read: fn([u8; 4]) -> u32| {
        let chars = bytes.chunks_exact(4).map(|four| read([four[0], four[1], four[2], four[3]]));
        chars.map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
    };
    let text = match bytes {
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0, 0, 0, b'<', ..] => utf32(bytes, u32::from_be_bytes),
        [b'<', 0, 0, 0, ..] => utf32(bytes, u32::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => UTF_16BE.decode_without_bom_handling(rest).0.into_owned(),
        [0xff, 0xfe, rest @ ..] => UTF_16LE.decode_without_bom_handling(rest).0.into_owned(),
        [0, b'<' | b'{', 0, ..] => UTF_16BE.decode_without_bom_handling(bytes).0.into_owned(),
        [b'<' | b'{', 0, _, 0, ..] => UTF_16LE.decode_without_bom_handling(bytes).0.into_owned(),
        _ => return None,
    };
    Some(Decoded { repaired: text.contains(char::REPLACEMENT_CHARACTER), text })
}

/// The charset named after `key` and an equals sign, as in `encoding="…"` and `charset=…`.
fn label_after(bytes: &[u8], key: &[u8]) -> Option<&'static Encoding> {
    let at = bytes.windows(key.len()).position(|window| window.eq_ignore_ascii_case(key))?;
    let rest = bytes[at + key.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let end = rest.iter().position(|b| b"\"' \t\r\n;>?/".contains(b)).unwrap_or(rest.len());
    Encoding::for_label(&rest[..end])
}

/// Undeclared or wrongly declared bytes: UTF-8 with a few stray bytes keeps its good parts; else statistics decide.
fn guess(bytes: &[u8]) -> String {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += chunk.invalid().len();
    }
    if good > bad {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.push_str(&WINDOWS_1252.decode_without_bom_handling(chunk.invalid()).0);
        }
        return text;
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guessed = detector.guess(None, chardetng::Utf8Detection::Deny);
    let many = bytes.iter().filter(|byte| !byte.is_ascii()).count() >= ENOUGH_FOR_LATIN;
    let runs = bytes.split(u8::is_ascii).any(|run| run.len() >= RUN_OF_OTHERS);
    let sure = if is_latin(guessed) { many } else { runs };
    let encoding = if sure { guessed } else { WINDOWS_1252 };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

fn is_latin(encoding: &'static Encoding) -> bool {
    let latin =
        ["windows-1250", "windows-1252", "windows-1254", "windows-1257", "windows-1258", "ISO-8859-2", "ISO-8859-4"];
    latin.contains(&encoding.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_that_lies_is_not_believed() {
        let decoded = xml("<?xml version='1.0' encoding='ISO-8859-1'?><t>Zoë’s</t>".as_bytes(), None);
        assert!(decoded.text.contains("Zoë’s") && decoded.repaired);
        let decoded = xml(b"<?xml version='1.0' encoding='utf-8'?><t>caf\xe9 \x93x\x94</t>", None);
        assert!(decoded.text.contains("café “x”") && decoded.repaired);
    }

    #[test]
    fn a_true_declaration_is_believed() {
        let decoded = xml(b"<?xml version='1.0' encoding='koi8-r'?><t>\xf0\xd2\xc9\xd7\xc5\xd4</t>", None);
        assert!(decoded.text.contains("Привет") && !decoded.repaired);
        let decoded = html(b"<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2", None);
        assert!(decoded.text.contains("Привет"));
        let decoded = html(b"<p>\xcf\xf0\xe8\xe2\xe5\xf2", Some("text/html; charset=\"windows-1251\""));
        assert!(decoded.text.contains("Привет"));
    }

    #[test]
    fn wide_encodings_are_seen_with_and_without_a_mark() {
        let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        assert_eq!(xml(&units("\u{feff}<t>Zoë</t>"), None).text, "<t>Zoë</t>");
        assert_eq!(xml(&units("<t>Zoë</t>"), None).text, "<t>Zoë</t>");
        let four: Vec<u8> = "\u{feff}<t>é</t>".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        assert_eq!(xml(&four, None).text, "<t>é</t>");
    }

    #[test]
    fn one_stray_byte_does_not_spoil_the_rest() {
        let mut bytes = "<t>Zoë — naïve".as_bytes().to_vec();
        bytes.extend(b" caf\xe9</t>");
        assert_eq!(xml(&bytes, None).text, "<t>Zoë — naïve café</t>");
    }
}
