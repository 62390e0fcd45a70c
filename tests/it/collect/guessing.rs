//! What is guessed about web pages: the feeds that they name, and the selectors of a listing.

use chrono_tz::Tz;
use postround::collect::{Guess, guess, read_page};
use postround::config::Select;
use rstest::rstest;
use url::Url;

use super::fixture;

fn address() -> Url {
    Url::parse("https://hubs.example/knowledge-resources/").unwrap()
}

#[track_caller]
fn listing(page: &[u8]) -> Box<Select> {
    match guess(page, None, &address()) {
        Guess::Page { listing: Some(listing), .. } => listing,
        other => panic!("no listing but {other:?}"),
    }
}

#[test]
fn the_selectors_of_a_listing_are_found_and_its_menus_are_not() {
    let page = fixture("listing.html");
    let select = listing(&page);
    let document = read_page(&page, None, &address(), &select, Tz::UTC).unwrap();
    assert_eq!(document.articles.len(), 4, "{select:?}");
    assert_eq!(select.date_format.as_deref(), Some("%d/%m/%Y"));
    let first = &document.articles[0];
    assert!(first.title.as_deref().unwrap().starts_with("What a parents’ panel"));
    assert_eq!(first.url.as_deref(), Some("https://hubs.example/knowledge-resources/parents-panel/"));
    assert!(document.articles.iter().all(|found| found.published.is_some() && found.excerpt.is_some()));
    assert_eq!(document.articles[1].categories, ["Interview"]);
}

const MENU: &str = "<nav><ul><li><a href=/a>All about section one</a><li><a href=/b>All about section two</a>\
    <li><a href=/c>All about section three</a></ul></nav>";

#[rstest]
#[case::a_list(&|n: u32| format!("<li><a href='/1{n}'>Story number {n} about families</a> <span class=when>Nov {n}, 2026</span></li>"))]
#[case::cards_that_are_links(&|n: u32| format!("<a class=tile href='/1{n}'><h2>Tile number {n} with words</h2><time datetime='2026-11-0{n}'>{n} Nov</time></a>"))]
#[case::rows_of_a_table(&|n: u32| format!("<tr><td>{n}.11.2026</td><td><a href='/1{n}'>Document {n} for the council</a></td></tr>"))]
#[case::blocks_with_made_up_classes(&|n: u32| format!("<div class='css-1x{n}k row'><div class=teaser><h4><a href='/1{n}'>Report {n} on families</a></h4><div>{n} November 2026</div><p>What the report of the month says about families in two lines.</p></div></div>"))]
fn other_layouts_are_found_too(#[case] item: &dyn Fn(u32) -> String) {
    let items: String = (1..9).map(item).collect();
    let wrapped = if items.starts_with("<tr") {
        format!("<table>{items}</table>")
    } else {
        format!("<ul class=all>{items}</ul>")
    };
    let page = format!("<html lang=en>{MENU}{wrapped}");
    let select = listing(page.as_bytes());
    let document = read_page(page.as_bytes(), None, &address(), &select, Tz::UTC).unwrap();
    assert_eq!(document.articles.len(), 8, "{select:?}");
    for (n, found) in (1..).zip(&document.articles) {
        assert_eq!(found.url.as_deref(), Some(format!("https://hubs.example/1{n}").as_str()), "{select:?}");
        assert!(found.published.is_some_and(|at| at.to_string().starts_with(&format!("2026-11-0{n}"))), "{select:?}");
    }
}

#[rstest]
#[case("04/11/2026", "25/11/2026", "en", "%d/%m/%Y")]
#[case("04/11/2026", "11/25/2026", "en", "%m/%d/%Y")]
#[case("04/11/2026", "05/11/2026", "en-US", "%m/%d/%Y")]
#[case("04/11/2026", "05/11/2026", "en-GB", "%d/%m/%Y")]
fn whether_the_day_or_the_month_comes_first_is_seen(
    #[case] one: &str,
    #[case] other: &str,
    #[case] language: &str,
    #[case] format: &str,
) {
    let item = |n: usize, date: &str| {
        format!("<article><h3><a href='/{n}'>Article number {n}</a></h3><p class=date>{date}</p></article>")
    };
    let items: String = (0..6).map(|n| item(n, if n < 3 { one } else { other })).collect();
    let select = listing(format!("<html lang={language}><main>{items}").as_bytes());
    let enough = select.date_format.as_deref();
    // Three of six dates that a format cannot read are too many for the other format.
    assert_eq!(enough, Some(format));
}

#[test]
fn a_page_names_its_feeds_and_those_of_comments_come_last() {
    let page = "<link rel=alternate type='application/rss+xml' title='Comments Feed' href=/comments/feed/>
        <link rel=alternate type=application/json href=/wp-json/wp/v2/pages/1>
        <link rel='alternate' type='application/atom+xml' href=/atom.xml><a href='/feed/'>RSS</a>";
    let Guess::Page { feeds, listing } = guess(page.as_bytes(), None, &address()) else { panic!("not a page") };
    let feeds: Vec<&str> = feeds.iter().map(Url::path).collect();
    assert_eq!(feeds, ["/atom.xml", "/feed/", "/comments/feed/"]);
    assert!(listing.is_none());
}

#[test]
fn a_feed_is_a_feed_and_a_page_of_words_is_nothing() {
    assert!(matches!(guess(&fixture("atom.xml"), None, &address()), Guess::Feed));
    let page = format!("{MENU}<p>Words and a <a href=/x>link to another page</a>.</p>");
    let guessed = guess(page.as_bytes(), None, &address());
    assert!(matches!(&guessed, Guess::Page { feeds, listing: None } if feeds.is_empty()), "{guessed:?}");
}
