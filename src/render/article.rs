//! An article as the templates see it: whatever a feed has given, it is short enough, on one line, and goes one way.

use std::borrow::Cow;

use serde::Serialize;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;
use url::{Host, Url};

use super::text::{cut_at_word, one_line};
use crate::compose::IssueArticle;
use crate::domain::{Direction, direction, is_svg, is_visible, kept_apart};
use crate::wording::{Wording, insert};

/// The longest title, in characters as a reader counts them.
const TITLE: usize = 300;
/// The longest excerpt. Sources are cut to much less when they are read.
const EXCERPT: usize = 1_200;
/// The longest name of a source or author.
const NAME: usize = 120;
/// What an excerpt gives in the place of a title.
const BORROWED_TITLE: usize = 80;
/// The longest address, in octets: servers and mail programs cut longer ones.
const ADDRESS: usize = 2_048;
/// How many marks may sit on one letter. Scripts that stack them need three or four.
const MARKS: usize = 5;
/// The longest letter as a reader counts them, in octets: joiners hold any number of characters together. A family has 35.
const LETTER: usize = 64;

#[derive(Clone, Debug, Serialize)]
pub(super) struct ArticleView {
    pub(super) topic: String,
    pub(super) source: String,
    pub(super) title: String,
    /// The title for attributes. They keep angle brackets when the styles are worked in, and old Outlook looks for its
    /// conditions anywhere.
    pub(super) label: String,
    /// None where it has no page of its own, or none that a link may lead to.
    pub(super) url: Option<String>,
    pub(super) date: Option<String>,
    pub(super) excerpt: String,
    pub(super) author: Option<String>,
    pub(super) image: Option<String>,
    /// Date and source, as far as they are known.
    pub(super) meta: String,
    /// What a list says beside its title: the source, else the date.
    pub(super) beside: Option<String>,
    /// The direction of its text where that is not the mail's.
    pub(super) dir: Option<Direction>,
    /// Whether the title begins with a quotation mark.
    pub(super) quoted: bool,
}

impl ArticleView {
    pub(super) fn new(article: &IssueArticle, words: &Wording) -> Self {
        let source = clean(&article.source, NAME);
        let date = article.date.map(|date| words.date(date, false));
        let from = kept_apart(&source, words.direction());
        let meta = match &date {
            Some(date) if source.is_empty() => date.clone(),
            Some(date) => insert(&words.dated, &[("date", date), ("source", &from)]),
            None => from.clone(),
        };
        let beside = Some(from).filter(|from| !from.is_empty()).or_else(|| date.clone());
        let excerpt = clean(&article.excerpt, EXCERPT);
        let url = article.url.as_deref().and_then(web_link);
        let title = title(article, &excerpt, url.as_deref());
        Self {
            topic: article.topic.clone(),
            dir: direction(&title).filter(|dir| *dir != words.direction()),
            quoted: title.starts_with(['“', '„', '«', '‘', '"', '\'']),
            source,
            label: title.replace('<', "‹").replace('>', "›"),
            title,
            url,
            date,
            excerpt,
            author: article.author.as_deref().map(|author| clean(author, NAME)).filter(|author| is_visible(author)),
            image: article.image.as_deref().and_then(picture),
            meta,
            beside,
        }
    }

    /// Says its day alone: where it is from has been said.
    pub(super) fn leave_source_out(&mut self) {
        self.meta = self.date.clone().unwrap_or_default();
        self.beside.clone_from(&self.date);
    }
}

/// The title, or what stands for one that says nothing: the beginning of the text, the source, the place.
fn title(article: &IssueArticle, excerpt: &str, url: Option<&str>) -> String {
    let own = clean(&article.title, TITLE);
    let begun = cut_at_word(excerpt, BORROWED_TITLE);
    let source = one_line(&article.source);
    let place = url.map(|url| url.split_once("://").map_or(url, |(_, place)| place)).unwrap_or_default();
    let place = cut_at_word(place, BORROWED_TITLE);
    let candidates = [own.as_str(), &begun, &source, &place];
    candidates.into_iter().find(|text| is_visible(text)).unwrap_or("…").to_owned()
}

/// A text from a feed on one line, with no letter that is endless or under a heap of marks, and cut where it is endless itself.
fn clean(text: &str, limit: usize) -> String {
    let line = one_line(text);
    let line = if line.is_ascii() { line } else { Cow::Owned(short_letters(&few_marks(&line))) };
    cut_at_word(&line, limit).into_owned()
}

fn few_marks(text: &str) -> String {
    let mut marks = 0;
    let keep = |c: &char| {
        marks = if is_combining_mark(*c) { marks + 1 } else { 0 };
        marks <= MARKS
    };
    text.chars().filter(keep).collect()
}

fn short_letters(text: &str) -> String {
    let short = |letter: &str| {
        if letter.len() <= LETTER {
            return letter.len();
        }
        // Nothing that would take hold of the next letter stays at the end.
        let holds = |c: char| is_combining_mark(c) || ('\u{200b}'..='\u{200f}').contains(&c) || c == '\u{2060}';
        letter[..letter.floor_char_boundary(LETTER)].trim_end_matches(holds).len()
    };
    text.graphemes(true).map(|letter| &letter[..short(letter)]).collect()
}

/// An address that may stand in a link: http or https, as the URL standard writes it, so without spaces and controls.
pub(super) fn web_link(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let fits = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= ADDRESS;
    fits.then(|| url.into())
}

/// An address of a picture that mail programs show: https, and no SVG; on this machine, to try things out, also http.
fn picture(address: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| !is_svg(url.as_str(), ""))?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    (url.scheme() == "https" || (url.scheme() == "http" && is_here)).then(|| web_link(address)).flatten()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://news.example/a.png", Some("https://news.example/a.png"))]
    #[case("http://news.example/a.png", None)]
    #[case("http://127.0.0.1:8080/a.png", Some("http://127.0.0.1:8080/a.png"))]
    #[case("https://news.example/a.SVG?w=600", None)]
    #[case("data:image/png;base64,AAAA", None)]
    #[case("javascript:alert(1)", None)]
    fn pictures_are_https(#[case] address: &str, #[case] shown: Option<&str>) {
        assert_eq!(picture(address).as_deref(), shown);
    }

    #[test]
    fn no_letter_stands_under_a_heap_of_marks_and_scripts_that_stack_them_stay() {
        let heap = format!("a{}b", "\u{301}".repeat(400));
        assert_eq!(clean(&heap, TITLE), format!("a{}b", "\u{301}".repeat(MARKS)));
        for whole in ["शक्ति हिन्दी", "ที่นี่ นํ้า", "👩\u{200d}👩\u{200d}👧", "Việt Nam", "e\u{301}\u{327}"]
        {
            assert_eq!(clean(whole, TITLE), whole);
        }
    }

    #[test]
    fn no_letter_is_endless_whatever_holds_it_together() {
        let (joiner, family) = ("\u{200d}", "👩🏽\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏽");
        let england = "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
        assert_eq!(clean(&format!("a{} b", joiner.repeat(1_900)), TITLE), "a b");
        for held in [format!("👩{joiner}").repeat(400), "क\u{94d}".repeat(600), format!("{family}{joiner}").repeat(60)]
        {
            let short = clean(&format!("{held}x {held}👩"), TITLE);
            assert!(short.graphemes(true).all(|letter| letter.len() <= LETTER), "{short:?}");
        }
        for whole in [family, england, "क्षत्रिय", "རྒྱལ་རྩེ"] {
            assert_eq!(clean(whole, TITLE), whole);
        }
    }
}
