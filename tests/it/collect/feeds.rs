//! What is read from feeds of every dialect, sound and damaged.

use postround::collect::{Kind, ReadError, read_feed};
use proptest::prelude::*;
use rstest::rstest;

use super::{entry, feed, fixture, item};

#[test]
fn an_rss_feed_gives_its_articles() {
    let document = read_feed(&fixture("rss.xml"), None, None).unwrap();
    assert_eq!((document.kind, document.repaired), (Kind::Rss, false));
    assert_eq!(document.title.as_deref(), Some("Family Hubs Example"));
    insta::assert_json_snapshot!(document.articles, @r#"
    [
      {
        "id": "https://hubs.example/?p=812",
        "title": "A bold claim & its “proof” — café",
        "url": "https://hubs.example/bold-claim/?utm_source=rss&id=7",
        "published": "2026-11-04T08:30:00Z",
        "excerpt": "Families were asked twice. The answers differ. […] The post A bold claim appeared first on Family Hubs Example.",
        "author": "Ada Example",
        "image": "https://hubs.example/pictures/claim.png",
        "categories": [
          "News",
          "Research & data"
        ]
      },
      {
        "id": "https://hubs.example/second/",
        "title": "Second article",
        "url": "https://hubs.example/second/",
        "published": "2026-11-03T15:00:00Z",
        "excerpt": "Plain text with 1 < 2.",
        "author": "editor@hubs.example (Jo Bloggs)",
        "image": "https://hubs.example/pictures/second.jpg",
        "categories": []
      },
      {
        "id": null,
        "title": "Third article",
        "url": "https://hubs.example/third/",
        "published": "2026-11-02T07:00:00Z",
        "excerpt": null,
        "author": null,
        "image": null,
        "categories": []
      }
    ]
    "#);
}

#[test]
fn an_atom_feed_gives_its_articles_with_their_text_types_honoured() {
    let document = read_feed(&fixture("atom.xml"), None, None).unwrap();
    assert_eq!((document.kind, document.repaired), (Kind::Atom, false));
    assert_eq!(document.title.as_deref(), Some("Notes & queries"));
    insta::assert_json_snapshot!(document.articles, @r#"
    [
      {
        "id": "tag:hubs.example,2026:1",
        "title": "Less <jargon>, more words",
        "url": "https://hubs.example/atom/notes/1",
        "published": "2026-11-03T08:00:00Z",
        "excerpt": "Say it plainly. 2 < 3.",
        "author": "Ada Example (ada@hubs.example)",
        "image": "https://hubs.example/atom/notes/1.png",
        "categories": [
          "Plain language"
        ]
      },
      {
        "id": "https://hubs.example/notes/2",
        "title": "A <title> element, explained",
        "url": "https://hubs.example/notes/2",
        "published": "2026-11-01T00:00:00Z",
        "excerpt": "The only text.",
        "author": null,
        "image": "https://hubs.example/notes/2/a.png",
        "categories": []
      }
    ]
    "#);
}

#[test]
fn rdf_and_json_feeds_are_read_too() {
    let document = read_feed(&fixture("rdf.xml"), None, None).unwrap();
    assert_eq!((document.kind, document.articles.len()), (Kind::Rss, 2));
    let first = &document.articles[0];
    assert_eq!(first.id.as_deref(), Some("https://hubs.example/b/1"));
    assert_eq!(first.published.unwrap().to_string(), "2026-10-30T11:00:00Z");
    assert_eq!(first.categories, ["Families"]);

    let document = read_feed(&fixture("feed.json"), Some("application/feed+json"), None).unwrap();
    assert_eq!((document.kind, document.repaired), (Kind::Json, false));
    insta::assert_json_snapshot!(document.articles, @r#"
    [
      {
        "id": "17",
        "title": "Seventeen – a number",
        "url": "https://hubs.example/j/17",
        "published": "2026-11-04T08:00:00Z",
        "excerpt": "Some HTML.",
        "author": "Ada Example, Jo Bloggs",
        "image": "https://hubs.example/j.png",
        "categories": [
          "news"
        ]
      },
      {
        "id": "b",
        "title": null,
        "url": "https://elsewhere.example/b",
        "published": "2026-11-03T08:00:00Z",
        "excerpt": "Short.",
        "author": "The team",
        "image": "https://hubs.example/b.jpg",
        "categories": []
      }
    ]
    "#);
}

#[rstest]
#[case::its_authors_face(r#"<media:content url="https://0.gravatar.com/avatar/7?s=96&amp;r=G" medium="image"/>"#)]
#[case::a_tracking_pixel(r#"<media:content url="https://hubs.example/p.gif" medium="image" width="1" height="1"/>"#)]
#[case::an_icon(r#"<media:thumbnail url="https://hubs.example/icon.png" width="24" height="24"/>"#)]
#[case::a_drawing_that_no_mail_program_shows(r#"<media:thumbnail url="https://hubs.example/chart.SVG?w=600"/>"#)]
#[case::a_drawing_by_its_type(r#"<media:content url="https://hubs.example/chart" type="image/svg+xml"/>"#)]
#[case::a_drawing_in_its_text(r#"<description>&lt;img src="https://hubs.example/chart.svgz"&gt; Text</description>"#)]
#[case::an_enclosed_drawing(r#"<enclosure url="https://hubs.example/chart" type="image/svg+xml" length="9"/>"#)]
fn the_picture_of_a_story_is_not(#[case] other: &str) {
    let real = r#"<media:content url="https://hubs.example/real.jpg" medium="image" width="1200" height="800"/>"#;
    for (media, expected) in
        [(format!("{other}{real}"), Some("https://hubs.example/real.jpg")), (other.to_owned(), None)]
    {
        let text = format!(
            "<rss version='2.0' xmlns:media='http://search.yahoo.com/mrss/'><channel><title>Hubs</title>
             <item><title>One</title><link>https://hubs.example/1</link>{media}</item></channel></rss>"
        );
        let document = read_feed(text.as_bytes(), None, None).unwrap();
        assert_eq!(document.articles[0].image.as_deref(), expected, "{media}");
    }
}

#[test]
fn a_drawing_that_no_mail_program_shows_is_passed_over_in_a_json_feed_too() {
    let picture = |named: &str| {
        let text = format!(
            r#"{{"version": "https://jsonfeed.org/version/1.1", "title": "Hubs", "items": [{{"id": "1", "url": "https://hubs.example/1",
            "title": "One", {named} "attachments": [{{"url": "https://hubs.example/a", "mime_type": "image/svg+xml"}},
            {{"url": "https://hubs.example/b.png", "mime_type": "image/png"}}]}}]}}"#
        );
        read_feed(text.as_bytes(), None, None).unwrap().articles[0].image.clone().unwrap()
    };
    let (drawing, banner) =
        (r#""image": "https://hubs.example/i.svg","#, r#""banner_image": "https://hubs.example/c.jpg","#);
    assert_eq!(picture(drawing), "https://hubs.example/b.png");
    assert_eq!(picture(&format!("{drawing}{banner}")), "https://hubs.example/c.jpg");
}

#[test]
fn what_is_no_feed_is_refused_with_a_reason() {
    assert_eq!(read_feed(b" \n", None, None), Err(ReadError::Empty));
    assert_eq!(read_feed(b"<!doctype html><html><p>Hello</p></html>", None, None), Err(ReadError::WebPage));
    assert_eq!(read_feed(b"just text", None, None), Err(ReadError::NotAFeed));
    assert_eq!(read_feed(b"<svg/>", None, None), Err(ReadError::NotAFeed));
    assert_eq!(read_feed(b"{\"items\": 3}", None, None), Err(ReadError::NotAFeed));
    assert!(matches!(read_feed(b"{\"version\": ", None, None), Err(ReadError::Json(_))));
}

#[test]
fn a_feed_without_articles_is_a_feed() {
    assert_eq!(feed("<rss><channel><title>t</title></channel></rss>").articles, []);
    assert_eq!(feed("<feed xmlns='http://www.w3.org/2005/Atom'/>").articles, []);
}

#[test]
fn an_rss_title_is_html_that_is_decoded_once() {
    assert_eq!(item("<title>A &lt;b&gt;bold&lt;/b&gt; claim</title>").title.as_deref(), Some("A bold claim"));
    assert_eq!(item("<title>Q&amp;amp;A, AT&T and &lt;i&gt;x</title>").title.as_deref(), Some("Q&A, AT&T and x"));
    assert_eq!(item("<title><![CDATA[Tom &amp; Jerry]]></title>").title.as_deref(), Some("Tom & Jerry"));
    assert_eq!(item("<title>C# and List&lt;String&gt;</title>").title.as_deref(), Some("C# and List<String>"));
    assert_eq!(item("<title>Naked <b>markup</b></title>").title.as_deref(), Some("Naked markup"));
}

#[test]
fn a_guid_is_the_link_only_when_it_may_be_and_nothing_else_is() {
    assert_eq!(item("<guid>https://a.example/1</guid>").url.as_deref(), Some("https://a.example/1"));
    assert_eq!(item("<guid isPermaLink='false'>https://a.example/1</guid>").url, None);
    assert_eq!(
        item("<link>https://a.example/2</link><guid>https://a.example/1</guid>").url.as_deref(),
        Some("https://a.example/2")
    );
    assert_eq!(item("<guid>4711</guid>").url, None);
    assert_eq!(item("<link>javascript:alert(1)</link><guid>tag:x</guid>").url, None);
}

#[test]
fn a_summary_comes_before_the_content() {
    let of = |inside: &str| item(inside).excerpt.unwrap_or_default();
    assert_eq!(of("<content:encoded>c</content:encoded><description>d</description>"), "d");
    assert_eq!(of("<description></description><content:encoded>c</content:encoded>"), "c");
    assert_eq!(of("<description>one</description><description>two</description>"), "one");
    assert_eq!(of("<media:group><media:description>m</media:description></media:group>"), "m");
    assert_eq!(of("<body xmlns='http://www.w3.org/1999/xhtml'><p>b</p></body>"), "b");
}

#[test]
fn a_publication_date_comes_before_a_change() {
    let at = |inside: &str| entry(inside).published.map(|at| at.to_string()).unwrap_or_default();
    assert_eq!(
        at("<updated>2026-02-02T00:00:00Z</updated><published>2026-01-01T00:00:00Z</published>"),
        "2026-01-01T00:00:00Z"
    );
    assert_eq!(at("<modified>2026-02-02T00:00:00Z</modified>"), "2026-02-02T00:00:00Z");
    assert_eq!(at("<published>soon</published><updated>2026-02-02</updated>"), "2026-02-02T00:00:00Z");
    assert_eq!(at("<title>x</title>"), "");
}

/// Each of these is a way in which real feeds are broken; the articles of the sound feed still come out.
#[rstest]
#[case::cut_off(|text: &str| text[..text.find("Third article").unwrap()].into())]
#[case::latin_1_declared_as_utf_8(|text: &str| text.chars().map(|c| u8::try_from(c).unwrap_or(match c { '“' => 0x93, '”' => 0x94, '—' => 0x97, _ => b'?' })).collect())]
#[case::utf_8_declared_as_latin_1(|text: &str| text.replace("UTF-8", "iso-8859-1").into())]
#[case::nothing_declared(|text: &str| text.replace(" encoding=\"UTF-8\"", "").into())]
#[case::utf_16(|text: &str| format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect())]
#[case::utf_16_without_mark(|text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect())]
#[case::byte_order_mark(|text: &str| format!("\u{feff}{text}").into())]
#[case::undeclared_prefixes(|text: &str| text.replace("xmlns:", "data-").into())]
#[case::bare_ampersands(|text: &str| text.replace("rss&amp;id", "rss&id").replace("Research &amp; data", "Research & data").into())]
#[case::html_entities(|text: &str| text.replace('é', "&eacute;").replace('—', "&mdash;").replace('“', "&ldquo;").into())]
#[case::control_characters(|text: &str| text.replace("claim", "cl\u{1}ai\u{b}m").into())]
#[case::junk_before(|text: &str| format!("\n\n<br />\n<b>Warning</b>: x in /srv/y.php\n{text}").into())]
#[case::junk_behind(|text: &str| format!("{text}<script>track()</script><!-- cached").into())]
#[case::upper_case(|text: &str| text.replace("item>", "ITEM>").replace("title>", "Title>").replace("guid", "GUID").into())]
#[case::unclosed_elements(|text: &str| text.replace("</category>", "").replace("</dc:creator>", "").into())]
#[case::unclosed_dates(|text: &str| text.replace("</pubDate>", "").into())]
#[case::unclosed_descriptions(|text: &str| text.replace("</description>", "").into())]
#[case::unclosed_items(|text: &str| text.replace("</item>", "").into())]
#[case::misspelt_end_tags(|text: &str| text.replace("</title>", "</titel>").replace("</guid>", "</gid>").into())]
#[case::attributes_twice_and_unquoted(|text: &str| text.replace("isPermaLink=\"false\"", "isPermaLink=false isPermaLink=\"true\"").into())]
#[case::an_open_quote(|text: &str| text.replace("medium=\"image\"", "medium=\"image").into())]
#[case::a_lone_bracket(|text: &str| text.replace("1 &lt; 2", "1 < 2").into())]
#[case::encoded_twice(|text: &str| text.replace('”', "â€\u{9d}").replace('é', "Ã©").replace('—', "â€”").replace('“', "â€œ").into())]
#[case::two_doctypes(|text: &str| text.replace("<rss", "<!DOCTYPE rss [<!ENTITY x \"y\">]><!DOCTYPE rss><rss").into())]
#[case::a_comment_with_dashes(|text: &str| text.replace("<item>", "<!-- a -- b --><item>").into())]
fn a_damaged_feed_says_the_same(#[case] damage: fn(&str) -> Vec<u8>) {
    let sound = read_feed(&fixture("rss.xml"), None, None).unwrap();
    let text = String::from_utf8(fixture("rss.xml")).unwrap();
    let document = read_feed(&damage(&text), None, None).unwrap();
    assert!(document.articles.len() >= 2);
    let key = |at: usize, articles: &[postround::collect::Found]| {
        let found = &articles[at];
        (found.id.clone(), found.title.clone(), found.url.clone(), found.published, found.author.clone())
    };
    for at in 0..2 {
        assert_eq!(key(at, &document.articles), key(at, &sound.articles));
    }
    assert_eq!(document.articles[1].excerpt, sound.articles[1].excerpt);
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let files = prop::sample::select(vec!["rss.xml", "atom.xml", "rdf.xml", "feed.json"]);
    let cuts = prop::collection::vec(
        (
            any::<prop::sample::Index>(),
            prop::collection::vec(prop::sample::select(&b"<>&;\"'/!-[]?=\x00\xff ab"[..]), 0..4),
        ),
        0..8,
    );
    (files, cuts).prop_map(|(file, cuts)| {
        let mut bytes = fixture(file);
        for (at, put) in cuts {
            let at = at.index(bytes.len());
            let end = (at + put.len()).min(bytes.len());
            bytes.splice(at..end, put);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_feed(&bytes, None, None);
    }

    #[test]
    fn a_mutated_feed_gives_clean_lines_or_a_reason(bytes in mutated()) {
        if let Ok(document) = read_feed(&bytes, None, None) {
            for found in &document.articles {
                for text in [&found.id, &found.title, &found.url, &found.excerpt, &found.author, &found.image].into_iter().flatten() {
                    prop_assert!(!text.is_empty() && text.trim() == text && !text.chars().any(char::is_control), "{text:?}");
                }
                for url in [&found.url, &found.image].into_iter().flatten() {
                    prop_assert!(url.starts_with("http"), "{url}");
                }
            }
        }
    }
}
