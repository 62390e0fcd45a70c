//! HTML pages as trees: any page is first brought to a form that the parser reads in bounded time.

use scraper::{ElementRef, Html};
use url::Url;

use super::markup::{Piece, Pieces, attributes};
use super::text::from_html;
use super::{decode, links};

/// Pages are read up to here.
const LONGEST: usize = 4 * 1024 * 1024;
/// Elements nested deeper than this are read as if they had no tags.
const DEEPEST: usize = 200;
/// No more tags than this are kept: far more than any listing has.
const MOST_TAGS: usize = 100_000;
/// No more attributes of one element than this are kept.
const MOST_ATTRIBUTES: usize = 48;

const VOID: &[&str] = &[
    "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// Elements whose end tag is often left out; the next one of them ends it.
const SELF_ENDING: &[&str] = &["p", "li", "dt", "dd", "tr", "td", "th", "option", "thead", "tbody", "tfoot"];
/// Elements that change how a parser works and hold nothing that a listing needs.
const LEFT_OUT: &[&str] = &["template", "frameset", "frame", "select", "form", "isindex", "image"];

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
    from_html(&element.inner_html(), limit)
}

/// The same page with every element closed where it ends, none nested too deep, and without scripts and the like: what a
/// parser reads in a time that grows with its length alone, and without recursion that grows with its depth.
fn tame(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut open: Vec<String> = Vec::new();
    let mut tags = 0;
    for piece in Pieces::new(page) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Open { name, rest } => {
                let name = name.to_ascii_lowercase();
                tags += 1;
                let void = VOID.contains(&name.as_str());
                if open.last() == Some(&name) && SELF_ENDING.contains(&name.as_str()) {
                    open.pop();
                    close(&mut out, &name);
                }
                let usable = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                if !usable || tags > MOST_TAGS || open.len() >= DEEPEST || LEFT_OUT.contains(&name.as_str()) {
                    continue;
                }
                open_tag(&mut out, &name, rest);
                if !void {
                    open.push(name);
                }
            }
            Piece::Close(name) => {
                let name = name.to_ascii_lowercase();
                if let Some(at) = open.iter().rposition(|open| *open == name) {
                    while open.len() > at {
                        if let Some(inner) = open.pop() {
                            close(&mut out, &inner);
                        }
                    }
                }
            }
        }
    }
    out
}

fn open_tag(out: &mut String, name: &str, rest: &str) {
    out.push('<');
    out.push_str(name);
    for (attribute, value) in attributes(rest, MOST_ATTRIBUTES) {
        if !attribute.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':')) {
            continue;
        }
        out.push(' ');
        out.push_str(attribute);
        out.push_str("=\"");
        out.push_str(&value.replace('"', "&quot;"));
        out.push('"');
    }
    out.push('>');
}

fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_page_is_read_in_bounded_depth() {
        for (opening, closing) in
            [("<div>", ""), ("<b>", ""), ("<div>", "</div>"), ("<p><b>", "</p>"), ("<table><tr><td>", "")]
        {
            let page = format!("{}<article>x</article>{}", opening.repeat(200_000), closing.repeat(200_000));
            let tamed = tame(&page);
            assert!(tamed.matches("<div>").count() <= MOST_TAGS);
            let read = parse(page.as_bytes(), None);
            assert!(text(read.root_element(), 100).contains('x'));
        }
    }

    #[test]
    fn text_keeps_words_of_different_blocks_apart() {
        let page = parse(b"<div><p>One</p>two <b>th</b>ree<br>four</div>", None);
        assert_eq!(text(page.root_element(), 100), "One two three four");
    }
}
