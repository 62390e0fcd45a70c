//! A caught mail as a person reads it: whom it is from, what it says, in which parts.

use std::borrow::Cow;
use std::sync::LazyLock;

use mail_parser::{Address, Message, MessageParser, PartType};
use regex::Regex;

/// The subject of a mail, on one line.
pub(super) fn subject(raw: &[u8]) -> String {
    MessageParser::default().parse_headers(raw).as_ref().map_or_else(no_subject, subject_of)
}

/// A mail taken apart.
pub(super) struct Reading {
    /// The subject, on one line.
    pub(super) subject: String,
    /// Names and addresses of the `From` field; may be empty.
    pub(super) from: String,
    /// Names and addresses of the `To` field; may be empty.
    pub(super) to: String,
    /// The addresses of the `To` field alone.
    pub(super) to_addresses: Vec<String>,
    /// The HTML part.
    pub(super) html: Option<String>,
    /// The plain text part.
    pub(super) text: Option<String>,
}

impl Reading {
    /// Takes a mail apart. Any bytes are a mail; what can't be found is empty.
    pub(super) fn new(raw: &[u8]) -> Self {
        let Some(message) = MessageParser::default().parse(raw) else {
            let (from, to, to_addresses) = (String::new(), String::new(), Vec::new());
            return Self { subject: no_subject(), from, to, to_addresses, html: None, text: None };
        };
        // A part is asked for by its kind: `body_text` would make one kind of the other.
        let html = message.html_bodies().find_map(|part| match &part.body {
            PartType::Html(html) => Some(html.to_string()),
            _ => None,
        });
        let text = message.text_bodies().find_map(|part| match &part.body {
            PartType::Text(text) => Some(text.to_string()),
            _ => None,
        });
        let to_addresses = message
            .to()
            .into_iter()
            .flat_map(Address::iter)
            .filter_map(|one| one.address().map(str::to_owned))
            .collect();
        Self {
            subject: subject_of(&message),
            from: people(message.from()),
            to: people(message.to()),
            to_addresses,
            html,
            text,
        }
    }
}

/// The header of a mail as it came, up to the first empty line.
pub(super) fn headers(raw: &[u8]) -> Cow<'_, str> {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").map_or(raw.len(), |at| at + 2);
    String::from_utf8_lossy(&raw[..end])
}

/// The HTML of a mail, with its links opening outside of the frame that shows it.
pub(super) fn for_frame(html: &str) -> String {
    #[allow(clippy::expect_used, reason = "the expression is part of the program, and a test uses it")]
    static HEAD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)<head(?:\s[^>]*)?>").expect("the expression is right"));
    #[allow(clippy::expect_used, reason = "the expression is part of the program, and a test uses it")]
    static DOCTYPE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)^\s*<!doctype[^>]*>").expect("the expression is right"));
    let at = HEAD.find(html).or_else(|| DOCTYPE.find(html)).map_or(0, |found| found.end());
    format!("{}<base target=\"_blank\">{}", &html[..at], &html[at..])
}

fn subject_of(message: &Message<'_>) -> String {
    let subject = one_line(message.subject().unwrap_or_default());
    if subject.is_empty() { no_subject() } else { subject }
}

fn no_subject() -> String {
    "(no subject)".to_owned()
}

fn people(addresses: Option<&Address<'_>>) -> String {
    let people = addresses.into_iter().flat_map(Address::iter).map(|one| {
        let address = one.address().unwrap_or_default();
        match one.name() {
            Some(name) if address.is_empty() => one_line(name),
            Some(name) if !name.is_empty() => one_line(&format!("{name} <{address}>")),
            _ => one_line(address),
        }
    });
    people.collect::<Vec<_>>().join(", ")
}

/// Without control characters, and white space as single spaces.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAIL: &str = "From: =?utf-8?Q?Zo=C3=AB?= <zoe@x.example>\r\nTo: Jo <jo@y.example>, ann@z.example\r\n\
        Subject: =?utf-8?Q?Caf=C3=A9?=\r\n =?utf-8?Q?_news?=\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello</p>\r\n--b--\r\n";

    #[test]
    fn a_mail_is_taken_apart() {
        let reading = Reading::new(MAIL.as_bytes());
        assert_eq!(reading.subject, "Café news");
        assert_eq!(subject(MAIL.as_bytes()), "Café news");
        assert_eq!(reading.from, "Zoë <zoe@x.example>");
        assert_eq!(reading.to, "Jo <jo@y.example>, ann@z.example");
        assert_eq!(reading.text.unwrap().trim_end(), "Hello");
        assert_eq!(reading.html.unwrap().trim_end(), "<p>Hello</p>");
        assert!(headers(MAIL.as_bytes()).ends_with("boundary=b\r\n"));
    }

    #[test]
    fn a_part_that_is_not_there_is_not_made_up() {
        let text = Reading::new(b"Subject: x\r\nContent-Type: text/plain\r\n\r\nHello\r\n");
        assert!(text.html.is_none() && text.text.is_some());
        let html = Reading::new(b"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>Hello\r\n");
        assert!(html.html.is_some() && html.text.is_none());
        assert_eq!(Reading::new(b"\r\n\r\nbody").subject, "(no subject)");
    }

    #[test]
    fn links_get_a_target_without_putting_the_page_into_quirks_mode() {
        assert_eq!(
            for_frame("<!doctype html><HEAD lang=x><p>"),
            "<!doctype html><HEAD lang=x><base target=\"_blank\"><p>"
        );
        assert_eq!(for_frame("<!doctype html><header>"), "<!doctype html><base target=\"_blank\"><header>");
        assert_eq!(for_frame("<p>"), "<base target=\"_blank\"><p>");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(raw in proptest::collection::vec(any::<u8>(), 0..300), header in "((Subject|From|To|Content-Type): [ -~]{0,40}\r\n){0,4}") {
            let mail = [header.as_bytes(), b"\r\n", &raw].concat();
            let reading = Reading::new(&mail);
            prop_assert!(!reading.subject.chars().any(char::is_control));
            prop_assert!(!reading.from.chars().any(char::is_control));
            let _ = headers(&mail);
            let _ = for_frame(&String::from_utf8_lossy(&mail));
        }
    }
}
