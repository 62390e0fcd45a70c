//! One piece again and again: nothing in the readers grows faster than its input, and entities do not explode.

use std::time::{Duration, Instant};

use chrono_tz::Tz;
use postround::collect::{guess, read_feed, read_page};
use rstest::rstest;
use url::Url;

use super::{feed, select};

/// What grows with the square takes hours for half a megabyte, not seconds.
const SOON: Duration = Duration::from_secs(60);
const LENGTH: usize = 500_000;

#[rstest]
#[case::items("<item>")]
#[case::titles("<title>")]
#[case::empty_elements("<a/>")]
#[case::open_quotes("<a b='")]
#[case::attributes("a=b ")]
#[case::comments("<!--")]
#[case::odd_comments("<!-- --!>")]
#[case::sections("<![CDATA[")]
#[case::doctypes("<!DOCTYPE [")]
#[case::instructions("<?a ")]
#[case::ampersands("&")]
#[case::references("&#x41;&amp;amp;")]
#[case::end_tags("</a>")]
#[case::namespaces("<a xmlns:b='c'>")]
#[case::brackets("<")]
#[case::escaped_tags("&lt;a b='")]
#[case::escaped_comments("&lt;!--")]
#[case::escaped_scripts("&lt;script&gt;")]
#[case::json_lists("[")]
fn repetition_costs_a_feed_no_more_than_its_length(#[case] piece: &str) {
    let start = Instant::now();
    let many = piece.repeat(LENGTH / piece.len());
    for text in [
        format!("<rss><channel><item><title>t</title><description>{many}"),
        format!("<rss {many}"),
        format!("<rss><channel><item><title>{many}</title></item></channel></rss>"),
        format!("{{\"items\": {many}"),
    ] {
        let _ = read_feed(text.as_bytes(), None, None);
    }
    assert!(start.elapsed() < SOON, "{piece} took {:?}", start.elapsed());
}

#[rstest]
#[case::links("<a href=/1 class=x>a")]
#[case::headings("<h2><a href=/1>")]
#[case::items("<article><h3>")]
#[case::formatting("<p><b><i>")]
#[case::attributes("a=b ")]
#[case::comments("<!--")]
#[case::closed("<li></li>")]
fn repetition_costs_a_page_no_more_than_its_length(#[case] piece: &str) {
    let start = Instant::now();
    let url = Url::parse("https://hubs.example/").unwrap();
    let page = format!("<html><article {}", piece.repeat(LENGTH / piece.len()));
    let _ = read_page(page.as_bytes(), None, &url, &select(), Tz::UTC);
    guess(page.as_bytes(), None, &url);
    let page = format!("<html><main>{}", piece.repeat(LENGTH / piece.len()));
    let _ = read_page(page.as_bytes(), None, &url, &select(), Tz::UTC);
    guess(page.as_bytes(), None, &url);
    assert!(start.elapsed() < SOON, "{piece} took {:?}", start.elapsed());
}

#[test]
fn entities_cannot_explode_and_read_no_files() {
    let mut declarations = String::from("<!ENTITY a0 \"lol\">");
    for n in 1..30 {
        declarations.push_str(&format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10)));
    }
    let document = feed(&format!(
        "<!DOCTYPE rss [{declarations}]><rss><channel><item><title>&a0; &a29;</title></item></channel></rss>"
    ));
    assert_eq!(document.articles[0].title.as_deref(), Some("lol &a29;"));
    let file = "<!DOCTYPE rss [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><rss><channel><item><title>&x;</title></item></channel></rss>";
    assert_eq!(feed(file).articles[0].title.as_deref(), Some("&x;"));
}
