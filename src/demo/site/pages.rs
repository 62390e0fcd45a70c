//! The site's pages and feed, made of its stories.

use chrono::DateTime;
use chrono_tz::{Europe::London, Tz};
use serde::Serialize;
use tera::Context;

use super::stories::{self, Announced, Kind, Picture, Story};
use crate::demo::pages::render;
use crate::domain::UtcMillis;

macro_rules! picture {
    ($file:literal) => {
        ($file, include_bytes!(concat!("../../../templates/demo/site/img/", $file)))
    };
}

/// The pictures of the stories, and the site's icon, by file name.
pub(super) const PICTURES: &[(&str, &[u8])] = &[
    picture!("front-door.png"),
    picture!("posts.png"),
    picture!("desk.png"),
    picture!("speech.png"),
    picture!("question.png"),
    picture!("street.png"),
    picture!("tuesdays.png"),
    picture!("plan.png"),
    picture!("icon.png"),
];

/// A page, ready to be served.
pub(super) struct Page {
    /// Its address.
    pub(super) path: String,
    pub(super) html: String,
    /// When its newest part came out.
    pub(super) modified: UtcMillis,
}

/// A story as the templates take it.
#[derive(Clone, Serialize)]
struct View {
    number: usize,
    path: String,
    headline: &'static str,
    label: &'static str,
    author: &'static str,
    excerpt: String,
    paragraphs: &'static [&'static str],
    /// `2026-11-23`
    day: String,
    /// `23 November 2026`
    date: String,
    /// `23/11/2026`
    uk_date: String,
    rfc2822: String,
    picture: Option<PictureView>,
    /// Whether the feed's link carries tracking parameters.
    tagged: bool,
    /// What the feed has once more escaped: in a feed's description, text is HTML.
    headline_html: String,
    excerpt_html: String,
    paragraphs_html: Vec<String>,
}

#[derive(Clone, Serialize)]
struct PictureView {
    src: String,
    alt: &'static str,
    width: u32,
    height: u32,
    wide: bool,
}

/// Every page of the site.
pub(super) fn all(now: UtcMillis) -> Vec<Page> {
    let stories = stories::all();
    let newest = stories.first().map_or(now, |story| now.minus(story.age()));
    let mut pages = vec![home(&stories, now, newest), listing(&stories, now, newest)];
    pages.extend(stories.iter().map(|story| article(story, &stories, now)));
    pages.extend(PLAIN.iter().map(|(path, title, paragraphs)| {
        let mut context = Context::new();
        context.insert("here", path);
        context.insert("title", title);
        context.insert("paragraphs", paragraphs);
        Page { path: (*path).to_owned(), html: render("site/page.html", &context), modified: newest }
    }));
    pages
}

/// The feed, its addresses beginning with `base`, and when its newest story came out.
pub(super) fn feed(base: &str, now: UtcMillis) -> (String, UtcMillis) {
    let stories: Vec<&Story> =
        stories::all().into_iter().filter(|story| story.announced != Announced::Listing).collect();
    let newest = stories.first().map_or(now, |story| now.minus(story.age()));
    let mut context = Context::new();
    context.insert("base", base);
    context.insert("built", &newest.to_utc().to_rfc2822());
    context.insert("stories", &views(stories, now));
    (render("site/feed.xml", &context), newest)
}

/// The page for an address that leads nowhere.
pub(super) fn missing() -> String {
    let mut context = Context::new();
    context.insert("here", "");
    context.insert("title", "This page has moved out");
    context.insert("paragraphs", &["There is nothing at this address."]);
    render("site/page.html", &context)
}

fn home(stories: &[&Story], now: UtcMillis, newest: UtcMillis) -> Page {
    let (news, others): (Vec<&Story>, Vec<&Story>) = stories.iter().partition(|story| story.kind == Kind::News);
    let news = views(news, now);
    let mut context = Context::new();
    context.insert("here", "/");
    context.insert("lead", &news.first());
    context.insert("news", &news.get(1..8).unwrap_or_default());
    context.insert("side", &views(others.into_iter().take(6).collect(), now));
    Page { path: "/".to_owned(), html: render("site/home.html", &context), modified: newest }
}

fn listing(stories: &[&Story], now: UtcMillis, newest: UtcMillis) -> Page {
    let listed = stories.iter().copied().filter(|story| story.announced != Announced::Feed).collect();
    let mut context = Context::new();
    context.insert("here", super::LISTING);
    context.insert("title", "Knowledge & resources");
    context.insert("stories", &views(listed, now));
    Page { path: super::LISTING.to_owned(), html: render("site/listing.html", &context), modified: newest }
}

fn article(story: &Story, stories: &[&Story], now: UtcMillis) -> Page {
    let next = stories.iter().copied().filter(|other| other.slug != story.slug).take(3).collect();
    let mut context = Context::new();
    context.insert("here", "");
    context.insert("story", &view(story, 0, now));
    context.insert("next", &views(next, now));
    Page { path: story.path(), html: render("site/article.html", &context), modified: now.minus(story.age()) }
}

fn views(stories: Vec<&Story>, now: UtcMillis) -> Vec<View> {
    let count = stories.len();
    stories.into_iter().enumerate().map(|(index, story)| view(story, count - index, now)).collect()
}

fn view(story: &Story, number: usize, now: UtcMillis) -> View {
    let published = now.minus(story.age());
    let local: DateTime<Tz> = published.to_utc().with_timezone(&London);
    View {
        number,
        path: story.path(),
        headline: story.headline,
        label: story.kind.label(),
        author: story.author,
        excerpt: story.excerpt(),
        paragraphs: story.paragraphs,
        day: local.format("%Y-%m-%d").to_string(),
        date: local.format("%-d %B %Y").to_string(),
        uk_date: local.format("%d/%m/%Y").to_string(),
        rfc2822: published.to_utc().to_rfc2822(),
        picture: story.picture.map(picture_view),
        tagged: story.announced == Announced::Both,
        headline_html: html(story.headline),
        excerpt_html: html(&story.excerpt()),
        paragraphs_html: story.paragraphs.iter().map(|text| html(text)).collect(),
    }
}

/// Text as HTML.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn picture_view(picture: Picture) -> PictureView {
    let bytes = PICTURES.iter().find(|(file, _)| *file == picture.file).map_or(&[][..], |(_, bytes)| bytes);
    let (width, height) = png_size(bytes).unwrap_or((240, 240));
    let src = format!("/assets/{}", picture.file);
    PictureView { src, alt: picture.alt, width, height, wide: width > height }
}

/// Width and height as a PNG's first chunk says them.
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}

/// Pages that are not stories: address, title, paragraphs.
const PLAIN: &[(&str, &str, &[&str])] = &[
    (
        "/subscribe/",
        "The week at your door, every Monday",
        &[
            "Doorstep Weekly comes by mail on Monday mornings at eight: the news, the features and the interviews of the \
             week, each with a few lines to see whether it is for you. Choose all of it or only some.",
            "This site belongs to a demo on your own machine, and its dozen readers have joined already. What they have \
             received is in the demo’s inbox.",
        ],
    ),
    (
        "/contact/",
        "Contact",
        &[
            "A question, a correction, a story? Write to desk@doorstep.example, or to Doorstep Weekly, 14 Tannery Row, \
             Ostley XQ4 7ZE.",
            "The desk is invented, and so is the street. Mail to it is caught on this machine.",
        ],
    ),
    (
        "/privacy/",
        "Privacy",
        &[
            "This site sets no cookies and loads nothing from anywhere else.",
            "The mails of the demo carry no tracking pixels, and their links lead straight to the stories.",
        ],
    ),
    (
        "/campaigns/one-named-worker/",
        "One Named Worker",
        &[
            "A family that is helped by six services should have to remember one name. 48 councils have promised every \
             family in early help a named worker with a telephone that is answered.",
            "Kelderby, Marrowdale and Ostley were the first to sign. The newest, last Thursday, is Thornhithe.",
        ],
    ),
    (
        "/elsewhere/linkedin/",
        "Doorstep Weekly on LinkedIn",
        &["In the demo this link stays on your machine. On a real site it would lead to the publication’s own page."],
    ),
    (
        "/elsewhere/mastodon/",
        "Doorstep Weekly on Mastodon",
        &["In the demo this link stays on your machine. On a real site it would lead to the publication’s own page."],
    ),
    (
        "/elsewhere/bluesky/",
        "Doorstep Weekly on Bluesky",
        &["In the demo this link stays on your machine. On a real site it would lead to the publication’s own page."],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_picture_of_a_story_is_there_and_they_are_small() {
        for story in stories::all() {
            if let Some(picture) = story.picture {
                assert!(PICTURES.iter().any(|(file, bytes)| *file == picture.file && png_size(bytes).is_some()));
            }
        }
        assert!(PICTURES.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < 150_000);
    }

    #[test]
    fn every_link_within_the_site_leads_to_a_page() {
        let now = UtcMillis(1_795_420_800_000);
        let pages = all(now);
        let mut known: Vec<String> = pages.iter().map(|page| page.path.clone()).collect();
        known.extend(PICTURES.iter().map(|(file, _)| format!("/assets/{file}")));
        known.extend(["/assets/style.css".to_owned(), "/feed/".to_owned()]);
        let attribute = regex::Regex::new("(?:href|src)=\"(?:\\.\\.)?([^\"#]*)").unwrap();
        for page in &pages {
            assert!(!page.html.contains("could not be made"), "{}", page.path);
            for link in attribute.captures_iter(&page.html) {
                let target = link[1].replace("&#x2F;", "/");
                if !target.is_empty() {
                    assert!(known.contains(&target), "{} leads to {target}", page.path);
                }
            }
        }
    }

    #[test]
    fn dates_on_the_listing_are_those_of_the_readers_country() {
        // Half past midnight on 1 July in London, still 30 June in UTC; the story came out 26 hours before.
        let now = DateTime::parse_from_rfc3339("2026-06-30T23:30:00Z").unwrap().into();
        let listing = all(now).into_iter().find(|page| page.path == super::super::LISTING).unwrap();
        assert!(listing.html.contains("<p class=\"date\">29/06/2026</p>"), "{}", listing.html);
        let (feed, modified) = feed("http://localhost", now);
        assert!(feed.contains("<pubDate>Tue, 30 Jun 2026 18:30:00 +0000</pubDate>"));
        assert_eq!(modified, now.minus(Duration::from_secs(5 * 3600)));
    }
}
