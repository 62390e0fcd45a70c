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
use postround::render::{Letter, Message, RenderedMail, Renderer, Valid, Wanted, fill, template_names};

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
    let mut mails = letters("en-GB");
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
fn the_confirmation_is_this_message() {
    let mail = confirmation(&config());
    insta::assert_snapshot!("confirmation_html", fill(&mail.html, &mail.marker, &slots("Zoë", &reader()), true));
    insta::assert_snapshot!(
        "confirmation",
        String::from_utf8(spliced(&mail, "", &reader())).unwrap().replace('\r', "")
    );
}

#[test]
fn every_letter_reads_like_this_in_two_languages() {
    for code in ["en-GB", "de"] {
        for (name, mail) in letters(code) {
            let text = fill(&mail.text, &mail.marker, &slots("", &reader()), false);
            insta::assert_snapshot!(format!("letter_{name}_{code}"), format!("Subject: {}\n\n{text}", mail.subject));
        }
    }
}

#[test]
fn every_letter_says_all_it_has_to_say_in_every_language() {
    for code in Locale::BUILT_IN {
        for (name, mail) in letters(code) {
            let html = fill(&mail.html, &mail.marker, &slots("", &reader()), true);
            for part in [&mail.subject, &mail.text, &html] {
                assert!(
                    !part.contains("{digest}") && !part.contains("{count}") && !part.contains("{address}"),
                    "{name} {code}: {part}"
                );
            }
            assert!(!html.contains("<p class=\"i body\"></p>") && !mail.subject.is_empty(), "{name} {code}: {html}");
            assert!(html.contains(&format!("lang=\"{code}\"")), "{name} {code}");
        }
    }
}

/// Each letter in a language, by the name of its picture.
fn letters(code: &str) -> Vec<(&'static str, RenderedMail)> {
    let mut config = config();
    config.digests[0].locale = Locale::parse(code).unwrap();
    let latest = issue(4, 4);
    let text = ["The deadline is March 2028, and not March 2027 as we wrote.".to_owned(), "We are sorry.".to_owned()];
    let whole = Wanted { digest: config.digests[0].title.clone(), topics: Vec::new() };
    let part = Wanted { digest: "Jobs & Posts".to_owned(), topics: vec!["North".to_owned(), "South".to_owned()] };
    let confirmation = |wanted, first_issue, reminder| Letter::Confirmation {
        wanted,
        first_issue,
        valid: Valid::Days(7),
        days: 30,
        reminder,
    };
    let first = Some(fixture::day("2026-11-30"));
    let all = [
        ("confirmation", confirmation(vec![whole.clone()], first, false)),
        ("confirmation_of_several", confirmation(vec![whole.clone(), part.clone()], first, false)),
        ("reminder", confirmation(vec![whole], None, true)),
        ("reminder_of_a_part", confirmation(vec![part], first, true)),
        ("subscribed", Letter::Subscribed),
        ("manage", Letter::Manage { valid: Valid::Hours(1) }),
        ("address", Letter::Address { valid: Valid::Hours(24) }),
        ("moved", Letter::Moved),
        ("goodbye", Letter::Goodbye { valid: Valid::Days(7) }),
        ("welcome", Letter::Welcome { latest: Some(&latest) }),
        ("welcome_before_the_first_issue", Letter::Welcome { latest: None }),
        (
            "correction",
            Letter::Correction {
                text: &text,
                subject: "Family hubs win an extra year",
                date: fixture::day("2026-11-23"),
            },
        ),
        ("alert", Letter::Alert { subject: "The relay does not take mail", text: &text }),
    ];
    all.into_iter().map(|(name, what)| (name, letter(&config, &what))).collect()
}

#[test]
fn every_name_that_templates_can_use_is_in_the_documentation() {
    let docs = include_str!("../../docs/templates.md");
    let missing: Vec<String> =
        template_names().into_iter().filter(|name| !docs.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/templates.md says nothing of {missing:#?}");
    let seen = docs.split_once("### What they see").unwrap().1;
    let documented = seen.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let names = template_names();
    let gone: Vec<&str> = documented.filter(|name| !names.iter().any(|known| known == name)).collect();
    assert!(gone.is_empty(), "docs/templates.md speaks of what no template sees: {gone:#?}");
}

#[test]
fn every_template_is_in_the_documentation() {
    let docs = include_str!("../../docs/templates.md");
    for (name, _) in postround::render::built_in_templates().iter().chain(postround::web::built_in_pages()) {
        let stem = name.trim_end_matches(".html").trim_end_matches(".txt");
        assert!(docs.contains(&format!("`{stem}")), "docs/templates.md says nothing of {name}");
    }
}
