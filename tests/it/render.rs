//! What the outside sees of `render`.
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

pub mod arabic;
mod clients;
mod design;
pub mod fixture;
mod messages;
mod parts;
mod templates;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fixture::{Counting, config, each, frame, issue, slots};
use postround::compose::IssueContent;
use postround::config::{Config, Intro, Logo};
use postround::domain::{Colour, EmailAddress, Locale};
use postround::render::{Letter, Message, RenderedMail, Renderer, Wanted, fill};

static RENDERER: LazyLock<Renderer> = LazyLock::new(|| Renderer::new(None).unwrap());

/// The issue as the built-in templates render it.
pub fn render(content: &IssueContent, config: &Config) -> RenderedMail {
    RENDERER.digest(content, &frame(config), &Counting::new()).unwrap()
}

/// The confirmation of a digest whose first issue is known.
pub fn confirmation(config: &Config) -> RenderedMail {
    letter(config, &asked(config))
}

fn asked(config: &Config) -> Letter<'static> {
    let wanted = vec![Wanted { digest: config.digests[0].title.clone(), topics: Vec::new() }];
    Letter::Confirmation { wanted, first_issue: Some(fixture::day("2026-11-30")), days: 7, reminder: false }
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
    let mut typical = issue(12, 8);
    typical.intro = Some(Intro {
        text:
            "Read the small print on shared records before you move a date in your own plan: the extra year is shorter \
               than it looks. And if you have ten minutes, spend them with Nadia Ferreira."
                .into(),
        by: "Marian Holt, Editor".into(),
    });
    vec![
        ("typical", typical),
        ("one", issue(1, 1)),
        ("pictureless", bare),
        ("forty", issue(40, 20)),
        ("excerpts", issue(40, 40)),
    ]
}

/// Every mail that one looks at, by name.
pub fn looks(renderer: &Renderer) -> Vec<(&'static str, RenderedMail)> {
    let config = config();
    let digest =
        |content: &IssueContent, config: &Config| renderer.digest(content, &frame(config), &Counting::new()).unwrap();
    let mut mails =
        vec![("confirmation", renderer.letter(&frame(&config), &asked(&config), &Counting::new()).unwrap())];
    mails.extend(sizes().iter().map(|(name, content)| (*name, digest(content, &config))));
    mails.push(("arabic", digest(&arabic::issue(), &arabic::config())));
    mails.push(("branded", digest(&issue(3, 3), &branded())));
    mails
}

/// A digest with a logo and colours of its own.
fn branded() -> Config {
    let mut config = config();
    let theme = &mut config.digests[0].theme;
    let url = "https://earlyhelp.example/logo.png".parse().unwrap();
    theme.logo = Some(Logo { url, width: 220, height: 48 });
    theme.light.accent = Colour::parse("#7a1f5c").unwrap();
    theme.light.soft = Colour::parse("#f3e9f0").unwrap();
    theme.dark.accent = Colour::parse("#f0a6d6").unwrap();
    theme.dark.soft = Colour::parse("#33222d").unwrap();
    config
}

/// A mail's name, HTML, text and message for one reader.
pub fn fill_all((name, mail): &(&'static str, RenderedMail)) -> (&'static str, String, String, String) {
    let address = reader();
    let part = |part: &str, html| fill(part, &mail.marker, &slots("Zoë", &address), html);
    let message = String::from_utf8(spliced(mail, "Zoë", &address)).unwrap();
    (name, part(&mail.html, true), part(&mail.text, false), message)
}

/// With `POSTROUND_LOOK` set to a folder, writes the mails there, filled, to be looked at and checked in a browser; the templates
/// are then read from their folder, so that a change of them needs no build.
#[test]
fn mails_of_all_sizes_are_filled_without_a_mark_left() {
    let folder = std::env::var_os("POSTROUND_LOOK").map(PathBuf::from);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/mail");
    let renderer = Renderer::new(folder.as_ref().map(|_| sources.as_path())).unwrap();
    for mail in looks(&renderer) {
        let (name, html, text, message) = fill_all(&mail);
        for (ending, part) in [("html", html), ("txt", text), ("eml", message)] {
            assert!(!part.contains(&mail.1.marker), "{name}");
            if let Some(folder) = &folder {
                std::fs::write(folder.join(format!("{name}.{ending}")), part).unwrap();
            }
        }
    }
}

#[test]
fn the_digest_reads_like_this() {
    let config = config();
    let mail = render(&issue(10, 8), &config);
    insta::assert_snapshot!("digest_text", fill(&mail.text, &mail.marker, &slots("Zoë", &reader()), false));
    insta::assert_snapshot!("digest_html", fill(&mail.html, &mail.marker, &slots("Zoë", &reader()), true));
    let arabic = render(&arabic::issue(), &arabic::config());
    insta::assert_snapshot!("digest_text_ar", fill(&arabic.text, &arabic.marker, &slots("Zoë", &reader()), false));
    insta::assert_snapshot!("digest_html_ar", fill(&arabic.html, &arabic.marker, &slots("Zoë", &reader()), true));
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
