//! Documents that mean harm: depth, scripts, and titles that would break a header.

use std::time::{Duration, Instant};

use chrono_tz::Tz;
use postround::collect::{Kind, read_feed, read_page};
use url::Url;

use super::{select, selector};

/// What does not end within this, in a debug build beside other tests, hangs. How fast it is, the bench says.
const SOON: Duration = Duration::from_secs(120);

fn site() -> Url {
    Url::parse("https://news.example/").unwrap()
}

fn article(inside: &str) -> String {
    format!("<article><h3>{inside}</h3><p class=date>04/11/2026</p><a class=more href=/1>More</a></article>")
}

#[test]
fn three_hundred_thousand_nested_elements_in_a_feed_hurt_nothing() {
    let start = Instant::now();
    let nested = "<a>".repeat(300_000);
    let item = "<item><title>Still here</title><link>https://news.example/1</link></item>";
    let before = format!("<rss><channel>{item}{nested}");
    assert_eq!(read_feed(before.as_bytes(), None, None).unwrap().articles.len(), 1);
    let within = format!("<rss><channel><item><title>Deep</title><description>{nested}</description></item>{item}");
    let document = read_feed(within.as_bytes(), None, None).unwrap();
    assert_eq!(document.articles[0].title.as_deref(), Some("Deep"));
    let _ = read_feed(nested.as_bytes(), None, None);
    let _ = read_feed("[".repeat(300_000).as_bytes(), None, None);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn three_hundred_thousand_nested_elements_in_a_page_hurt_nothing() {
    for nested in ["<div>", "<p><b>", "<a><table><td>", "<article><h3>"] {
        let start = Instant::now();
        let page = format!("{}{}", article("Still here"), nested.repeat(300_000));
        let document = read_page(page.as_bytes(), None, &site(), &select(), Tz::UTC).unwrap();
        assert_eq!(document.articles[0].title.as_deref(), Some("Still here"));
        assert!(start.elapsed() < SOON, "{nested}: {:?}", start.elapsed());
    }
}

#[test]
fn items_within_items_are_read_in_bounded_time() {
    let start = Instant::now();
    let page = format!("{}{}", "<div>".repeat(199), "<p></p>".repeat(200_000));
    let mut select = select();
    (select.item, select.title) = (selector("div"), selector("div"));
    assert!(read_page(page.as_bytes(), None, &site(), &select, Tz::UTC).is_err());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn a_script_is_neither_text_nor_a_link() {
    let feed = "<rss><channel><item><title>A &lt;script&gt;alert(1)&lt;/script&gt;b</title>\
        <link>javascript:alert(1)</link><description>&lt;img src=x onerror=alert(1)&gt;Hello\
        &lt;style&gt;p{}&lt;/style&gt;</description></item></channel></rss>";
    let found = &read_feed(feed.as_bytes(), None, Some(&site())).unwrap().articles[0];
    assert_eq!(found.title.as_deref(), Some("A b"));
    assert_eq!((found.url.as_deref(), found.excerpt.as_deref()), (None, Some("Hello")));

    let page = format!("{}{}", article("A <script>alert(1)</script>b"), article("C").replace("/1", "javascript:x"));
    let document = read_page(page.as_bytes(), None, &site(), &select(), Tz::UTC).unwrap();
    let titles: Vec<_> = document.articles.iter().map(|found| found.title.as_deref()).collect();
    assert_eq!(titles, [Some("A b")]);
}

#[test]
fn no_title_can_break_a_header() {
    let hostile = "News&#13;&#10;Bcc: eve@news.example&#0;&#x2028;x\r\n\u{202e}y";
    let feed = format!("<feed><title>{hostile}</title><entry><title>{hostile}</title></entry></feed>");
    let document = read_feed(feed.as_bytes(), None, None).unwrap();
    let page = read_page(article(hostile).as_bytes(), None, &site(), &select(), Tz::UTC).unwrap();
    assert_eq!((document.kind, page.kind), (Kind::Atom, Kind::Page));
    for title in [&document.title, &document.articles[0].title, &page.articles[0].title] {
        let title = title.as_deref().unwrap();
        assert!(title.starts_with("News Bcc: eve@news.example"), "{title}");
        assert!(!title.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}')), "{title:?}");
    }
}
