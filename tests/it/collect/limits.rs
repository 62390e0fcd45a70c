//! The limits of a fetch: size, time, place and redirects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postround::collect::{FetchError, Fetcher, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{fixture, get, local, small};

async fn redirect(server: &MockServer, from: &str, to: &str) {
    let answer = ResponseTemplate::new(302).insert_header("Location", to);
    Mock::given(path(from)).respond_with(answer).mount(server).await;
}

/// A server that writes `head`, then `piece` with `pause` between, until the other end has had enough. Counts the bytes.
async fn endless(head: &'static str, piece: Vec<u8>, pause: Duration) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await;
        socket.write_all(head.as_bytes()).await.unwrap();
        while socket.write_all(&piece).await.is_ok() {
            count.fetch_add(piece.len(), Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
    });
    (url, written)
}

#[tokio::test]
async fn a_circle_and_a_long_chain_of_redirects_are_told_apart() {
    let server = MockServer::start().await;
    redirect(&server, "/a", "/b").await;
    redirect(&server, "/b", "/a").await;
    for step in 0..9 {
        redirect(&server, &format!("/{step}"), &format!("/{}", step + 1)).await;
    }
    let fetcher = local(small());
    let circle = get(&fetcher, &format!("{}/a", server.uri())).await.unwrap_err();
    assert!(matches!(circle, FetchError::RedirectLoop { .. }) && circle.to_string().contains("circle"), "{circle}");
    let chain = get(&fetcher, &format!("{}/0", server.uri())).await.unwrap_err();
    assert!(matches!(chain, FetchError::TooManyRedirects { limit: 5, .. }), "{chain}");
    assert!(!chain.is_transient());
}

#[tokio::test]
async fn a_redirect_cannot_leave_the_web() {
    let server = MockServer::start().await;
    for (from, to) in [("/file", "file:///etc/passwd"), ("/ftp", "ftp://files.example/"), ("/data", "data:,x")] {
        redirect(&server, from, to).await;
        let error = get(&local(small()), &format!("{}{from}", server.uri())).await.unwrap_err();
        assert!(matches!(error, FetchError::Scheme { .. }), "{error}");
    }
    let error = get(&local(small()), "file:///etc/passwd").await.unwrap_err();
    assert!(error.to_string().contains("http://"), "{error}");
}

#[tokio::test]
async fn addresses_of_this_machine_are_refused_before_anything_connects() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&server).await;
    let port = server.address().port();
    let strict = Fetcher::new(small(), false).unwrap();
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"] {
        let error = get(&strict, &format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(error, FetchError::Private { .. }), "{host}: {error}");
        assert!(error.to_string().contains("allow_private_networks"), "{error}");
    }
}

#[tokio::test]
async fn a_body_of_fifty_megabytes_is_given_up_at_the_limit() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n";
    let (url, written) = endless(head, vec![b'x'; 64 * 1024], Duration::ZERO).await;
    let error = get(&local(small()), &url).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: 1_048_576, .. }), "{error}");
    assert!(error.to_string().contains("1 MiB"), "{error}");
    assert!(written.load(Ordering::Relaxed) < 50_000_000);
}

#[tokio::test]
async fn a_body_that_says_how_large_it_is_is_not_read_at_all() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n";
    let (url, _) = endless(head, b"x".to_vec(), Duration::from_secs(1)).await;
    let start = Instant::now();
    let error = get(&local(small()), &url).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn the_limit_counts_what_is_unpacked() {
    let server = MockServer::start().await;
    let packed = fixture("bomb.gz");
    assert!(packed.len() < small().max_bytes);
    let answer = ResponseTemplate::new(200).insert_header("Content-Encoding", "gzip").set_body_bytes(packed);
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    let error = get(&local(small()), &server.uri()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn an_endless_slow_body_ends_with_the_time_for_the_whole_fetch() {
    let (url, _) = endless("HTTP/1.1 200 OK\r\n\r\n", b"<".to_vec(), Duration::from_millis(20)).await;
    let limits = Limits { timeout: Duration::from_millis(300), ..small() };
    let start = Instant::now();
    let error = get(&local(limits), &url).await.unwrap_err();
    assert!(matches!(error, FetchError::Timeout { .. }) && error.is_transient(), "{error}");
    assert!(error.to_string().contains("300ms"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
}
