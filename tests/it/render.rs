//! What the outside sees of `render`.
#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

pub mod arabic;
mod clients;
mod design;
pub mod fixture;
mod links;
pub mod looks;
mod messages;
mod parity;
mod parts;
mod templates;
mod trial;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fixture::{Counting, config, each, frame, issue, slots};
use looks::{letters, looks, speaking};
use postround::compose::IssueContent;
use postround::config::Config;
use postround::domain::{EmailAddress, Locale};
use postround::render::{
    Frame, HTML_LIMIT, Letter, Message, RenderedMail, Renderer, Valid, Wanted, fill, template_names,
};

pub use looks::sizes;

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
fn the_confirmation_is_this_message() {
    let mail = confirmation(&config());
    insta::assert_snapshot!("confirmation_html", fill(&mail.html, &mail.marker, &slots("Zoë", &reader()), true));
    insta::assert_snapshot!(
        "confirmation",
        String::from_utf8(spliced(&mail, "", &reader())).unwrap().replace('\r', "")
    );
}

/// Subject, text and HTML of a mail, without its styles: those are in the snapshots of the whole digest and confirmation.
fn in_words(mail: &RenderedMail) -> String {
    let part = |part, html| fill(part, &mail.marker, &slots("", &reader()), html);
    let (text, html) = (part(&mail.text, false), part(&mail.html, true));
    let styles = regex::Regex::new(" style=\"[^\"]*\"").unwrap();
    let body = styles.replace_all(&html[html.find("<body").unwrap()..], "");
    format!("Subject: {}\n\n{text}\n{body}", mail.subject)
}

#[test]
fn every_letter_reads_like_this_in_two_languages() {
    for code in ["en-GB", "de"] {
        for (name, mail) in letters(&RENDERER, &speaking(code)) {
            insta::assert_snapshot!(format!("letter_{name}_{code}"), in_words(&mail));
        }
    }
}

#[test]
fn a_test_send_reads_like_this_in_two_languages() {
    for code in ["en-GB", "de"] {
        let config = speaking(code);
        let frame = Frame { test: true, ..frame(&config) };
        let mail = RENDERER.digest(&issue(2, 2), &frame, &Counting::new()).unwrap();
        insta::assert_snapshot!(format!("test_{code}"), in_words(&mail));
    }
}

#[test]
fn every_letter_says_all_it_has_to_say_in_every_language() {
    for code in Locale::BUILT_IN {
        for (name, mail) in letters(&RENDERER, &speaking(code)) {
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

#[test]
fn a_letter_keeps_to_72_columns_whatever_address_it_goes_to() {
    let address = EmailAddress::parse("a.very.long.name.of.a.person.indeed@department.university.example.org").unwrap();
    for code in Locale::BUILT_IN {
        for (name, mail) in letters(&RENDERER, &speaking(code)) {
            let text = fill(&mail.text, &mail.marker, &slots("", &address), false);
            for line in text.lines().filter(|line| !line.contains("://") && !line.contains('@')) {
                assert!(line.chars().count() <= 72, "{name} {code}: {line}");
            }
            let with_address = text.lines().filter(|line| line.contains('@'));
            for line in with_address {
                assert!(!line.contains(' '), "{name} {code}: {line}");
            }
        }
    }
}

#[test]
fn a_correction_links_the_addresses_in_its_text() {
    let text = ["See <b>https://earlyhelp.example/news/0?a=1&b=2</b>. Or (https://earlyhelp.example/x).".to_owned()];
    let about = Letter::Correction { text: &text, subject: "s", date: fixture::day("2026-11-23") };
    let html = letter(&config(), &about).html;
    let page = scraper::Html::parse_document(&html);
    let selector = scraper::Selector::parse("p.body a").unwrap();
    let links: Vec<_> = page.select(&selector).map(|link| (link.attr("href").unwrap(), link.inner_html())).collect();
    assert_eq!(links, [("https://earlyhelp.example/x", "https://earlyhelp.example/x".to_owned())]);
    assert!(html.contains("&lt;b&gt;https://earlyhelp.example/news/0?a=1&amp;b=2&lt;/b&gt;."), "{html}");
}

#[test]
fn a_welcome_leads_to_the_latest_issue() {
    let config = config();
    let (many, few) = (issue(25, 20), issue(4, 4));
    for (latest, said) in [(&many, "And 5 more stories"), (&few, "Read this issue on the web")] {
        let mail = letter(&config, &Letter::Welcome { latest: Some(latest) });
        assert_eq!(mail.subject, "Welcome to Early Help Weekly");
        for part in [&mail.html, &mail.text] {
            assert!(part.contains(said), "{part}");
            assert!(part.contains("https://post.earlyhelp.example/archive/weekly/42"), "{part}");
        }
    }
}

#[test]
fn a_welcome_that_would_be_cut_off_lists_fewer_stories_and_says_that_there_are_more() {
    let wild = each(issue(20, 20), |article| {
        article.title = "👨\u{200d}👩\u{200d}👧\u{200d}👦".repeat(300);
        let query = article.url.as_deref().unwrap_or_default().len();
        article.url = article.url.as_ref().map(|url| format!("{url}{}", "&a".repeat((2_048 - query) / 2)));
    });
    let mail = letter(&config(), &Letter::Welcome { latest: Some(&wild) });
    assert!(mail.html.len() <= HTML_LIMIT, "{} octets", mail.html.len());
    let listed = mail.text.lines().filter(|line| line.starts_with("https://earlyhelp.example/") && line.len() > 2_000);
    let listed = listed.count();
    assert!((1..20).contains(&listed), "{listed} of 20");
    for part in [&mail.html, &mail.text] {
        assert!(part.contains(&format!("And {} more stories", 20 - listed)), "{part}");
    }
}

#[test]
fn every_name_that_templates_can_use_is_in_the_documentation() {
    let docs = include_str!("../../docs/templates.md");
    let missing: Vec<String> =
        template_names().into_iter().filter(|name| !docs.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/templates.md says nothing of {missing:#?}");
    let seen = docs.split_once("### What they see").unwrap().1.split("\n## ").next().unwrap();
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
