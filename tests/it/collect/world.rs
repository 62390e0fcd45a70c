//! Sources as the world has them: listing pages, and servers that mean harm.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use postround::collect::{self, FetchError, Fetched, Fetcher, Limits, Validators, read_feed};
use url::Url;

async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url.parse().unwrap()
}

fn fetcher() -> Fetcher {
    Fetcher::new(Limits { timeout: Duration::from_secs(2), ..Limits::default() }, true).unwrap()
}

async fn refused(fetcher: &Fetcher, url: &Url) -> FetchError {
    fetcher.get(url, &Validators::default()).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn an_endless_body_and_a_huge_one_are_refused() {
    let endless = || async {
        let chunks = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>("<rss>"), ()))
        });
        Body::from_stream(chunks)
    };
    let huge = || async { "x".repeat(50 * 1024 * 1024) };
    let url = serve(Router::new().route("/endless", get(endless)).route("/huge", get(huge))).await;
    assert!(matches!(refused(&fetcher(), &url.join("endless").unwrap()).await, FetchError::Timeout { .. }));
    assert!(matches!(refused(&fetcher(), &url.join("huge").unwrap()).await, FetchError::TooLarge { .. }));
}

#[tokio::test]
async fn a_circle_of_redirects_is_told_from_a_long_way() {
    let router = Router::new()
        .route("/a", get(|| async { Redirect::temporary("/b") }))
        .route("/b", get(|| async { Redirect::temporary("/a") }))
        .route(
            "/far/{n}",
            get(|axum::extract::Path(n): axum::extract::Path<u32>| async move {
                Redirect::temporary(&format!("/far/{}", n + 1))
            }),
        )
        .route("/once", get(|| async { Redirect::permanent("/feed") }))
        .route("/feed", get(|| async { "<rss><channel/></rss>" }));
    let url = serve(router).await;
    assert!(matches!(refused(&fetcher(), &url.join("a").unwrap()).await, FetchError::RedirectLoop { .. }));
    assert!(matches!(refused(&fetcher(), &url.join("far/0").unwrap()).await, FetchError::TooManyRedirects { .. }));
    let Fetched::Body(body) = fetcher().get(&url.join("once").unwrap(), &Validators::default()).await.unwrap() else {
        panic!()
    };
    assert_eq!(body.url.path(), "/feed");
}

#[tokio::test]
async fn private_addresses_are_refused_by_number_by_name_and_behind_a_redirect() {
    let strict = Fetcher::new(Limits::default(), false).unwrap();
    let url = serve(Router::new().route("/", get(|| async { "secret" }))).await;
    for target in [
        url.as_str(),
        &url.as_str().replace("127.0.0.1", "localhost"),
        &url.as_str().replace("127.0.0.1", "[::ffff:127.0.0.1]"),
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[fd00::1]/",
        "http://0.0.0.0/",
    ] {
        let error = refused(&strict, &target.parse().unwrap()).await;
        assert!(matches!(error, FetchError::Private { .. }), "{target}: {error}");
        assert!(error.to_string().contains("allow_private_networks"), "{error}");
    }
    assert!(matches!(refused(&strict, &"file:///etc/passwd".parse().unwrap()).await, FetchError::Scheme { .. }));
}

#[tokio::test]
async fn what_has_not_changed_is_not_read_again() {
    let feed = |headers: HeaderMap| async move {
        if headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "\"v1\"") {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        ([(header::ETAG, "\"v1\"")], "<rss><channel/></rss>").into_response()
    };
    let url = serve(Router::new().route("/", get(feed))).await;
    let Fetched::Body(body) = fetcher().get(&url, &Validators::default()).await.unwrap() else { panic!("no body") };
    assert!(matches!(fetcher().get(&url, &body.validators).await.unwrap(), Fetched::NotModified));
}

#[test]
fn markup_that_means_harm_comes_out_as_plain_text() {
    let feed = "<rss><channel><item><title>A &lt;b&gt;bold&lt;/b&gt; claim&#13;&#10;Bcc: x@example.org</title>\
        <link>javascript:alert(1)</link><guid>1</guid>\
        <description><![CDATA[<script>alert(1)</script>Fine <img src=x onerror=alert(1)>words]]></description></item></channel></rss>";
    let document = read_feed(feed.as_bytes(), None, None).unwrap();
    let found = &document.articles[0];
    assert_eq!(found.title.as_deref(), Some("A bold claim Bcc: x@example.org"));
    assert_eq!(found.url, None);
    assert_eq!(found.excerpt.as_deref(), Some("Fine words"));
}

#[test]
fn a_feed_nested_300_000_deep_is_read() {
    let deep = format!(
        "<rss><channel><item><title>T</title><link>http://a.example/1</link><description>{}",
        "<div>".repeat(300_000)
    );
    assert_eq!(read_feed(deep.as_bytes(), None, None).unwrap().articles.len(), 1);
    let deep = format!("<rss><channel><item><title>T</title><link>http://a.example/1</link>{}", "<x>".repeat(300_000));
    assert_eq!(read_feed(deep.as_bytes(), None, None).unwrap().articles.len(), 1);
}

#[tokio::test]
async fn a_page_that_names_its_feed_is_followed_and_a_listing_is_guessed() {
    let site = crate::support::site::Site::start().await;
    for day in ["2026-11-04", "2026-11-05", "2026-11-06"] {
        site.list(crate::support::site::story(&format!("s{day}"), &format!("What happened on {day}"), day));
    }
    let checked = collect::check(&site.url("knowledge-resources/"), &fetcher()).await.unwrap();
    assert_eq!(checked.document.articles.len(), 3);
    assert_eq!(checked.document.articles[2].published.unwrap().to_utc().date_naive().to_string(), "2026-11-04");
    let lines = checked.config.clone();
    for part in
        ["item = \"article\"", "title = \"h3\"", "a.more@href", "date_format = \"%d/%m/%Y\"", "excerpt = \"p.excerpt\""]
    {
        assert!(lines.contains(part), "{part} is missing in\n{lines}");
    }
    let feed = site.url("feed/");
    let page = move || {
        let feed = feed.clone();
        async move {
            axum::response::Html(format!(
                "<html><head><link rel=alternate type='application/rss+xml' href='{feed}'></head></html>"
            ))
        }
    };
    site.publish(crate::support::site::story("one", "One", "2026-11-04"));
    let url = serve(Router::new().route("/", get(page))).await;
    let checked = collect::check(url.as_str(), &fetcher()).await.unwrap();
    assert_eq!(checked.document.articles[0].title.as_deref(), Some("One"));
}
