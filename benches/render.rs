//! Rendering an issue, and making one recipient's message from it.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench, and the fixture of the tests")]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/render/fixture.rs"]
mod fixture;

use divan::Bencher;
use divan::counter::BytesCount;
use fixture::{Counting, config, each, frame, issue, slots};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use postround::domain::{EmailAddress, Locale};
use postround::render::{Frame, Message, RenderedMail, Renderer, fill};

fn main() {
    divan::main();
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

/// What a digest with eight choices of topics and locales costs: each is a mail of its own.
#[divan::bench]
fn render_an_issue_of_40_articles_in_8_variants(bencher: Bencher<'_, '_>) {
    let (renderer, config, content) = (Renderer::new(None).unwrap(), config(), issue(40, 20));
    let locales = ["en-GB", "en-US", "de", "fr", "es", "nl", "cy", "en-GB"].map(|code| Locale::parse(code).unwrap());
    bencher.bench(|| {
        let mail = |locale| renderer.digest(&content, &Frame { locale, ..frame(&config) }, &Counting::new()).unwrap();
        locales.iter().map(|locale| mail(locale).mime.len()).sum::<usize>()
    });
}

#[divan::bench]
fn load_and_try_the_templates() -> Renderer {
    Renderer::new(None).unwrap()
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
