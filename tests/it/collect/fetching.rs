//! Fetching from real servers on this machine.

use std::time::Duration;

use postround::collect::{FetchError, Fetched, Fetcher, Limits, Validators};
use rstest::rstest;
use url::Url;
use wiremock::matchers::{header, header_exists, header_regex, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub(super) fn fetcher(limits: Limits) -> Fetcher {
    Fetcher::new(limits, true).unwrap()
}

pub(super) async fn get(fetcher: &Fetcher, url: &str) -> Result<Fetched, FetchError> {
    fetcher.get(&Url::parse(url).unwrap(), &Validators::default()).await
}

async fn serving(at: &str, response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET")).and(path(at)).respond_with(response).mount(&server).await;
    server
}

#[tokio::test]
async fn a_document_comes_with_its_type_address_and_validators() {
    let server = MockServer::start().await;
    let response = ResponseTemplate::new(200)
        .set_body_raw("<rss/>", "application/rss+xml")
        .insert_header("ETag", "\"v1\"")
        .insert_header("Last-Modified", "Wed, 04 Nov 2026 08:00:00 GMT");
    Mock::given(path("/feed"))
        .and(header_regex("User-Agent", "^Postround/"))
        .and(header_exists("Accept"))
        .respond_with(response)
        .mount(&server)
        .await;
    Mock::given(path("/old"))
        .respond_with(ResponseTemplate::new(301).insert_header("Location", "/feed#x"))
        .mount(&server)
        .await;
    let Fetched::Body(body) = get(&fetcher(Limits::default()), &format!("{}/old", server.uri())).await.unwrap() else {
        panic!("a body")
    };
    assert_eq!(body.bytes, b"<rss/>");
    assert_eq!(body.content_type.as_deref(), Some("application/rss+xml"));
    assert_eq!(body.url.as_str(), format!("{}/feed", server.uri()));
    assert_eq!(body.validators.etag.as_deref(), Some("\"v1\""));
    assert_eq!(body.validators.last_modified.as_deref(), Some("Wed, 04 Nov 2026 08:00:00 GMT"));
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let server = MockServer::start().await;
    Mock::given(header("If-None-Match", "\"v1\""))
        .and(|request: &Request| {
            request.headers.get("If-Modified-Since").is_some_and(|date| date == "Wed, 04 Nov 2026 08:00:00 GMT")
        })
        .respond_with(ResponseTemplate::new(304))
        .mount(&server)
        .await;
    let url = Url::parse(&server.uri()).unwrap();
    let validators =
        Validators { etag: Some("\"v1\"".into()), last_modified: Some("Wed, 04 Nov 2026 08:00:00 GMT".into()) };
    assert_eq!(fetcher(Limits::default()).get(&url, &validators).await.unwrap(), Fetched::NotModified);
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_an_error() {
    let server = serving("/", ResponseTemplate::new(304)).await;
    let error = get(&fetcher(Limits::default()), &server.uri()).await.unwrap_err();
    assert!(matches!(error, FetchError::Unexpected { status: 304, .. }), "{error}");
}

#[rstest]
#[case(404, true, "is not there")]
#[case(410, false, "gone for good")]
#[case(401, false, "does not let us")]
#[case(403, false, "does not let us")]
#[case(429, true, "left alone")]
#[case(500, true, "problem of its own")]
#[case(503, true, "problem of its own")]
#[case(204, false, "makes no sense")]
#[tokio::test]
async fn each_status_has_its_sentence(#[case] status: u16, #[case] transient: bool, #[case] words: &str) {
    let server = serving("/", ResponseTemplate::new(status)).await;
    let error = get(&fetcher(Limits::default()), &server.uri()).await.unwrap_err();
    assert_eq!(error.is_transient(), transient);
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn a_server_may_say_when_to_come_back() {
    let server = serving("/", ResponseTemplate::new(503).insert_header("Retry-After", "120")).await;
    let error = get(&fetcher(Limits::default()), &server.uri()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
}

#[tokio::test]
async fn no_server_no_name_and_no_web_address_are_told_apart() {
    let fetcher = fetcher(Limits::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let error = get(&fetcher, &format!("http://{closed}/")).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect { .. }) && error.is_transient(), "{error}");
    let error = get(&fetcher, "http://no-such-host.invalid/").await.unwrap_err();
    assert!(matches!(error, FetchError::Name { .. }) && error.is_transient(), "{error}");
    let error = get(&fetcher, "file:///etc/passwd").await.unwrap_err();
    assert!(matches!(error, FetchError::Scheme { .. }) && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_password_in_an_address_is_used_and_not_shown() {
    let server = MockServer::start().await;
    Mock::given(header("Authorization", "Basic am86c2VjcmV0"))
        .respond_with(ResponseTemplate::new(404))
        .mount(&server)
        .await;
    let url = server.uri().replace("http://", "http://jo:secret@");
    let error = get(&fetcher(Limits::default()), &url).await.unwrap_err();
    assert!(matches!(error, FetchError::NotFound { .. }), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
