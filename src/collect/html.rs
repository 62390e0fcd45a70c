//! HTML pages as trees: any page is first brought to a form that the parser reads in bounded time.

use std::collections::HashSet;

use scraper::{ElementRef, Html, Node};
use url::Url;

use super::markup::{OPAQUE_IN_PAGES, Piece, Pieces, attributes};
use super::text::{from_html, separates};
use super::{decode, links};

/// Pages are read up to here.
const LONGEST: usize = 4 * 1024 * 1024;
/// Elements nested deeper than this are read as if they had no tags.
const DEEPEST: usize = 200;
/// No more tags than this are kept: far more than any listing has.
const MOST_TAGS: usize = 100_000;
/// No more attributes of one element than this are kept.
const MOST_ATTRIBUTES: usize = 48;
/// No more formatting elements than this may be unclosed: the parser opens all of them anew in each block.
const MOST_UNCLOSED_FORMATTING: usize = 16;

const VOID: &[&str] = &[
    "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
const FORMATTING: &[&str] =
    &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements whose end tag is often left out; the next one of them ends it.
const SELF_ENDING: &[&str] = &["p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot"];
/// Elements that change how a parser works and hold nothing that a listing needs.
const LEFT_OUT: &[&str] =
    &["template", "frameset", "frame", "select", "option", "optgroup", "form", "isindex", "image"];

/// Decodes and parses a page.
pub(super) fn parse(bytes: &[u8], content_type: Option<&str>) -> Html {
    let decoded = decode::html(&bytes[..bytes.len().min(LONGEST)], content_type);
    Html::parse_document(&tame(&decoded.text))
}

/// What relative addresses of the page count from: its `<base href>`, else its own address.
pub(super) fn base(page: &Html, address: &Url) -> Url {
    let href = page
        .root_element()
        .descendent_elements()
        .find(|element| element.value().name() == "base" && element.attr("href").is_some());
    let joined = href.and_then(|element| address.join(element.attr("href")?.trim()).ok());
    joined.filter(links::is_web).unwrap_or_else(|| address.clone())
}

/// The text of an element as a reader sees it, as one line.
pub(super) fn text(element: ElementRef<'_>, limit: usize) -> String {
    let mut markup = String::new();
    write_text(element, limit.saturating_mul(8), &mut markup);
    from_html(&markup, limit)
}

/// Texts, with tags that keep words apart. The recursion ends: a tame page is not deep.
fn write_text(element: ElementRef<'_>, most: usize, out: &mut String) {
    for node in element.children() {
        if out.len() > most {
            return;
        }
        if let Node::Text(text) = node.value() {
            out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;"));
        } else if let Some(inner) = ElementRef::wrap(node) {
            let apart = separates(inner.value().name());
            out.push_str(if apart { "<br>" } else { "" });
            write_text(inner, most, out);
            out.push_str(if apart { "<br>" } else { "" });
        }
    }
}

/// The same page as well-nested HTML of bounded depth and number of tags, without what is not for readers. What an
/// HTML parser does with anything else can take time that grows with the square of its length.
fn tame(html: &str) -> String {
    let mut taming = Taming { out: String::with_capacity(html.len()), ..Taming::default() };
    for piece in Pieces::new(html, OPAQUE_IN_PAGES) {
        match piece {
            Piece::Text(text) => taming.text(text),
            Piece::Open { name, rest } => taming.open(&name.to_ascii_lowercase(), rest),
            Piece::Close(name) => taming.close(&name.to_ascii_lowercase()),
        }
    }
    while !taming.open.is_empty() {
        taming.close_one();
    }
    taming.out
}

#[derive(Default)]
struct Taming {
    out: String,
    /// The open elements.
    open: Vec<String>,
    /// Elements that may occur once and have.
    had: HashSet<String>,
    tags: usize,
}

impl Taming {
    fn text(&mut self, text: &str) {
        if text.contains(['<', '\0']) {
            self.out.push_str(&text.replace('<', "&lt;").replace('\0', ""));
        } else {
            self.out.push_str(text);
        }
    }

    fn open(&mut self, name: &str, rest: &str) {
        if self.open.last().is_some_and(|open| open == "title") {
            self.close_one();
        }
        let once = matches!(name, "html" | "head" | "body");
        if LEFT_OUT.contains(&name)
            || OPAQUE_IN_PAGES.contains(&name)
            || !is_plain(name)
            || once && !self.had.insert(name.to_owned())
        {
            return;
        }
        if SELF_ENDING.contains(&name) {
            self.end_siblings(name);
        }
        let formatting = FORMATTING.contains(&name);
        let unclosed = || self.open.iter().filter(|open| FORMATTING.contains(&open.as_str())).count();
        self.tags += 1;
        if self.tags > MOST_TAGS || self.open.len() >= DEEPEST || formatting && unclosed() >= MOST_UNCLOSED_FORMATTING {
            return;
        }
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes(rest, MOST_ATTRIBUTES).filter(|(key, _)| is_plain(key)) {
            self.out.push(' ');
            self.out.push_str(key);
            self.out.push_str("=\"");
            self.out.push_str(&value.replace('"', "&quot;"));
            self.out.push('"');
        }
        self.out.push('>');
        if !once && !VOID.contains(&name) {
            self.open.push(name.to_owned());
        }
    }

    /// An end tag counts when such an element is open; what was opened within it ends too.
    fn close(&mut self, name: &str) {
        if let Some(at) = self.open.iter().rposition(|open| open == name) {
            while self.open.len() > at {
                self.close_one();
            }
        }
    }

    fn close_one(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(&name);
            self.out.push('>');
        }
    }

    /// Ends an open element of the same name, when only others of its sort stand between.
    fn end_siblings(&mut self, name: &str) {
        let near = self.open.iter().rev().take_while(|open| SELF_ENDING.contains(&open.as_str())).position(|open| {
            open == name || matches!((name, open.as_str()), ("td", "th") | ("th", "td") | ("dt", "dd") | ("dd", "dt"))
        });
        for _ in 0..near.map_or(0, |near| near + 1) {
            self.close_one();
        }
    }
}

/// Whether a name of an element or attribute can be written as it is.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:.@".contains(&b))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_comes_out_well_nested_and_without_what_is_not_for_readers() {
        assert_eq!(tame("<UL><li>a<li class=x>b</ul><script>x</script>"), "<ul><li>a</li><li class=\"x\">b</li></ul>");
        assert_eq!(tame("<p>a<p>b <b>c</p>d<img src='e\"'>"), "<p>a</p><p>b <b>c</b></p>d<img src=\"e&quot;\">");
        assert_eq!(tame("<body><body x=1>1 < 2</body>"), "<body>1 &lt; 2");
        assert_eq!(tame("<title>a<p>b"), "<title>a</title><p>b</p>");
    }

    #[test]
    fn hostile_pages_cost_no_more_than_their_length() {
        let pages = [
            "<div>".repeat(300_000),
            (0..60_000).map(|n| format!("<p><font x={n}>a")).collect(),
            (0..60_000).map(|n| format!("<b x={n}></i><table><td></b>")).collect(),
            format!("<a {}>", (0..400_000).map(|n| format!("x{n} ")).collect::<String>()),
            "<a href=x><a href=y><div>".repeat(50_000),
            "<body a=1 b=2>".repeat(100_000),
            "<table><tr><td>".repeat(100_000),
            "<!--".repeat(500_000),
        ];
        for page in pages {
            let start = Instant::now();
            let parsed = parse(page.as_bytes(), None);
            text(parsed.root_element(), 1000);
            assert!(start.elapsed() < Duration::from_secs(10), "{}", &page[..30]);
        }
    }

    #[test]
    fn words_of_different_blocks_stay_apart() {
        let page = parse(b"<div><p>One.</p><p>T<b>w</b>o &lt;three&gt;</p></div>", None);
        assert_eq!(text(page.root_element(), 100), "One. Two <three>");
    }

    proptest! {
        #[test]
        fn no_page_is_too_strange(html in "(</?(p|b|a|td|table|li|title|svg|select|body|x)( a='b\"c'|)/?>|[a-c<>&; ]|<!--|-->){0,40}") {
            let tamed = tame(&html);
            prop_assert_eq!(tame(&tamed).len(), tamed.len());
            text(Html::parse_document(&tamed).root_element(), 100);
        }
    }
}
