//! Listing pages: selectors, dates, links, and what is said when nothing matches.

use chrono_tz::Tz;
use postround::collect::{Body, Document, Found, ReadError, Validators, read_page, read_source};
use postround::config::{Source, SourceKind, TopicRules};
use rstest::rstest;
use url::Url;

use super::{select, selector};

const PAGE: &str = r#"<!doctype html><html lang="en-GB"><head><title>Latest news</title></head><body>
<article><h3>A bridge for Ashford</h3><p class="date">Posted 04/11/2026 by Jo</p>
<p class="excerpt">The <em>council</em> agreed. New figures [...]</p><a class="more" href="/stories/bridge">More</a></article>
<article><h3>Two &amp; two</h3><p class="date">3/6/2026</p><a class="more" href="https://other.example/2">More</a></article>
<article><h3>No link here</h3></article>
<article><h3>A bridge for Ashford</h3><a class="more" href="/stories/bridge?utm_source=x">Again</a></article>
</body></html>"#;

fn read(page: &str, select: &postround::config::Select) -> Result<Document, ReadError> {
    read_page(page.as_bytes(), Some("text/html"), &address(), select, Tz::Europe__London)
}

fn address() -> Url {
    Url::parse("https://news.example/latest/").unwrap()
}

fn first(page: &str, select: &postround::config::Select) -> Found {
    read(page, select).unwrap().articles.swap_remove(0)
}

#[test]
fn a_listing_gives_each_article_once_with_title_link_date_and_excerpt() {
    let document = read(PAGE, &select()).unwrap();
    assert_eq!(document.title.as_deref(), Some("Latest news"));
    let [bridge, two] = document.articles.as_slice() else { panic!("{document:?}") };
    assert_eq!(bridge.title.as_deref(), Some("A bridge for Ashford"));
    assert_eq!(bridge.url.as_deref(), Some("https://news.example/stories/bridge"));
    assert_eq!(bridge.published.unwrap().to_string(), "2026-11-04T00:00:00Z");
    assert_eq!(bridge.excerpt.as_deref(), Some("The council agreed. New figures [...]"));
    assert_eq!((two.title.as_deref(), two.url.as_deref()), (Some("Two & two"), Some("https://other.example/2")));
    // Midnight in London in June.
    assert_eq!(two.published.unwrap().to_string(), "2026-06-02T23:00:00Z");
}

#[rstest]
#[case("<time class=date datetime=2026-11-04T08:30:00+01:00>Yesterday</time>", "2026-11-04T07:30:00Z")]
#[case("<p class=date>4 November 2026</p>", "2026-11-04T00:00:00Z")]
#[case("<p class=date>Wednesday, November 4th, 2026</p>", "2026-11-04T00:00:00Z")]
#[case("<p class=date>Published: 2026-11-04 | News</p>", "2026-11-04T00:00:00Z")]
#[case("<p class=date>04/11/2026</p>", "2026-11-04T00:00:00Z")]
#[case("<p class=date>04.11.2026</p>", "2026-11-04T00:00:00Z")]
fn without_a_format_dates_are_read_in_the_usual_ways(#[case] date: &str, #[case] expected: &str) {
    let page = format!("<article><h3>A title</h3>{date}<a class=more href=/1>More</a></article>");
    let mut select = select();
    select.date_format = None;
    assert_eq!(first(&page, &select).published.map(|at| at.to_string()).as_deref(), Some(expected));
}

#[test]
fn an_item_can_be_its_own_title_and_link_and_attributes_can_be_named() {
    let page = r#"<base href="/archive/2026/"><a class="card" href="bridge" title="A bridge" data-day="04/11/2026">
        <img src="wait.svg" data-src="../pictures/1.jpg"><span class="label">Feature</span> More</a>"#;
    let mut select = select();
    select.item = selector("a.card");
    select.title = selector("@title");
    select.link = selector("");
    select.date = Some(selector("@data-day"));
    select.image = Some(selector("img"));
    select.category = Some(selector(".label"));
    let found = first(page, &select);
    assert_eq!(found.title.as_deref(), Some("A bridge"));
    assert_eq!(found.url.as_deref(), Some("https://news.example/archive/2026/bridge"));
    assert_eq!(found.image.as_deref(), Some("https://news.example/archive/pictures/1.jpg"));
    assert_eq!(found.published.unwrap().to_string(), "2026-11-04T00:00:00Z");
    assert_eq!(found.categories, ["Feature"]);
}

#[test]
fn a_page_where_nothing_matches_is_an_error_that_says_so() {
    let error = read("<div><h3>New layout</h3></div>", &select()).unwrap_err();
    assert!(error.to_string().contains("select.item = \"article\""), "{error}");
    let error = read("<article><h2>Renamed</h2></article>", &select()).unwrap_err();
    assert_eq!(error, ReadError::NoArticles { items: 1 });
    assert_eq!(read(" \n", &select()).unwrap_err(), ReadError::Empty);
}

#[test]
fn a_source_is_read_as_what_it_is_configured_to_be() {
    let body = |text: &str| Body {
        bytes: text.as_bytes().to_vec(),
        content_type: None,
        url: address(),
        validators: Validators::default(),
    };
    let source = |kind| Source {
        id: "news".to_owned(),
        kind,
        topics: TopicRules::default(),
        poll: std::time::Duration::from_secs(900),
        backlog: None,
    };
    let page = source(SourceKind::Page { url: address(), select: Box::new(select()) });
    assert_eq!(read_source(&page, &body(PAGE), Tz::UTC).unwrap().articles.len(), 2);
    let feed = source(SourceKind::Feed(address()));
    assert_eq!(read_source(&feed, &body(PAGE), Tz::UTC).unwrap_err(), ReadError::WebPage);
    let rss = body("<rss><channel><item><title>A</title><link>../1</link></item></channel></rss>");
    let document = read_source(&feed, &rss, Tz::UTC).unwrap();
    assert_eq!(document.articles[0].url.as_deref(), Some("https://news.example/1"));
}
