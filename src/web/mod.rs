//! The pages that links in mails lead to, and what supervisors ask: thin, over the rooms.
//!
//! A GET shows a page and changes nothing, since mail scanners follow every link; a POST acts.

mod confirm;
mod health;
mod pages;
mod preferences;
mod unsubscribe;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::subscribers::{Subscribers, TokenError};
use pages::Pages;

/// More than any form of ours has.
const BODY_LIMIT: usize = 64 * 1024;

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// A built-in page is broken.
    #[error("a page cannot be shown: {0}")]
    Template(#[from] tera::Error),
}

/// What the pages need. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    subscribers: Subscribers,
    pages: Pages,
}

impl AppState {
    /// Reads the pages.
    ///
    /// # Errors
    /// When one of them is broken.
    pub fn new(subscribers: Subscribers) -> Result<Self, WebError> {
        let pages = Pages::new(subscribers.config())?;
        Ok(Self(Arc::new(Inner { subscribers, pages })))
    }

    fn subscribers(&self) -> &Subscribers {
        &self.0.subscribers
    }

    fn pages(&self) -> &Pages {
        &self.0.pages
    }
}

/// All routes: at the root, and below the path of `server.public_url`, since a proxy may strip it or not.
pub fn router(state: AppState) -> Router {
    let path = state.pages().path().to_owned();
    let style = state.pages().style_route();
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(health::ready))
        .route("/confirm/{token}", get(confirm::show).post(confirm::act))
        .route("/unsubscribe/{token}", get(unsubscribe::show).post(unsubscribe::act))
        .route("/preferences/{token}", get(preferences::show).post(preferences::act))
        .route(&style, get(pages::style));
    let routes = if path.is_empty() { routes } else { routes.clone().merge(Router::new().nest(&path, routes)) };
    let set = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    routes
        .fallback(missing)
        .with_state(state)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .layer(set(header::CACHE_CONTROL, "no-store"))
        .layer(set(HeaderName::from_static("x-robots-tag"), "noindex"))
        .layer(CatchPanicLayer::new())
}

/// Serves until `shutdown` is done, then lets the requests under way finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn missing(axum::extract::State(state): axum::extract::State<AppState>) -> Response {
    state.pages().message(
        StatusCode::NOT_FOUND,
        "There is no such page",
        "Check the address, or follow the link in a mail again.",
    )
}

/// What goes wrong for whoever follows a link.
enum PageError {
    /// The link is none of ours, or too old.
    Token(TokenError),
    /// The form has something in it that it does not offer.
    Form(&'static str),
    /// Our own trouble.
    Trouble(String),
}

impl From<TokenError> for PageError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<crate::subscribers::SubscribersError> for PageError {
    fn from(error: crate::subscribers::SubscribersError) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl PageError {
    fn page(self, pages: &Pages) -> Response {
        match self {
            Self::Token(TokenError::Expired) => pages.message(
                StatusCode::GONE,
                "This link is too old",
                "Links to confirm work for a week. Ask for the newsletter once more, and a new one comes by mail.",
            ),
            Self::Token(_) => pages.message(
                StatusCode::NOT_FOUND,
                "This link is not complete",
                "Perhaps a part of it was cut off. Open it from the mail again, or copy it whole.",
            ),
            Self::Form(text) => pages.message(StatusCode::BAD_REQUEST, "That could not be read", text),
            Self::Trouble(error) => {
                tracing::error!(error, "a page could not be served");
                let heading = "We have a problem";
                let text = "It is ours, and nothing has changed. Please try again in a few minutes.";
                pages.message(StatusCode::SERVICE_UNAVAILABLE, heading, text)
            }
        }
    }
}

/// A page, or the page that says why not.
fn answer(state: &AppState, result: Result<Response, PageError>) -> Response {
    result.unwrap_or_else(|error| error.page(state.pages())).into_response()
}

/// The present moment, for the forms that offer dates.
fn now(state: &AppState) -> crate::domain::UtcMillis {
    state.subscribers().now()
}

/// Reads the fields of a form, urlencoded or multipart: RFC 8058 allows a mail program both.
fn fields(content_type: Option<&HeaderValue>, body: &[u8]) -> Vec<(String, String)> {
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
        return url::form_urlencoded::parse(body).into_owned().collect();
    }
    let Some(boundary) = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary=")) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(body);
    text.split(&format!("--{}", boundary.trim_matches('"')))
        .filter_map(|part| {
            let (head, value) = part.trim_start_matches("\r\n").split_once("\r\n\r\n")?;
            let name = head.split("name=\"").nth(1)?.split('"').next()?;
            Some((name.to_owned(), value.trim_end_matches("\r\n").to_owned()))
        })
        .collect()
}

/// The values of a field.
fn values<'f>(fields: &'f [(String, String)], name: &str) -> impl Iterator<Item = &'f str> {
    fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_urlencoded_and_multipart() {
        let one_click = vec![("List-Unsubscribe".to_owned(), "One-Click".to_owned())];
        let urlencoded = HeaderValue::from_static("application/x-www-form-urlencoded");
        assert_eq!(fields(Some(&urlencoded), b"List-Unsubscribe=One-Click"), one_click);
        let multipart = HeaderValue::from_static("multipart/form-data; boundary=\"x-1\"");
        let body =
            b"--x-1\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x-1--\r\n";
        assert_eq!(fields(Some(&multipart), body), one_click);
        assert_eq!(fields(Some(&HeaderValue::from_static("multipart/form-data")), b"x"), vec![]);
    }
}
