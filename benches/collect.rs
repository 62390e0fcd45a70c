//! How long it takes to read a feed and a listing page of 200 KB; `feed-rs` reads the same feed for comparison.

use chrono_tz::Tz;
use divan::{Bencher, black_box};
use postround::collect::{read_feed, read_page};
use postround::config::{Select, Selector};
use url::Url;

/// About how large the documents are.
const SIZE: usize = 200 * 1024;

fn main() {
    divan::main();
}

/// `head`, as many items as fit, `tail`.
fn document(head: &str, item: impl Fn(usize) -> String, tail: &str) -> String {
    let mut text = head.to_owned();
    for number in 0.. {
        if text.len() >= SIZE {
            break;
        }
        text.push_str(&item(number));
    }
    text + tail
}

fn feed() -> String {
    let item = |n| {
        format!(
            "<item><title>Story {n} &amp; what came of it</title><link>https://news.example/stories/{n}</link>\
             <guid>https://news.example/?p={n}</guid><pubDate>Wed, 04 Nov 2026 08:30:00 GMT</pubDate>\
             <category>News</category><description><![CDATA[<p>The <b>council</b> agreed on plan {n}, and \
             families will hear of it&nbsp;soon.</p><img src=\"/pictures/{n}.jpg\">]]></description></item>\n"
        )
    };
    document("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>News</title>", item, "</channel></rss>")
}

fn page() -> String {
    let item = |n| {
        format!(
            "<article class=\"story\"><h3><a href=\"/stories/{n}\">Story {n} &amp; what came of it</a></h3>\
             <p class=\"date\">04/11/2026</p><div class=\"body\"><p class=\"excerpt\">The <b>council</b> agreed on \
             plan {n}, and families will hear of it&nbsp;soon. [...]</p></div></article>\n"
        )
    };
    document("<!doctype html><html lang=\"en-GB\"><title>News</title><body><main>", item, "</main></body></html>")
}

fn select() -> Select {
    let css = |text: &str| Selector { css: text.to_owned(), attribute: None };
    Select {
        item: css("article"),
        title: css("h3"),
        link: css("h3 a"),
        date: Some(css(".date")),
        date_format: Some("%d/%m/%Y".to_owned()),
        excerpt: Some(css(".excerpt")),
        author: None,
        image: None,
        category: None,
    }
}

#[divan::bench]
fn a_feed(bencher: Bencher<'_, '_>) {
    let feed = feed();
    bencher.bench(|| read_feed(black_box(feed.as_bytes()), None, None));
}

#[divan::bench]
fn the_same_feed_with_feed_rs(bencher: Bencher<'_, '_>) {
    let feed = feed();
    bencher.bench(|| feed_rs::parser::parse(black_box(feed.as_bytes())));
}

#[divan::bench]
fn a_page(bencher: Bencher<'_, '_>) {
    let (page, select) = (page(), select());
    let base = Url::parse("https://news.example/").ok();
    bencher.bench(|| {
        let base = base.as_ref()?;
        read_page(black_box(page.as_bytes()), None, base, &select, Tz::Europe__London).ok()
    });
}
