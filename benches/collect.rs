//! Reading sources: a listing page and a feed of 200 KB each, the feed also by feed-rs in the same run.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that meets the unexpected shall fail at once")]

use std::fmt::Write as _;

use divan::{Bencher, counter::BytesCount};
use postround::collect::{read_feed, read_page};
use postround::config::{Select, Selector};

const SIZE: usize = 200_000;

fn main() {
    divan::main();
}

fn words(count: usize) -> String {
    "families and the people who work with them ".repeat(count)
}

fn feed() -> String {
    let mut xml = String::from("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>News</title>");
    for n in 0.. {
        if xml.len() > SIZE {
            break;
        }
        write!(
            xml,
            "<item><title>Story {n} &amp;amp; more</title><link>https://example.org/{n}</link><guid>{n}</guid>\
             <pubDate>Mon, 23 Nov 2026 08:00:00 +0000</pubDate><description><![CDATA[<p>{}</p>]]></description></item>",
            words(12)
        )
        .unwrap();
    }
    xml + "</channel></rss>"
}

fn page() -> String {
    let mut html = String::from("<!doctype html><title>News</title><main>");
    for n in 0.. {
        if html.len() > SIZE {
            break;
        }
        write!(
            html,
            "<article class=\"teaser\"><h3>Story {n}</h3><p class=\"date\">23/11/2026</p><p class=\"excerpt\">{}</p>\
             <a class=\"more\" href=\"/{n}\">Read full story</a></article>",
            words(12)
        )
        .unwrap();
    }
    html + "</main>"
}

#[divan::bench]
fn our_reader_on_a_feed(bencher: Bencher<'_, '_>) {
    let xml = feed();
    bencher.counter(BytesCount::of_str(&xml)).bench(|| read_feed(xml.as_bytes(), None, None).unwrap());
}

#[divan::bench]
fn feed_rs_on_the_same_feed(bencher: Bencher<'_, '_>) {
    let xml = feed();
    bencher.counter(BytesCount::of_str(&xml)).bench(|| feed_rs::parser::parse(xml.as_bytes()).unwrap());
}

#[divan::bench]
fn our_reader_on_a_page(bencher: Bencher<'_, '_>) {
    let html = page();
    let part = |css: &str| Selector { css: css.to_owned(), attribute: None };
    let select = Select {
        item: part("article"),
        title: part("h3"),
        link: Selector { css: "a.more".to_owned(), attribute: Some("href".to_owned()) },
        date: Some(part(".date")),
        date_format: Some("%d/%m/%Y".to_owned()),
        excerpt: Some(part(".excerpt")),
        author: None,
        image: None,
        category: None,
    };
    let address = "https://example.org/news/".parse().unwrap();
    bencher
        .counter(BytesCount::of_str(&html))
        .bench(|| read_page(html.as_bytes(), None, &address, &select, chrono_tz::UTC).unwrap());
}
