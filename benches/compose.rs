//! An issue in as many variants as ten topics and two languages make, 40 articles in the longest of them: how long composing and
//! layout take, how much memory they need, and how long somebody who leaves would wait for the store meanwhile.
//!
//! `POSTROUND_BENCH_POSTGRES=postgres://…` runs it on an empty PostgreSQL database too; `POSTROUND_BENCH_TOPICS` says how many
//! topics there are.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that meets the unexpected shall fail at once")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postround::app::App;
use postround::compose::Occasion;
use postround::config::Config;
use postround::store::{Durability, Store};
use postround::subscribers::{Import, ImportBasis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LANGUAGES: [&str; 2] = ["en-GB", "de"];
const ARTICLES: usize = 40;

#[tokio::main]
async fn main() {
    let topics = std::env::var("POSTROUND_BENCH_TOPICS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    Box::pin(measure("SQLite", "sqlite:bench.db", topics)).await;
    if let Ok(url) = std::env::var("POSTROUND_BENCH_POSTGRES") {
        Box::pin(measure("PostgreSQL", &url, topics)).await;
    }
}

async fn measure(database: &str, store: &str, topics: usize) {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), store, topics).await;
    import(&app, folder.path(), topics).await;
    let digest = app.config.digest("weekly").unwrap().clone();
    let before = memory();
    let waiting = tokio::spawn(waits(app.store.clone()));
    let started = Instant::now();
    let issue = app.composer().compose(&digest, Occasion::Extra).await.unwrap().issue;
    let composed = started.elapsed();
    assert!(app.composer().tend().await.unwrap().is_empty());
    let laid_out = started.elapsed() - composed;
    waiting.abort();
    let _ = waiting.await;
    let longest = LONGEST.load(Ordering::Relaxed);
    let mails = app.store.read().await.unwrap().issue_mails(issue).await.unwrap().len();
    println!(
        "{database}: {mails} mails: composed in {composed:.1?}, laid out in {laid_out:.1?}, {} KB more memory at most, \
         a writer waits {longest} ms at most",
        memory() - before
    );
}

/// The longest that a writer has waited, in milliseconds.
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// Wants to write, again and again, as people do who leave.
async fn waits(store: Store) {
    loop {
        let asked = Instant::now();
        drop(store.write(Durability::Full).await.unwrap());
        let waited = u64::try_from(asked.elapsed().as_millis()).unwrap();
        LONGEST.fetch_max(waited, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The most that the process has had in memory, in KB, as Linux says; 0 elsewhere.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Somebody for each choice of topics in each language.
async fn import(app: &App, folder: &Path, topics: usize) {
    let mut rows = "email,topics,locale\n".to_owned();
    for choice in 1_usize..1 << topics {
        let chosen: Vec<String> =
            (0..topics).filter(|topic| (choice >> topic) & 1 == 1).map(|t| format!("t{t}")).collect();
        for language in LANGUAGES {
            rows.push_str(&format!("reader{choice}@{language}.example,{},{language}\n", chosen.join(";")));
        }
    }
    let path = folder.join("people.csv");
    std::fs::write(&path, rows).unwrap();
    let import = Import::new(&path, ImportBasis::Confirmed("a bench"));
    app.subscribers().import(&import, &app.notices(), |_, _| {}).await.unwrap();
}

/// A program with one digest, which reads from a feed of its own.
async fn app(folder: &Path, store: &str, topics: usize) -> App {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let feed = format!("http://{}/feed", listener.local_addr().unwrap());
    let excerpt = "What the story is about, in as many words as excerpts have: somebody did something, and others were against it.";
    let item = |number: usize| {
        format!(
            "<item><title>Story {number} of many</title><link>https://example.org/stories/{number}</link><guid>{number}</guid>\
             <category>t{}</category><description>{excerpt}</description></item>",
            number % topics
        )
    };
    let items: String = (0..ARTICLES).map(item).collect();
    let body = format!("<rss version=\"2.0\"><channel><title>News</title>{items}</channel></rss>");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/rss+xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let rules: Vec<String> =
        (0..topics).map(|topic| format!("{{ category = \"t{topic}\", topic = \"t{topic}\" }}")).collect();
    let text = format!(
        "[store]\nurl = \"{store}\"\n[sender]\nemail = \"d@example.org\"\n[smtp]\nurl = \"file:outbox\"\n[collect]\n\
         allow_private_networks = true\nbacklog = \"all\"\n[[source]]\nid = \"news\"\nfeed = \"{feed}\"\ntopics = [{}]\n\
         [[digest]]\nid = \"weekly\"\nsources = [\"news\"]\nschedule = \"0 8 * * MON\"\nmax_articles = {ARTICLES}\n",
        rules.join(", ")
    );
    let config = Config::parse(&text, &folder.join("config.toml"), std::iter::empty()).unwrap();
    App::open(Arc::new(config)).await.unwrap()
}
