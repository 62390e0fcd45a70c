//! Rendering an issue, and making one recipient's message from it.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a bench, and the fixture of the tests")]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/render/fixture.rs"]
mod fixture;

use divan::Bencher;
use divan::counter::BytesCount;
use fixture::{Counting, config, each, frame, issue, slots};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use postround::compose::IssueContent;
use postround::config::Config;
use postround::domain::{EmailAddress, Locale};
use postround::render::{Frame, Message, RenderedMail, Renderer, built_in_templates, fill};

/// How often the variants are rendered for a look at the memory.
const ROUNDS: usize = 400;

fn main() {
    divan::main();
    if std::env::args().all(|argument| argument == "--bench" || !argument.starts_with("--")) {
        memory();
    }
}

/// Prints how much memory the process has after the first issues, and after many more: it must not grow.
fn memory() {
    let variants = Variants::new();
    for round in 1..=ROUNDS {
        variants.render();
        if round == ROUNDS / 20 || round == ROUNDS {
            println!("after {round} issues of 8 variants: {} KB", resident());
        }
    }
}

/// What Linux says that the process has in memory; 0 elsewhere.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// An issue of 40 articles for four choices of topics in two languages: each is a mail of its own.
struct Variants {
    renderer: Renderer,
    config: Config,
    contents: Vec<IssueContent>,
    locales: [Locale; 2],
}

impl Variants {
    fn new() -> Self {
        let choices =
            [&["news", "features", "interviews"][..], &["news"], &["news", "features"], &["features", "interviews"]];
        let only = |topics: &&[&str]| {
            let mut content = issue(40, 20);
            content.sections.retain(|section| topics.contains(&section.topic.as_str()));
            content.listed.retain(|article| topics.contains(&article.topic.as_str()));
            content
        };
        Self {
            renderer: Renderer::new(None).unwrap(),
            config: config(),
            contents: choices.iter().map(only).collect(),
            locales: ["en-GB", "de"].map(|code| Locale::parse(code).unwrap()),
        }
    }

    /// The octets of all their messages.
    fn render(&self) -> usize {
        let mail = |(content, locale)| {
            let frame = Frame { locale, ..frame(&self.config) };
            self.renderer.digest(content, &frame, &Counting::new()).unwrap().mime.len()
        };
        self.contents
            .iter()
            .flat_map(|content| self.locales.iter().map(move |locale| (content, locale)))
            .map(mail)
            .sum()
    }
}

/// An issue whose message has about 33 KB.
fn mail() -> RenderedMail {
    let content = each(issue(12, 8), |_| ());
    Renderer::new(None).unwrap().digest(&content, &frame(&config()), &Counting::new()).unwrap()
}

#[divan::bench]
fn render_an_issue_of_20_articles(bencher: Bencher<'_, '_>) {
    let (renderer, config, content) = (Renderer::new(None).unwrap(), config(), issue(20, 20));
    bencher.bench(|| renderer.digest(&content, &frame(&config), &Counting::new()).unwrap());
}

#[divan::bench]
fn render_an_issue_of_40_articles(bencher: Bencher<'_, '_>) {
    let (renderer, config, content) = (Renderer::new(None).unwrap(), config(), issue(40, 20));
    bencher.bench(|| renderer.digest(&content, &frame(&config), &Counting::new()).unwrap());
}

#[divan::bench]
fn render_an_issue_of_40_articles_in_8_variants(bencher: Bencher<'_, '_>) {
    let variants = Variants::new();
    bencher.bench(|| variants.render());
}

#[divan::bench]
fn load_the_templates() -> Renderer {
    Renderer::new(None).unwrap()
}

#[divan::bench]
fn load_and_try_an_operators_templates(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in built_in_templates() {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    bencher.bench(|| Renderer::new(Some(dir.path())).unwrap());
}

#[divan::bench]
fn splice_one_message(bencher: Bencher<'_, '_>) {
    let mail = mail();
    let message = Message::parse(&mail.mime, &mail.marker).unwrap();
    let address = EmailAddress::parse("zoe@reader.example").unwrap();
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(mail.mime.len())).bench_local(|| {
        out.clear();
        message.splice(&slots("Zoë Żółć", &address), &mut out);
        out.len()
    });
}

/// The same message as it would be made without slots: both parts filled, then encoded by lettre.
#[divan::bench]
fn build_one_message_with_lettre(bencher: Bencher<'_, '_>) {
    let mail = mail();
    let address = EmailAddress::parse("zoe@reader.example").unwrap();
    let from: Mailbox = "Early Help Weekly <digest@earlyhelp.example>".parse().unwrap();
    bencher.counter(BytesCount::new(mail.mime.len())).bench_local(|| {
        let slots = slots("Zoë Żółć", &address);
        let text = fill(&mail.text, &mail.marker, &slots, false);
        let html = fill(&mail.html, &mail.marker, &slots, true);
        let to = Mailbox::new(Some(slots.name.to_owned()), slots.address.as_str().parse().unwrap());
        let message = MessageBuilder::new()
            .from(from.clone())
            .to(to)
            .subject(mail.subject.as_str())
            .multipart(MultiPart::alternative_plain_html(text, html));
        message.unwrap().formatted().len()
    });
}
