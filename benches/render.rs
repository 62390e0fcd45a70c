//! Rendering an issue, and making one reader's message of it: spliced, and by lettre's builder in the same run.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that meets the unexpected shall fail at once")]

use divan::Bencher;
use lettre::message::{Mailbox, Message as Built, MultiPart, SinglePart, header::ContentType};
use postround::compose::{IssueArticle, IssueContent, Section};
use postround::config::Config;
use postround::domain::{EmailAddress, Locale, SystemRandom, UtcMillis};
use postround::render::{Frame, Message, RenderedMail, Renderer, Slots, fill};

fn main() {
    divan::main();
}

fn config() -> Config {
    let text = r#"
        [sender]
        name = "Exampleton Weekly"
        email = "digest@exampleton.example"
        postal_address = "1 High Street, Exampleton"
        [[source]]
        id = "news"
        feed = "https://exampleton.example/feed"
        [[digest]]
        id = "weekly"
        title = "Exampleton Weekly"
        sources = ["news"]
        schedule = "0 8 * * MON"
    "#;
    Config::parse(text, "config.toml".as_ref(), std::iter::empty()).unwrap()
}

fn content(articles: usize) -> IssueContent {
    let article = |n: usize| IssueArticle {
        topic: "news".to_owned(),
        source: "Exampleton News".to_owned(),
        title: format!("Story {n}: what the council’s family hubs learned this year"),
        url: format!("https://exampleton.example/stories/{n}"),
        published: None,
        date: "2026-11-20".parse().ok(),
        excerpt: "Councils now have until March to bring early help, health visiting and referrals through one door. \
                  Fourteen areas had warned that the first date meant closing phone lines."
            .to_owned(),
        author: None,
        image: None,
    };
    IssueContent {
        digest: "weekly".to_owned(),
        title: "Exampleton Weekly".to_owned(),
        number: Some(42),
        date: "2026-11-23".parse().unwrap(),
        sections: vec![Section {
            topic: "news".to_owned(),
            title: "News".to_owned(),
            articles: (0..articles).map(article).collect(),
        }],
        listed: Vec::new(),
    }
}

fn rendered(articles: usize) -> RenderedMail {
    let (config, locale) = (config(), Locale::default());
    let frame = Frame { digest: &config.digests[0], config: &config, locale: &locale, test: false };
    Renderer::new(None).unwrap().digest(&content(articles), &frame, &SystemRandom).unwrap()
}

fn slots(address: &EmailAddress) -> Slots<'_> {
    Slots {
        name: "Zoë Żółć",
        address,
        message_id: "abcdefghijklmnopqrstuvwxyz@exampleton.example",
        date: UtcMillis(1_795_420_800_000),
        unsubscribe_url: "https://post.exampleton.example/unsubscribe/oxaxcparrzsd4c5fkr5i7vopps5hozlfnnwhs7jxsggkkb2i",
        preferences_url: "https://post.exampleton.example/preferences/oxaxcparrzsd4c5fkr5i7vopps5hozlfnnwhs7jxsggkkb2i",
        confirm_url: "",
    }
}

#[divan::bench(args = [20, 40])]
fn render_an_issue(bencher: Bencher<'_, '_>, articles: usize) {
    let (config, locale, renderer) = (config(), Locale::default(), Renderer::new(None).unwrap());
    let content = content(articles);
    bencher.bench(|| {
        let frame = Frame { digest: &config.digests[0], config: &config, locale: &locale, test: false };
        renderer.digest(&content, &frame, &SystemRandom).unwrap()
    });
}

#[divan::bench]
fn splice_one_message(bencher: Bencher<'_, '_>) {
    let mail = rendered(12);
    let message = Message::parse(&mail.mime, &mail.marker).unwrap();
    let address = EmailAddress::parse("zoe@northfold.example").unwrap();
    let mut out = Vec::with_capacity(message.len_hint());
    message.splice(&slots(&address), &mut out);
    bencher.counter(divan::counter::BytesCount::new(out.len())).bench_local(|| {
        out.clear();
        message.splice(&slots(&address), &mut out);
        divan::black_box(out.len())
    });
}

#[divan::bench]
fn build_the_same_message_with_lettre(bencher: Bencher<'_, '_>) {
    let mail = rendered(12);
    let address = EmailAddress::parse("zoe@northfold.example").unwrap();
    let (html, text) = (
        fill(&mail.html, &mail.marker, &slots(&address), true),
        fill(&mail.text, &mail.marker, &slots(&address), false),
    );
    let from: Mailbox = "Exampleton Weekly <digest@exampleton.example>".parse().unwrap();
    let to: Mailbox = "Zoë <zoe@northfold.example>".parse().unwrap();
    bencher.bench(|| {
        let part = |kind, body: &String| SinglePart::builder().header(kind).body(body.clone());
        let parts = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, &text))
            .singlepart(part(ContentType::TEXT_HTML, &html));
        let built = Built::builder().from(from.clone()).to(to.clone()).subject(&mail.subject).multipart(parts).unwrap();
        built.formatted()
    });
}
