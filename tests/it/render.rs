//! What a rendered mail is to the programs that read it.

pub mod fixture;

use std::io::Write as _;
use std::process::{Command, Stdio};

use mail_parser::MessageParser;
use postround::compose::IssueContent;
use postround::config::Config;
use postround::domain::EmailAddress;
use postround::render::{Message, RenderedMail, Renderer, fill};
use proptest::prelude::*;

use fixture::{Counting, config, each, frame, issue, slots};

fn render(config: &Config, content: &IssueContent) -> RenderedMail {
    Renderer::new(None).unwrap().digest(content, &frame(config), &Counting::new()).unwrap()
}

fn message(mail: &RenderedMail, name: &str, address: &EmailAddress) -> Vec<u8> {
    let mut out = Vec::new();
    Message::parse(&mail.mime, &mail.marker).unwrap().splice(&slots(name, address), &mut out);
    out
}

fn unix(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

#[track_caller]
fn assert_reads_as_rendered(mail: &RenderedMail, name: &str, raw: &[u8], address: &EmailAddress) {
    let parsed = MessageParser::default().parse(raw).unwrap();
    let slots = slots(name, address);
    assert_eq!(parsed.subject().unwrap(), mail.subject);
    assert_eq!(parsed.to().unwrap().first().unwrap().address().unwrap(), address.as_str());
    assert_eq!(unix(&parsed.body_text(0).unwrap()), unix(&fill(&mail.text, &mail.marker, &slots, false)));
    assert_eq!(unix(&parsed.body_html(0).unwrap()), unix(&fill(&mail.html, &mail.marker, &slots, true)));
    assert!(!String::from_utf8_lossy(raw).contains(&mail.marker), "a mark is left");
    for line in raw.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 999 && !line.starts_with(b"."), "{}", String::from_utf8_lossy(line));
    }
}

/// Text that a site may have: long words, dots at the start of lines, accents, emoji with joiners, marks of Hindi and Thai,
/// right-to-left, breaks of headers.
fn wild() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("Zoë’s “café”".to_owned()),
        Just("👩‍👧‍👦".to_owned()),
        Just("हिन्दी ภาษาไทย".to_owned()),
        Just("שלום عربي".to_owned()),
        Just("\r\nBcc: x@example.org".to_owned()),
        Just("\n.\n..".to_owned()),
        Just("=3D=\r\n &amp; <b> {{ slot.to }}".to_owned()),
        Just("From here ".to_owned()),
        "\\PC{0,40}",
        "[a-z]{100,300}",
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_spliced_message_reads_as_it_was_rendered(title in wild(), excerpt in wild(), name in wild()) {
        let config = config();
        let mut content = issue(12, 8);
        content.sections[0].articles[0].title.clone_from(&title);
        content.sections[0].articles[1].excerpt = excerpt;
        content.listed[0].title = title;
        let mail = render(&config, &content);
        prop_assert!(!mail.subject.contains(['\r', '\n']));
        let address = EmailAddress::parse("zoe@northfold.example").unwrap();
        let raw = message(&mail, &name, &address);
        assert_reads_as_rendered(&mail, &name, &raw, &address);
        let head = raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let headers = String::from_utf8_lossy(&raw[..head]).into_owned();
        prop_assert!(!headers.contains("\nBcc:"), "{}", headers);
        prop_assert!(headers.lines().all(|line| line.len() <= 998));
    }
}

#[test]
fn the_headers_are_those_of_the_contract() {
    let config = config();
    let mail = render(&config, &issue(12, 8));
    let address = EmailAddress::parse("zoe@northfold.example").unwrap();
    let raw = String::from_utf8(message(&mail, "Zoë", &address)).unwrap();
    let unfolded = raw.replace("\r\n ", " ");
    let head = unfolded.split("\r\n\r\n").next().unwrap();
    for name in [
        "From: ",
        "To: ",
        "Reply-To: ",
        "Subject: ",
        "Date: ",
        "Message-ID: <",
        "List-Id: ",
        "List-Unsubscribe: <https://",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "List-Archive: <https://",
        "Feedback-ID: ",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: OOF, AutoReply",
        "MIME-Version: 1.0",
        "Content-Type: multipart/alternative",
    ] {
        assert_eq!(head.lines().filter(|line| line.starts_with(name)).count(), 1, "{name} in\n{head}");
    }
    assert!(raw.find("text/plain").unwrap() < raw.find("text/html").unwrap());
}

#[test]
fn both_parts_have_the_same_addresses_in_the_same_order() {
    let config = config();
    let content = issue(12, 8);
    let mail = render(&config, &content);
    let places = |part: &str| {
        let part = part.replace("&amp;", "&");
        let of = |url: &String| part.find(url.as_str()).unwrap_or_else(|| panic!("{url} is missing"));
        content.articles().map(|article| of(&article.url)).collect::<Vec<_>>()
    };
    assert!(places(&mail.text).is_sorted());
    assert!(places(&mail.html).is_sorted());
    assert!(mail.html.len() < 100_000);
}

#[test]
fn pythons_email_package_reads_the_same() {
    let config = config();
    let mail = render(&config, &issue(12, 8));
    let address = EmailAddress::parse("zoe@northfold.example").unwrap();
    let name = "Zoë “Żółć” 日本 👩‍👧";
    let raw = message(&mail, name, &address);
    let script = "import sys, json, email, email.policy\n\
        m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n\
        part = lambda kind: m.get_body((kind,)).get_content()\n\
        print(json.dumps({'subject': m['subject'], 'to': m['to'].addresses[0].display_name, 'text': part('plain'), 'html': part('html')}))";
    let python = Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        assert!(std::env::var_os("CI").is_none(), "CI needs python3");
        eprintln!("python3 is not installed: its reading was not compared");
        return;
    };
    python.stdin.take().unwrap().write_all(&raw).unwrap();
    let output = python.wait_with_output().unwrap();
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let slots = slots(name, &address);
    assert_eq!(read["subject"], mail.subject);
    assert_eq!(read["to"], name);
    assert_eq!(unix(read["text"].as_str().unwrap()), unix(&fill(&mail.text, &mail.marker, &slots, false)));
    assert_eq!(unix(read["html"].as_str().unwrap()), unix(&fill(&mail.html, &mail.marker, &slots, true)));
}

/// With `POSTROUND_LOOK` set to a folder, the HTML of each is written there, to be looked at.
#[test]
fn an_issue_of_any_size_stays_under_the_size_that_gmail_cuts_at() {
    let folder = std::env::var_os("POSTROUND_LOOK").map(std::path::PathBuf::from);
    let bare = each(issue(12, 8), |article| article.image = None);
    for (name, content) in [
        ("twelve", issue(12, 8)),
        ("one", issue(1, 1)),
        ("bare", bare),
        ("forty", issue(40, 40)),
        ("listed", issue(40, 8)),
    ] {
        let mail = render(&config(), &content);
        assert!(mail.html.len() < 100_000, "{name}: {}", mail.html.len());
        assert_eq!(mail.html.matches("<h1").count(), 1, "{name}");
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.html")), &mail.html).unwrap();
        }
    }
}

#[test]
fn a_digest_looks_like_this() {
    let config = config();
    let mail = render(&config, &issue(6, 4));
    let address = EmailAddress::parse("zoe@northfold.example").unwrap();
    let raw = String::from_utf8(message(&mail, "Zoë", &address)).unwrap();
    insta::assert_snapshot!("digest_headers", raw.split("\r\n\r\n").next().unwrap().replace("\r\n", "\n"));
    insta::assert_snapshot!("digest_text", mail.text.replace("\r\n", "\n"));
    insta::assert_snapshot!("digest_html", mail.html.replace("\r\n", "\n"));
}

#[test]
fn a_confirmation_looks_like_this_and_is_no_list_mail() {
    let config = config();
    let confirmation = postround::render::Confirmation { first_issue: Some(fixture::day("2026-11-30")), valid_days: 7 };
    let mail = Renderer::new(None).unwrap().confirmation(&frame(&config), &confirmation, &Counting::new()).unwrap();
    let address = EmailAddress::parse("zoe@northfold.example").unwrap();
    let raw = String::from_utf8(message(&mail, "", &address)).unwrap();
    let head = raw.split("\r\n\r\n").next().unwrap();
    assert!(!head.contains("List-"), "{head}");
    insta::assert_snapshot!("confirmation_headers", head.replace("\r\n", "\n"));
    insta::assert_snapshot!("confirmation_text", mail.text.replace("\r\n", "\n"));
    insta::assert_snapshot!("confirmation_html", mail.html.replace("\r\n", "\n"));
}
