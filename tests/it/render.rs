//! What the outside sees of `render`.
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

pub mod fixture;
mod messages;
mod parts;
mod templates;

use std::path::PathBuf;
use std::sync::LazyLock;

use fixture::{Counting, config, each, frame, issue, slots};
use postround::compose::IssueContent;
use postround::config::Config;
use postround::domain::{EmailAddress, Locale};
use postround::render::{Letter, Message, RenderedMail, Renderer, Valid, Wanted, fill};

static RENDERER: LazyLock<Renderer> = LazyLock::new(|| Renderer::new(None).unwrap());

/// The issue as the built-in templates render it.
pub fn render(content: &IssueContent, config: &Config) -> RenderedMail {
    RENDERER.digest(content, &frame(config), &Counting::new()).unwrap()
}

/// The confirmation of a digest whose first issue is known.
pub fn confirmation(config: &Config) -> RenderedMail {
    let wanted = vec![Wanted { digest: config.digests[0].title.clone(), topics: Vec::new() }];
    let first_issue = Some(fixture::day("2026-11-30"));
    letter(config, &Letter::Confirmation { wanted, first_issue, valid: Valid::Days(7), days: 30, reminder: false })
}

/// A letter in the language of the first digest.
pub fn letter(config: &Config, letter: &Letter<'_>) -> RenderedMail {
    RENDERER.letter(&frame(config), letter, &Counting::new()).unwrap()
}

/// The message to one recipient.
pub fn spliced(mail: &RenderedMail, name: &str, address: &EmailAddress) -> Vec<u8> {
    let mut out = Vec::new();
    Message::parse(&mail.mime, &mail.marker).unwrap().splice(&slots(name, address), &mut out);
    out
}

pub fn reader() -> EmailAddress {
    EmailAddress::parse("zoe@reader.example").unwrap()
}

/// The issues that one looks at.
pub fn sizes() -> Vec<(&'static str, IssueContent)> {
    let bare = each(issue(12, 8), |article| article.image = None);
    vec![
        ("twelve", issue(12, 8)),
        ("one", issue(1, 1)),
        ("bare", bare),
        ("forty", issue(40, 40)),
        ("listed", issue(40, 8)),
    ]
}

/// With `POSTROUND_LOOK` set to a folder, writes the mails there, filled, to be looked at in a browser; pictures then come from
/// the address in `POSTROUND_LOOK_PICTURES`.
#[test]
fn mails_of_all_sizes_are_filled_without_a_mark_left() {
    let folder = std::env::var_os("POSTROUND_LOOK").map(PathBuf::from);
    let pictures = std::env::var("POSTROUND_LOOK_PICTURES").ok();
    let config = config();
    let mut mails = vec![("confirmation", confirmation(&config))];
    for (name, content) in sizes() {
        let content = each(content, |article| {
            if let (Some(image), Some(pictures)) = (&mut article.image, &pictures) {
                *image = format!("{pictures}/{}", if image.ends_with("/0.png") { "lead.png" } else { "thumb.png" });
            }
        });
        mails.push((name, render(&content, &config)));
    }
    for (name, mail) in mails {
        let address = reader();
        let html = fill(&mail.html, &mail.marker, &slots("Zoë", &address), true);
        let text = fill(&mail.text, &mail.marker, &slots("Zoë", &address), false);
        for part in [&html, &text, &String::from_utf8(spliced(&mail, "Zoë", &address)).unwrap()] {
            assert!(!part.contains(&mail.marker), "{name}");
        }
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.html")), &html).unwrap();
            std::fs::write(folder.join(format!("{name}.txt")), &text).unwrap();
        }
    }
}

#[test]
fn the_digest_reads_like_this() {
    let config = config();
    let mail = render(&issue(10, 8), &config);
    insta::assert_snapshot!("digest_text", fill(&mail.text, &mail.marker, &slots("Zoë", &reader()), false));
    insta::assert_snapshot!("digest_html", fill(&mail.html, &mail.marker, &slots("Zoë", &reader()), true));
    let message = String::from_utf8(spliced(&mail, "Zoë Żółć", &reader())).unwrap();
    insta::assert_snapshot!("digest_headers", message.split_once("\r\n\r\n").unwrap().0.replace('\r', ""));
}

#[test]
fn the_confirmation_reads_like_this() {
    let mut config = config();
    let mail = confirmation(&config);
    insta::assert_snapshot!("confirmation_html", fill(&mail.html, &mail.marker, &slots("Zoë", &reader()), true));
    insta::assert_snapshot!(
        "confirmation",
        String::from_utf8(spliced(&mail, "", &reader())).unwrap().replace('\r', "")
    );
    config.digests[0].locale = Locale::parse("de").unwrap();
    let mail = confirmation(&config);
    insta::assert_snapshot!("confirmation_text_de", fill(&mail.text, &mail.marker, &slots("", &reader()), false));
}
