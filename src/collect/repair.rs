//! Makes any text that was meant to be XML into one that a tokenizer can walk to its end.

use std::borrow::Cow;

/// A text that a tokenizer can walk.
pub(super) struct Walkable<'a> {
    pub text: Cow<'a, str>,
    /// What stood in the doctype, which is taken out.
    pub doctype: String,
    /// Whether anything was wrong.
    pub repaired: bool,
}

/// Repairs the text so that each `<` begins a tag, a comment, a CDATA section or an instruction, each of which ends;
/// control characters, the doctype, and what stands before the first `<` are gone.
pub(super) fn repair(text: &str) -> Walkable<'_> {
    let trimmed = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let start = trimmed.find('<').unwrap_or(trimmed.len());
    let clean = without_controls(&trimmed[start..]);
    let mut found = Found { repaired: start > 0 || matches!(clean, Cow::Owned(_)), ..Found::default() };
    let text = match repaired_markup(&clean, &mut found) {
        Some(text) => Cow::Owned(text),
        None => clean,
    };
    Walkable { text, doctype: found.doctype.unwrap_or_default(), repaired: found.repaired }
}

fn without_controls(text: &str) -> Cow<'_, str> {
    let bad = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{7f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(bad) { Cow::Owned(text.replace(bad, "")) } else { Cow::Borrowed(text) }
}

/// What stands at a `<`.
enum Markup {
    /// Something whole, of that many bytes.
    Whole(usize),
    /// A tag that lacks its `>` after that many bytes.
    Cut(usize),
    /// That many bytes to be dropped.
    Drop(usize),
    /// A doctype of that many bytes.
    Doctype(usize),
    /// A lone `<`.
    Text,
}

fn repaired_markup(text: &str, found: &mut Found) -> Option<String> {
    let mut out: Option<String> = None;
    let (mut done, mut at) = (0, 0);
    while let Some(next) = text[at..].find('<') {
        let start = at + next;
        let markup = look(text, start, found);
        if let Markup::Whole(length) = markup {
            at = start + length;
            continue;
        }
        found.repaired |= !matches!(markup, Markup::Doctype(_));
        let out = out.get_or_insert_with(|| String::with_capacity(text.len() + 64));
        out.push_str(&text[done..start]);
        match markup {
            Markup::Cut(length) => {
                let tag = text[start..start + length].trim_end_matches(|c: char| c.is_whitespace() || c == '>');
                if start + length < text.len() || tag.starts_with("</") {
                    let open = leaves_a_quote_open(tag);
                    out.push_str(&if open { Cow::Owned(tag.replace(['"', '\''], "")) } else { Cow::Borrowed(tag) });
                    out.push('>');
                }
                at = start + length;
            }
            Markup::Drop(length) | Markup::Doctype(length) => at = start + length,
            Markup::Text | Markup::Whole(_) => {
                out.push_str("&lt;");
                at = start + 1;
            }
        }
        done = at;
    }
    let mut out = out?;
    out.push_str(&text[done..]);
    Some(out)
}

/// What was found so far: also which endings do not occur any more, so that each is searched in vain only once.
#[derive(Default)]
struct Found {
    repaired: bool,
    doctype: Option<String>,
    no_section_end: bool,
    no_comment_end: bool,
    no_instruction_end: bool,
    no_tag_end: bool,
}

fn look(text: &str, start: usize, found: &mut Found) -> Markup {
    let rest = &text[start..];
    let until = |end: &str, gone: &mut bool| {
        let at = if *gone { None } else { rest.find(end) };
        *gone |= at.is_none();
        at.map(|at| at + end.len())
    };
    if let Some(comment) = rest.strip_prefix("<!--") {
        // HTML's `<!-->` is a comment too; to a tokenizer of XML it is the beginning of a long one.
        if comment.starts_with('>') {
            return Markup::Drop(5);
        }
        return until("-->", &mut found.no_comment_end).filter(|end| *end >= 7).map_or(Markup::Drop(4), Markup::Whole);
    }
    if rest.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<![CDATA[")) {
        let whole = until("]]>", &mut found.no_section_end);
        return match whole {
            Some(end) if rest.starts_with("<![CDATA[") => Markup::Whole(end),
            _ => Markup::Drop(9),
        };
    }
    if rest.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<!DOCTYPE")) {
        let whole = if found.doctype.is_some() { None } else { doctype(rest) };
        let inside = whole.map_or("", |length| &rest[9..length - 1]);
        found.doctype.get_or_insert_with(|| inside.to_owned());
        return whole.map_or_else(|| Markup::Drop(until(">", &mut found.no_tag_end).unwrap_or(9)), Markup::Doctype);
    }
    match rest.as_bytes().get(1) {
        Some(b'?') => {
            if rest.as_bytes().get(2).is_none_or(|b| !b.is_ascii_alphabetic()) {
                return Markup::Text;
            }
            match until("?>", &mut found.no_instruction_end) {
                Some(end) => Markup::Whole(end),
                None => Markup::Drop(until(">", &mut found.no_tag_end).unwrap_or(2)),
            }
        }
        Some(b'/') if rest[2..].starts_with(begins_a_name) => tag(rest),
        Some(b'!') => Markup::Text,
        Some(_) if rest[1..].starts_with(begins_a_name) => tag(rest),
        None => Markup::Drop(1),
        _ => Markup::Text,
    }
}

fn begins_a_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == ':'
}

/// The length of a doctype with its internal subset, if it ends.
fn doctype(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut quote) = (0usize, None);
    for (at, byte) in bytes.iter().enumerate().take(64 * 1024).skip(9) {
        match (quote, byte) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[' | b'<') => depth += 1,
            (None, b']') => depth = depth.saturating_sub(1),
            (None, b'>') if depth > 0 => depth -= 1,
            (None, b'>') => return Some(at + 1),
            (None, _) => {}
        }
    }
    None
}

/// A start or end tag. Quotes protect a `>`, but a `<` shows that a quote or the tag was never closed.
fn tag(text: &str) -> Markup {
    let bytes = text.as_bytes();
    let (mut quote, mut first_end) = (None, None);
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match (quote, byte) {
            (_, b'<') => return first_end.map_or(Markup::Cut(at), |_| broken_quote(text, at)),
            (Some(open), close) if open == close => quote = None,
            (Some(_), b'>') => first_end = first_end.or(Some(at)),
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Markup::Whole(at + 1),
            _ => {}
        }
    }
    first_end.map_or(Markup::Cut(text.len()), |_| broken_quote(text, text.len()))
}

/// Whether a quote of the tag is not closed in it. Counting does not tell: one kind of quote may stand inside the other.
fn leaves_a_quote_open(tag: &str) -> bool {
    let mut quote = None;
    for byte in tag.bytes() {
        match quote {
            Some(open) if open == byte => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            _ => {}
        }
    }
    quote.is_some()
}

/// A tag whose quote is open when the next one begins: it ends at its first `>`, and loses what is quoted wrongly.
fn broken_quote(text: &str, limit: usize) -> Markup {
    Markup::Cut(text[..limit].find('>').map_or(limit, |at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_right_stays_as_it_is() {
        let text = "<?xml version='1.0'?><rss a='x>y'><!-- < --><![CDATA[<p]]>é</rss>";
        let fixed = repair(text);
        assert!(!fixed.repaired && matches!(fixed.text, Cow::Borrowed(same) if same == text));
        let fixed = repair("<!DOCTYPE rss [<!ENTITY a \"b>\">]><rss/>");
        assert_eq!(
            (fixed.text.as_ref(), fixed.doctype.as_str(), fixed.repaired),
            ("<rss/>", " rss [<!ENTITY a \"b>\">]", false)
        );
    }

    #[test]
    fn each_damage_is_repaired() {
        assert_eq!(repair("junk \u{1}<a>x\u{0}y</a>").text, "<a>xy</a>");
        assert_eq!(repair("<a>1 < 2 <3 <- </a>").text, "<a>1 &lt; 2 &lt;3 &lt;- </a>");
        assert_eq!(repair("<a>text</a><b hre").text, "<a>text</a>");
        assert_eq!(repair("<a>text</").text, "<a>text&lt;/");
        assert_eq!(repair("<a>text</a").text, "<a>text</a>");
        assert_eq!(repair("<a <b>x</b>").text, "<a><b>x</b>");
        assert_eq!(repair("<a><![CDATA[<p>x</p></a>").text, "<a><p>x</p></a>");
        assert_eq!(repair("<a><!-- x</a>").text, "<a> x</a>");
        assert_eq!(repair("<!DOCTYPE><a/>").text, "<a/>");
        assert_eq!(repair("<é\"'\"'><b>").text, "<é><b>");
    }

    proptest! {
        #[test]
        fn every_text_can_be_walked_to_its_end(text in "[<>/!?a-c'\"= \\-\\[\\]é&;]{0,60}|<!DOCTYPE[<>\\[\\]\"a! -]{0,20}|\\PC{0,20}") {
            let fixed = repair(&text);
            let mut reader = quick_xml::Reader::from_str(&fixed.text);
            reader.config_mut().check_end_names = false;
            reader.config_mut().allow_unmatched_ends = true;
            reader.config_mut().allow_dangling_amp = true;
            loop {
                match reader.read_event() {
                    Ok(quick_xml::events::Event::Eof) => break,
                    Ok(_) => {}
                    Err(error) => prop_assert!(false, "{error} in {:?}", fixed.text),
                }
            }
        }
    }
}
