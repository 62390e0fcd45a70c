//! Counted links: the signed address of an article in a mail, the same for all readers. It counts that somebody followed it,
//! keeps nothing of who, and leads nowhere but where the issue says.

use axum::extract::State;
use axum::http::header::{LOCATION, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::AppState;
use super::language::Link;
use crate::domain::PublicId;
use crate::store::StoreError;
use crate::subscribers::TokenError;

/// What programs that look at links before anybody follows them, or instead, call themselves.
const MACHINES: [&str; 24] = [
    "bot",
    "crawl",
    "spider",
    "preview",
    "scan",
    "prefetch",
    "proxy",
    "monitor",
    "headless",
    "safelinks",
    "barracuda",
    "proofpoint",
    "mimecast",
    "fetcher",
    "facebookexternalhit",
    "whatsapp",
    "slack",
    "telegram",
    "skypeuri",
    "curl/",
    "wget/",
    "python",
    "java/",
    "go-http-client",
];

/// Headers by which browsers say that they only fetch ahead.
const AHEAD: [&str; 4] = ["purpose", "sec-purpose", "x-purpose", "x-moz"];

/// Leads on.
pub(super) async fn follow(State(state): State<AppState>, method: Method, headers: HeaderMap, link: Link) -> Response {
    let (issue, place) = match state.subscribers.tokens().verify_click(&link.token) {
        Ok(claim) => claim,
        Err(error) => return state.bad_link(&state.language_of(&link).await, error),
    };
    let found = match find(&state, &issue, place).await {
        Ok(found) => found,
        Err(error) => return state.answered(&link, Err(error.into())).await,
    };
    let Some((digest, target)) = found else {
        return state.bad_link(&state.language_of(&link).await, TokenError::Malformed);
    };
    let counts = state.subscribers.config().digest(&digest).is_some_and(|digest| digest.count_clicks);
    if counts && method == Method::GET && !is_machine(&headers) {
        count(&state, &issue, place).await;
    }
    (StatusCode::FOUND, [(LOCATION, target)]).into_response()
}

/// The digest, and where the link leads.
async fn find(state: &AppState, issue: &PublicId, place: i64) -> Result<Option<(String, HeaderValue)>, StoreError> {
    let link = state.subscribers.store().read().await?.link(issue, place).await?;
    Ok(link.and_then(|(digest, url)| {
        let url = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        Some((digest, HeaderValue::from_str(url.as_str()).ok()?))
    }))
}

/// Whoever follows the link gets there, also when it cannot be counted.
async fn count(state: &AppState, issue: &PublicId, place: i64) {
    let counted = async { state.subscribers.store().marks().await?.count_click(issue, place).await };
    if let Err(error) = counted.await {
        tracing::warn!(%error, "a click could not be counted");
    }
}

fn is_machine(headers: &HeaderMap) -> bool {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_ascii_lowercase();
    let ahead = AHEAD.iter().filter_map(|name| headers.get(*name)).map(text);
    let agent = headers.get(USER_AGENT).map(text).unwrap_or_default();
    ahead.into_iter().any(|value| value.contains("prefetch") || value.contains("preview"))
        || agent.is_empty()
        || MACHINES.iter().any(|machine| agent.contains(machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_from_machines() {
        let from = |name: &'static str, value: &'static str| {
            let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
            let mut headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
            headers.insert(name, HeaderValue::from_static(value));
            is_machine(&headers)
        };
        assert!(!from("accept", "text/html"));
        assert!(from("sec-purpose", "prefetch;prerender") && from("x-moz", "prefetch") && from("purpose", "preview"));
        assert!(from("user-agent", "Mozilla/5.0 (compatible; ExampleBot/1.0)") && from("user-agent", ""));
        assert!(is_machine(&HeaderMap::new()));
    }
}
