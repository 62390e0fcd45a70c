//! Reads HTML as a flat row of tags and texts, in time that grows with its length alone.

/// One piece of HTML.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text, with its references.
    Text(&'a str),
    /// A start tag: its name as written, and the rest of it.
    Open { name: &'a str, rest: &'a str },
    /// An end tag: its name as written.
    Close(&'a str),
}

/// Elements of a feed's texts whose content is not for people. Others that cannot be shown, as `iframe`, are often never
/// closed there, and what follows is text.
pub(super) const OPAQUE_IN_TEXTS: &[&str] = &["script", "style", "applet"];
/// Elements of a page whose content is not for people, or is not read as HTML.
pub(super) const OPAQUE_IN_PAGES: &[&str] = &[
    "script",
    "style",
    "applet",
    "iframe",
    "noembed",
    "noframes",
    "noscript",
    "xmp",
    "plaintext",
    "textarea",
    "object",
    "svg",
    "math",
];

/// The pieces of a text. Comments, declarations and what stands in scripts and the like are left out; a tag that the
/// end cuts off is too.
pub(super) struct Pieces<'a> {
    rest: &'a str,
    opaque: &'static [&'static str],
}

impl<'a> Pieces<'a> {
    /// The pieces of `html`, without what stands in elements of these names.
    pub(super) fn new(html: &'a str, opaque: &'static [&'static str]) -> Self {
        Self { rest: html, opaque }
    }

    /// Goes behind the end tag of an opaque element; without one, to the end.
    fn skip_opaque(&mut self, name: &str) {
        let mut from = 0;
        while let Some(at) = self.rest[from..].find("</") {
            let start = from + at + 2;
            let found = self.rest.as_bytes().get(start..start + name.len());
            if found.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())) {
                let tail = &self.rest[start + name.len()..];
                self.rest = tail.find('>').map_or("", |end| &tail[end + 1..]);
                return;
            }
            from = start;
        }
        self.rest = "";
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            let html = self.rest;
            let text = text_length(html);
            if text > 0 {
                self.rest = &html[text..];
                return Some(Piece::Text(&html[..text]));
            }
            if html.is_empty() {
                return None;
            }
            match html.as_bytes().get(1) {
                Some(b'!' | b'?') => self.rest = after_declaration(html),
                Some(b'/') => {
                    let end = html.find('>').unwrap_or(html.len());
                    self.rest = html.get(end + 1..).unwrap_or("");
                    return Some(Piece::Close(&html[2..2 + name_length(&html[2..end])]));
                }
                _ => {
                    let Some(end) = tag_end(html) else {
                        self.rest = "";
                        return None;
                    };
                    self.rest = &html[end + 1..];
                    let inside = &html[1..end];
                    let (name, rest) = inside.split_at(name_length(inside));
                    // Only SVG and MathML have empty elements; HTML ignores the slash.
                    let is_whole = rest.ends_with('/') && matches!(name.to_ascii_lowercase().as_str(), "svg" | "math");
                    if self.opaque.iter().any(|opaque| name.eq_ignore_ascii_case(opaque)) && !is_whole {
                        self.skip_opaque(name);
                        continue;
                    }
                    return Some(Piece::Open { name, rest });
                }
            }
        }
    }
}

/// How much from the start is text: up to a `<` that begins a tag, an end tag or a declaration.
fn text_length(html: &str) -> usize {
    let bytes = html.as_bytes();
    let mut from = 0;
    while let Some(at) = html[from..].find('<') {
        let at = from + at;
        let begins = match (bytes.get(at + 1), bytes.get(at + 2)) {
            (Some(b'?'), Some(next)) => next.is_ascii_alphabetic(),
            (Some(b'!'), _) => is_declaration(&html[at..]),
            (Some(b'/'), Some(next)) => next.is_ascii_alphabetic(),
            (Some(next), _) => next.is_ascii_alphabetic(),
            (None, _) => false,
        };
        if begins {
            return at;
        }
        from = at + 1;
    }
    html.len()
}

/// Whether a `<!` begins a comment, a CDATA section or a doctype; people also write it for other reasons.
fn is_declaration(html: &str) -> bool {
    let doctype = || html.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<!DOCTYPE"));
    html.starts_with("<!--") || html.starts_with("<![") || doctype()
}

fn name_length(text: &str) -> usize {
    text.bytes().position(|b| b.is_ascii_whitespace() || b == b'/' || b == b'>').unwrap_or(text.len())
}

/// Behind a comment, a CDATA section, a doctype or a processing instruction.
fn after_declaration(html: &str) -> &str {
    if let Some(comment) = html.strip_prefix("<!--") {
        if let Some(rest) = comment.strip_prefix('>').or_else(|| comment.strip_prefix("->")) {
            return rest;
        }
        let mut rest = comment;
        while let Some(at) = rest.find("--") {
            let tail = &rest[at + 2..];
            if let Some(after) = tail.strip_prefix('>').or_else(|| tail.strip_prefix("!>")) {
                return after;
            }
            rest = &rest[at + 1..];
        }
        return "";
    }
    if let Some(section) = html.strip_prefix("<![CDATA[") {
        return section;
    }
    html.find('>').map_or("", |end| &html[end + 1..])
}

/// Where the `>` of a start tag is: not one within a quoted value.
fn tag_end(html: &str) -> Option<usize> {
    let bytes = html.as_bytes();
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), close) if open == *close => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if after_equals => quote = Some(*byte),
            (None, b'>') => return Some(at),
            _ => {}
        }
        after_equals = match byte {
            b'=' => quote.is_none(),
            b' ' | b'\t' | b'\r' | b'\n' => after_equals,
            _ => false,
        };
    }
    // A quote that is never closed: the tag ends where it first can.
    quote.and_then(|_| html.find('>'))
}

/// The attributes of a start tag, at most `limit`: names as written, values with their references.
pub(super) fn attributes(rest: &str, limit: usize) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = rest;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return None;
        }
        let ends = |(_, c): &(usize, char)| c.is_ascii_whitespace() || matches!(c, '/' | '=');
        let end = rest.char_indices().skip(1).find(ends).map_or(rest.len(), |(at, _)| at);
        let (name, after) = rest.split_at(end);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            rest = after;
            return Some((name, ""));
        };
        let value = value.trim_start();
        let quoted = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, tail) = match quoted {
            Some(quote) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            None => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        rest = tail;
        Some((name, value))
    })
    .take(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(html: &str) -> Vec<Piece<'_>> {
        Pieces::new(html, OPAQUE_IN_PAGES).collect()
    }

    #[test]
    fn tags_texts_and_nothing_else_come_out() {
        let html = "a < b<!-- c --><P class='x>y'>d</P ><script>if (a<b) '</p>'</script>e<br/>f<img src=";
        let open = |name, rest| Piece::Open { name, rest };
        assert_eq!(
            pieces(html),
            [
                Piece::Text("a < b"),
                open("P", " class='x>y'"),
                Piece::Text("d"),
                Piece::Close("P"),
                Piece::Text("e"),
                open("br", "/"),
                Piece::Text("f"),
            ]
        );
    }

    #[test]
    fn attributes_are_read_as_html_does() {
        let read = |rest| attributes(rest, 9).collect::<Vec<_>>();
        assert_eq!(
            read(" a=1 b='2 3' c = \"4\" d e='5"),
            [("a", "1"), ("b", "2 3"), ("c", "4"), ("d", ""), ("e", "5")]
        );
        assert_eq!(attributes(" a b c", 2).count(), 2);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(html in "[<>/!a-c'\"= \\-é\\[\\]?]{0,60}") {
            for piece in Pieces::new(&html, OPAQUE_IN_TEXTS) {
                if let Piece::Open { rest, .. } = piece {
                    prop_assert!(attributes(rest, 100).count() <= 100);
                }
            }
        }
    }
}
