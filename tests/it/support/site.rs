//! A small news site over real HTTP: a feed and a listing page whose stories a test changes as it goes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::NaiveDate;

/// A story of the site.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its path on the site.
    pub path: String,
    /// What the feed knows it by.
    pub guid: String,
    /// Its headline, as HTML.
    pub title: String,
    /// Its day.
    pub date: NaiveDate,
    /// Its excerpt, as HTML.
    pub excerpt: String,
    /// Whether the feed gives an address for it; else its link is a script.
    pub has_page: bool,
}

/// A story of `date` (`2026-11-20`).
pub fn story(path: &str, title: &str, date: &str) -> Story {
    Story {
        path: path.to_owned(),
        guid: path.to_owned(),
        title: title.to_owned(),
        date: date.parse().unwrap(),
        excerpt: format!("What happened in {path}. And a little more [...]"),
        has_page: true,
    }
}

#[derive(Default)]
struct Shelves {
    feed: Vec<Story>,
    page: Vec<Story>,
    feed_broken: bool,
    feed_reads: usize,
}

/// The running site.
#[derive(Clone)]
pub struct Site {
    shelves: Arc<Mutex<Shelves>>,
    address: SocketAddr,
}

impl Site {
    /// Serves an empty site on a free port of this machine.
    pub async fn start() -> Self {
        let shelves = Arc::new(Mutex::new(Shelves::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/feed/", get(feed))
            .route("/knowledge-resources/", get(page))
            .with_state((Arc::clone(&shelves), address));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shelves, address }
    }

    /// The address of one of its pages.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{}", self.address, path.trim_start_matches('/'))
    }

    /// Puts a story on top of the feed.
    pub fn publish(&self, story: Story) {
        self.shelves.lock().unwrap().feed.insert(0, story);
    }

    /// Puts a story on top of the listing page.
    pub fn list(&self, story: Story) {
        self.shelves.lock().unwrap().page.insert(0, story);
    }

    /// Changes the headline of a story in the feed.
    pub fn edit(&self, path: &str, title: &str) {
        let mut shelves = self.shelves.lock().unwrap();
        shelves.feed.iter_mut().find(|story| story.path == path).unwrap().title = title.to_owned();
    }

    /// How often the feed has been asked for.
    pub fn feed_reads(&self) -> usize {
        self.shelves.lock().unwrap().feed_reads
    }

    /// Lets the feed answer 500, or not any more.
    pub fn break_feed(&self, broken: bool) {
        self.shelves.lock().unwrap().feed_broken = broken;
    }
}

type Shared = (Arc<Mutex<Shelves>>, SocketAddr);

async fn feed(State((shelves, address)): State<Shared>) -> Response {
    let mut shelves = shelves.lock().unwrap();
    shelves.feed_reads += 1;
    if shelves.feed_broken {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut xml = String::from(r#"<?xml version="1.0"?><rss version="2.0"><channel><title>Exampleton News</title>"#);
    write!(xml, "<link>http://{address}/</link>").unwrap();
    for story in &shelves.feed {
        let link = match story.has_page {
            true => format!("http://{address}/{}?utm_source=feed", story.path),
            false => "javascript:alert(1)".to_owned(),
        };
        write!(
            xml,
            "<item><title>{}</title><link>{link}</link><guid>{}</guid>\
             <pubDate>{}</pubDate><description><![CDATA[{}]]></description></item>",
            story.title,
            story.guid,
            story.date.format("%a, %d %b %Y 09:00:00 +0000"),
            story.excerpt,
        )
        .unwrap();
    }
    xml.push_str("</channel></rss>");
    ([(header::CONTENT_TYPE, "application/rss+xml")], xml).into_response()
}

async fn page(State((shelves, _)): State<Shared>) -> Response {
    let mut html = String::from("<!doctype html><title>Knowledge</title><main>");
    for story in &shelves.lock().unwrap().page {
        write!(
            html,
            "<article><h3>{}</h3><p class=date>{}</p><p class=excerpt>{}</p><a class=more href='/{}'>Read full story</a></article>",
            story.title,
            story.date.format("%d/%m/%Y"),
            story.excerpt,
            story.path,
        )
        .unwrap();
    }
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}
