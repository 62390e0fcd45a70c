//! The inbox and the news site, as a browser sees them.

use chrono::{DateTime, NaiveDate, Utc};
use postround::demo::catcher::Options;
use postround::demo::{inbox, site};
use postround::domain::{Clock, SystemClock, UtcMillis};
use tokio::net::TcpListener;

use super::{Catcher, catcher, deliver};

/// Serves `router` on a free port and gives the address of its home page.
async fn http(router: axum::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn get(url: &str) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    client.get(url).send().await.unwrap()
}

async fn text(url: &str) -> String {
    let response = get(url).await;
    assert_eq!(response.status(), 200, "{url}");
    response.text().await.unwrap()
}

async fn inbox_of(catcher: &Catcher) -> String {
    let links =
        inbox::Links { news_site: "http://127.0.0.1:4001/".parse().unwrap(), smtp_port: catcher.address.port() };
    http(inbox::router(catcher.mailbox.clone(), links)).await
}

#[tokio::test]
async fn an_empty_inbox_says_what_will_come_and_from_where() {
    let catcher = catcher(Options::default()).await;
    let inbox = inbox_of(&catcher).await;
    let page = text(&inbox).await;
    assert!(page.contains("No mail yet"));
    assert!(page.contains(&format!("port {}", catcher.address.port())));
    for nowhere in ["/mail/1", "/mail/0/text", "/mail/x", "/mail/-1/raw", "/mail/99999999999999999999/body", "/nowhere"]
    {
        assert_eq!(get(&format!("{inbox}{nowhere}")).await.status(), 404, "{nowhere}");
    }
}

#[tokio::test]
async fn a_hostile_mail_stays_text_on_the_pages_and_caged_in_its_frame() {
    let catcher = catcher(Options::default()).await;
    let evil = "</title><script>alert(1)</script>\"><img src=x onerror=alert(2)>";
    let html = "<!doctype html><head><meta http-equiv=refresh content='0;url=http://evil.example'></head><script>alert(3)</script><p>hi";
    let raw = format!(
        "From: {evil} <a@b.example>\r\nTo: \"{evil}\" <c@d.example>\r\nSubject: {evil}\r\nX-Evil: {evil}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n</pre>{evil}\r\n\
         --b\r\nContent-Type: text/html\r\n\r\n{html}\r\n--b--"
    );
    deliver(&catcher, &raw).await;
    let inbox = inbox_of(&catcher).await;
    for path in ["/", "/mail/1", "/mail/1/phone", "/mail/1/text", "/mail/1/headers"] {
        let response = get(&format!("{inbox}{path}")).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        let page = response.text().await.unwrap();
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("</pre><"), "{path}: {page}");
        assert!(!page.contains(" style=") && !page.contains("<style"), "{path}");
    }
    let frame = get(&format!("{inbox}/mail/1/body")).await;
    let policy = frame.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("img-src http://127.0.0.1:4001 data:"),
        "{policy}"
    );
    assert!(policy.contains("sandbox") && !policy.contains("allow-scripts"), "{policy}");
    assert!(!policy.contains("allow-same-origin") && !policy.contains("allow-forms"), "{policy}");
    assert!(frame.text().await.unwrap().contains("<p>hi"));
    let page = text(&format!("{inbox}/mail/1")).await;
    assert!(page.contains("<iframe sandbox=\"allow-popups allow-popups-to-escape-sandbox\" src=\"/mail/1/body\""));
}

#[tokio::test]
async fn the_whole_mail_can_be_had_octet_for_octet() {
    let catcher = catcher(Options::default()).await;
    let raw = "Subject: =?utf-8?Q?Caf=C3=A9_&_more?=\r\nTo: someone@else.example\r\n\r\nPlain \u{1f4ee}\r\n";
    deliver(&catcher, raw.trim_end()).await;
    let inbox = inbox_of(&catcher).await;
    let response = get(&format!("{inbox}/mail/1/raw")).await;
    assert_eq!(response.headers()["content-type"], "message/rfc822");
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"mail-1.eml\"");
    assert_eq!(response.bytes().await.unwrap(), raw.as_bytes());
    let page = text(&format!("{inbox}/mail/1")).await;
    assert!(page.contains("Café &amp; more") && page.contains("This mail has no HTML part"), "{page}");
    assert!(page.contains("Delivered to") && page.contains("to@y.example"), "{page}");
    assert!(text(&format!("{inbox}/mail/1/text")).await.contains("Plain \u{1f4ee}"));
}

fn days_before(now: UtcMillis, day: NaiveDate) -> i64 {
    (now.to_utc().date_naive() - day).num_days()
}

#[tokio::test]
async fn the_feed_has_a_fresh_week_and_tells_who_has_read_it_already() {
    let now = SystemClock.now();
    let site = http(site::site(now).router()).await;
    let response = get(&format!("{site}{}", site::FEED)).await;
    let (etag, modified) = (response.headers()["etag"].clone(), response.headers()["last-modified"].clone());
    let feed = feed_rs::parser::parse(&response.bytes().await.unwrap()[..]).unwrap();
    let week: DateTime<Utc> = now.to_utc() - chrono::Duration::days(7);
    let fresh = feed.entries.iter().filter(|entry| entry.published.unwrap() > week).count();
    assert!(fresh >= 9 && fresh < feed.entries.len(), "{fresh} of {}", feed.entries.len());
    for entry in &feed.entries {
        assert!(entry.published.unwrap() < now.to_utc());
        assert!(["news", "feature"].contains(&entry.categories[0].term.as_str()));
        let description = &entry.summary.as_ref().unwrap().content;
        assert!(description.contains("[...]</p>") && description.contains("appeared first on"), "{description}");
        assert_eq!(get(&entry.links[0].href).await.status(), 200);
    }
    assert!(feed.entries[0].media.iter().any(|media| !media.content.is_empty()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (name, value) in [("if-none-match", &etag), ("if-modified-since", &modified)] {
        let again = client.get(format!("{site}/feed/")).header(name, value).send().await.unwrap();
        assert_eq!(again.status(), 304, "{name}");
        assert_eq!(again.headers()["etag"], etag);
    }
    assert_eq!(get(&format!("{site}/feed")).await.headers()["location"], "/feed/");
}

#[tokio::test]
async fn the_listing_has_what_the_first_users_listing_has() {
    let now = SystemClock.now();
    let site = http(site::site(now).router()).await;
    let url: url::Url = format!("{site}{}", site::LISTING).parse().unwrap();
    let page = text(url.as_str()).await;
    let feed = text(&format!("{site}{}", site::FEED)).await;
    let items = read_listing(&page);
    assert!(items.iter().filter(|item| days_before(now, item.date) < 7).count() >= 5);
    assert!(items.iter().filter(|item| days_before(now, item.date) > 7).count() >= 4, "an archive");
    let mut shared = 0;
    for item in &items {
        assert!(!item.title.is_empty() && item.excerpt.ends_with(" [...]") && item.more.starts_with("Read full story"));
        assert!(item.link.starts_with("../"), "{}", item.link);
        assert!(["Feature", "Interview"].contains(&item.label.as_str()));
        let link = url.join(&item.link).unwrap();
        assert!(text(link.as_str()).await.contains("<h1>"));
        shared += usize::from(feed.contains(&format!("<link>{link}?utm_source=feed")));
    }
    assert_eq!(shared, 1, "one story is in both, with tracking parameters in the feed");
}

struct Item {
    title: String,
    date: NaiveDate,
    excerpt: String,
    label: String,
    link: String,
    more: String,
}

fn read_listing(page: &str) -> Vec<Item> {
    let page = scraper::Html::parse_document(page);
    let all = |css: &str| scraper::Selector::parse(css).unwrap();
    let one = |item: &scraper::ElementRef<'_>, css: &str| {
        item.select(&all(css)).next().unwrap().text().collect::<String>().trim().to_owned()
    };
    page.select(&all("article"))
        .map(|item| Item {
            title: one(&item, "h3"),
            date: NaiveDate::parse_from_str(&one(&item, ".date"), "%d/%m/%Y").unwrap(),
            excerpt: one(&item, ".excerpt"),
            label: one(&item, ".label"),
            link: item.select(&all("a.more")).next().unwrap().value().attr("href").unwrap().to_owned(),
            more: one(&item, "a.more"),
        })
        .collect()
}
