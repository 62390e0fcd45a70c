//! HTML and raw text to one clean line of plain text.

use std::borrow::Cow;

use super::entities::{unescape_html, windows_1252};
use super::markup::{OPAQUE_IN_TEXTS, Piece, Pieces, attributes};
use crate::domain::is_svg;

/// How many characters of each kind of text are kept.
pub(super) mod longest {
    pub const TITLE: usize = 2_000;
    pub const ID: usize = 4_000;
    pub const EXCERPT: usize = 100_000;
    pub const NAME: usize = 500;
}

/// Elements of HTML that may stand in the middle of a word; every other known one separates words.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "label", "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u",
    "var", "wbr",
];
const BLOCK: &[&str] = &[
    "address",
    "applet",
    "area",
    "article",
    "aside",
    "audio",
    "base",
    "basefont",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "col",
    "colgroup",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "iframe",
    "img",
    "input",
    "legend",
    "li",
    "link",
    "main",
    "map",
    "marquee",
    "menu",
    "meta",
    "nav",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "p",
    "param",
    "picture",
    "pre",
    "rp",
    "rt",
    "ruby",
    "script",
    "section",
    "select",
    "source",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "track",
    "ul",
    "video",
];

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether words on both sides of such a tag stay apart.
pub(super) fn separates(element: &str) -> bool {
    !is_one_of(element, INLINE)
}

/// The text that a reader of this HTML would see, as one line of at most `limit` characters.
pub(super) fn from_html(html: &str, limit: usize) -> String {
    if !html.contains(['<', '&']) {
        return one_line(html, limit);
    }
    let mut line = Line::new(limit);
    for piece in Pieces::new(html, OPAQUE_IN_TEXTS) {
        match piece {
            Piece::Text(text) => line.push(&unescape_html(without_section_end(html, text))),
            Piece::Open { name, .. } | Piece::Close(name) if separates(name) => line.space(),
            Piece::Open { .. } | Piece::Close(_) => {}
        }
        if line.is_full() {
            break;
        }
    }
    line.finish()
}

/// As [`from_html`], for text that may be HTML or not: what looks like a tag but is none of HTML's stays, as in
/// `List<String>`.
pub(super) fn from_likely_html(text: &str, limit: usize) -> String {
    if !text.contains(['<', '&']) {
        return one_line(text, limit);
    }
    let mut line = Line::new(limit);
    for piece in Pieces::new(text, OPAQUE_IN_TEXTS) {
        match piece {
            Piece::Text(shown) => line.push(&unescape_html(without_section_end(text, shown))),
            Piece::Open { name, .. } | Piece::Close(name) if is_one_of(name, BLOCK) => line.space(),
            Piece::Open { name, .. } | Piece::Close(name) if is_one_of(name, INLINE) => {}
            Piece::Open { name, rest } => {
                line.push("<");
                line.push(name);
                line.push(rest);
                line.push(">");
            }
            Piece::Close(name) => {
                line.push("</");
                line.push(name);
                line.push(">");
            }
        }
        if line.is_full() {
            break;
        }
    }
    line.finish()
}

/// A piece of text without the end of a CDATA section that was escaped as if it were text.
fn without_section_end<'a>(whole: &str, piece: &'a str) -> &'a str {
    if !whole.contains("<![CDATA[") {
        return piece;
    }
    piece.trim_end().strip_suffix("]]>").unwrap_or(piece)
}

/// Plain text as one line of at most `limit` characters.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let mut line = Line::new(limit);
    line.push(text);
    line.finish()
}

/// A side of fewer pixels makes a tracking pixel, a smiley or an icon: nothing that a story is shown with.
const SMALLEST_SIDE: u32 = 64;

/// Whether a width or height, as it is written, is that of a picture of a story. Of what is no number of pixels nothing is known.
pub(super) fn is_large_enough(side: &str) -> bool {
    let side = side.trim();
    side.strip_suffix("px").unwrap_or(side).trim().parse::<f64>().map_or(true, |side| side >= f64::from(SMALLEST_SIDE))
}

/// Whether an address is that of somebody's face, which feeds name beside the picture of the story, and before it.
pub(super) fn is_avatar(address: &str) -> bool {
    address.contains("gravatar.com/avatar/")
}

/// The address of the first picture in this HTML that is large enough for one of the story, as it is written.
pub(super) fn first_image(html: &str) -> Option<Cow<'_, str>> {
    if !html.contains('<') {
        return None;
    }
    Pieces::new(html, OPAQUE_IN_TEXTS).find_map(|piece| {
        let Piece::Open { name, rest } = piece else { return None };
        if !name.eq_ignore_ascii_case("img") {
            return None;
        }
        let mut source = None;
        for (name, value) in attributes(rest, 64) {
            if (name.eq_ignore_ascii_case("width") || name.eq_ignore_ascii_case("height")) && !is_large_enough(value) {
                return None;
            }
            if name.eq_ignore_ascii_case("src") && source.is_none() {
                source = Some(unescape_html(value));
            }
        }
        source.filter(|source| !source.trim().is_empty() && !is_avatar(source) && !is_svg(source, ""))
    })
}

/// A line of text that grows: spaces collapse, and what must not be in a line is left out.
struct Line {
    text: String,
    gap: bool,
    left: usize,
}

impl Line {
    fn new(limit: usize) -> Self {
        Self { text: String::new(), gap: false, left: limit }
    }

    fn space(&mut self) {
        self.gap = true;
    }

    fn is_full(&self) -> bool {
        self.left == 0
    }

    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if self.left == 0 {
                return;
            }
            let c = match c {
                '\u{80}'..='\u{9f}' if c != '\u{85}' => match u8::try_from(u32::from(c)).ok().and_then(windows_1252) {
                    Some(meant) => meant,
                    None => continue,
                },
                '\u{85}' => '…',
                c => c,
            };
            if c.is_whitespace() {
                self.gap = true;
            } else if !must_go(c) {
                if self.gap && !self.text.is_empty() {
                    self.text.push(' ');
                }
                self.gap = false;
                self.text.push(c);
                self.left -= 1;
            }
        }
    }

    fn finish(self) -> String {
        self.text
    }
}

/// Control characters, and marks that turn the direction of what follows or show nothing.
fn must_go(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_reads_as_a_reader_sees_it() {
        assert_eq!(from_html("A <b>bold</b> claim", 99), "A bold claim");
        assert_eq!(
            from_html("<p>One.</p><p>Two&nbsp;&amp; three</p><script>alert(1)</script>", 99),
            "One. Two & three"
        );
        assert_eq!(from_html("1 < 2 &lt;b&gt; R&D", 99), "1 < 2 <b> R&D");
        assert_eq!(from_html("un<b>believ</b>able<br>news", 99), "unbelievable news");
    }

    #[test]
    fn what_is_no_tag_of_html_stays_in_a_title() {
        assert_eq!(from_likely_html("List<String> in <em>Java</em>", 99), "List<String> in Java");
        assert_eq!(from_likely_html("Jo <jo@example.org>", 99), "Jo <jo@example.org>");
    }

    #[test]
    fn a_line_cannot_break_or_turn_around() {
        assert_eq!(one_line(" a\r\nBcc: b\u{202e}\u{0}\u{2028}c\u{feff} ", 99), "a Bcc: b c");
        assert_eq!(one_line("caf\u{92}s", 99), "caf’s");
        assert_eq!(one_line("👩‍👧 می‌خواهم", 99), "👩‍👧 می‌خواهم");
    }

    #[test]
    fn fifty_thousand_nested_elements_cost_no_more_than_their_length() {
        let html = format!("{}deep{}", "<div>".repeat(50_000), "</div>".repeat(50_000));
        assert_eq!(from_html(&html, 99), "deep");
    }

    #[test]
    fn the_first_real_picture_is_found() {
        let html = "<p><img src='/pixel.gif' width=1 height=1><img src=smile.png width='24px'><img src='/chart.svg?v=2'>
            <img src='https://0.gravatar.com/avatar/7?s=96'><img src=wide.png width='100%' height=0><IMG alt=x SRC=\"a.png?x=1&amp;y=2\"></p>";
        assert_eq!(first_image(html).as_deref(), Some("a.png?x=1&y=2"));
    }

    proptest! {
        #[test]
        fn the_result_is_one_trimmed_line_within_its_limit(html in "\\PC{0,40}|[<>&;a-e#0-9 \\n\\t\"'/=!-]{0,80}", limit in 0usize..50) {
            for text in [from_html(&html, limit), from_likely_html(&html, limit), one_line(&html, limit)] {
                prop_assert!(!text.chars().any(char::is_control));
                prop_assert_eq!(text.trim(), text.as_str());
                prop_assert!(!text.contains("  "));
                prop_assert!(text.chars().filter(|c| *c != ' ').count() <= limit);
            }
        }
    }
}
