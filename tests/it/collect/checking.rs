//! `source check`: any address or file.

use postround::collect::{CheckError, Fetcher, Kind, Limits, check};
use postround::config::SourceKind;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{fixture, fixture_path};

fn fetcher() -> Fetcher {
    Fetcher::new(Limits::default(), true).unwrap()
}

async fn serve(server: &MockServer, at: &str, body: impl Into<Vec<u8>>, kind: &str) {
    Mock::given(path(at)).respond_with(ResponseTemplate::new(200).set_body_raw(body, kind)).mount(server).await;
}

#[tokio::test]
async fn a_saved_feed_is_read_and_shown_in_the_agreed_shape() {
    let checked = check(fixture_path("rss.xml").to_str().unwrap(), &fetcher()).await.unwrap();
    let json = serde_json::to_value(&checked).unwrap();
    assert_eq!(json["kind"], "rss");
    assert_eq!(json["repaired"], false);
    assert_eq!(json["title"], "Family Hubs Example");
    assert_eq!(json["articles"][0]["published"], "2026-11-04T08:30:00Z");
    assert_eq!(json["articles"][2]["author"], serde_json::Value::Null);
    assert!(checked.source.is_none());
}

#[tokio::test]
async fn a_feed_gives_the_lines_that_configure_it() {
    let server = MockServer::start().await;
    serve(&server, "/feed", fixture("rss.xml"), "application/rss+xml").await;
    let url = format!("{}/feed", server.uri());
    let checked = check(&url, &fetcher()).await.unwrap();
    let config: toml::Value = toml::from_str(&checked.config).unwrap();
    assert_eq!(config["source"][0]["feed"].as_str(), Some(url.as_str()));
    assert!(matches!(checked.source, Some(SourceKind::Feed(found)) if found.as_str() == url));
}

#[tokio::test]
async fn a_page_leads_to_the_feed_that_it_names_and_else_to_a_usual_place() {
    let server = MockServer::start().await;
    serve(&server, "/named", "<html><link rel=alternate type=application/atom+xml href=/my-atom>", "text/html").await;
    serve(&server, "/silent", "<html><p>Hello", "text/html").await;
    serve(&server, "/my-atom", fixture("atom.xml"), "application/atom+xml").await;
    serve(&server, "/rss.xml", fixture("rss.xml"), "text/xml").await;
    let checked = check(&format!("{}/named", server.uri()), &fetcher()).await.unwrap();
    assert_eq!(checked.document.kind, Kind::Atom);
    assert!(checked.notes[0].contains("/my-atom"), "{:?}", checked.notes);
    let checked = check(&format!("{}/silent", server.uri()), &fetcher()).await.unwrap();
    assert_eq!(checked.document.kind, Kind::Rss);
}

#[tokio::test]
async fn a_listing_page_without_a_feed_gives_selectors_to_paste() {
    let server = MockServer::start().await;
    serve(&server, "/knowledge-resources/", fixture("listing.html"), "text/html").await;
    let checked = check(&format!("{}/knowledge-resources/", server.uri()), &fetcher()).await.unwrap();
    assert_eq!((checked.document.kind, checked.document.articles.len()), (Kind::Page, 4));
    let config: toml::Value = toml::from_str(&checked.config).unwrap();
    let select = &config["source"][0]["select"];
    assert_eq!(select["date_format"].as_str(), Some("%d/%m/%Y"));
    assert_eq!(select["title"].as_str(), Some("h3"));
    assert!(select["link"].as_str().unwrap().ends_with("@href"));

    let checked = check(fixture_path("listing.html").to_str().unwrap(), &fetcher()).await.unwrap();
    assert_eq!(checked.document.articles.len(), 4);
}

#[tokio::test]
async fn what_leads_nowhere_says_so() {
    let server = MockServer::start().await;
    serve(&server, "/empty", "", "text/html").await;
    serve(&server, "/plain", "<p>Nothing here", "text/html").await;
    let error = async |target: &str| check(target, &fetcher()).await.unwrap_err();
    assert!(matches!(error("/no/such/file").await, CheckError::NoTarget(_)));
    assert!(matches!(error(&format!("{}/empty", server.uri())).await, CheckError::Read(_)));
    assert!(matches!(error(&format!("{}/plain", server.uri())).await, CheckError::NoArticles(_)));
    assert!(matches!(error(&format!("{}/missing", server.uri())).await, CheckError::Fetch(_)));
}
