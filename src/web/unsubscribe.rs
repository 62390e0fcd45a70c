//! `/unsubscribe/{token}`: a page with a button to leave; and the one-click POST of mail programs (RFC 8058).

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tera::Context;

use super::preferences::{FOUR_WEEKS, day};
use super::{AppState, PageError, answer, fields, now, values};
use crate::subscribers::{DigestClaim, Leave, Origin, Tokens, Topics, topics_of};

/// The page. It changes nothing, whoever asks.
pub(super) async fn show(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    answer(&state, page(&state, &token).await)
}

async fn page(state: &AppState, token: &str) -> Result<Response, PageError> {
    let subscribers = state.subscribers();
    let claim = subscribers.tokens().verify_unsubscribe(token)?;
    let found = subscribers.preferences(&claim).await?;
    let config = subscribers.config();
    let digest = config.digest(&claim.digest);
    let all = digest.map(|digest| topics_of(config, digest)).unwrap_or_default();
    let mut context = Context::new();
    context.insert("digest", &digest.map_or(&claim.digest, |digest| &digest.title));
    let test = claim.subscriber == Tokens::nobody();
    context.insert("test", &test);
    context.insert("active", &(test || found.as_ref().is_some_and(|found| found.active)));
    context.insert("masked", &found.as_ref().map_or("this address", |found| &found.masked));
    context.insert("paused_until", &found.as_ref().and_then(|found| found.paused_until).map(|_| true));
    context.insert("preferences", &subscribers.tokens().preferences_url(&claim.subscriber, &claim.digest));
    context.insert("four_weeks", &format!("until {}", day(state, &claim, now(state).plus(FOUR_WEEKS))));
    context.insert("has_topics", &(all.len() > 1));
    let chosen = match found.as_ref().map(|found| &found.topics) {
        Some(Topics::Only(topics)) => topics.iter().map(|id| config.topic_title(id)).collect::<Vec<_>>().join(", "),
        _ => "all of them".to_owned(),
    };
    context.insert("topics", &chosen);
    context.insert("others", &titles(state, found.map(|found| found.others).unwrap_or_default()));
    Ok(state.pages().show(StatusCode::OK, "unsubscribe", context))
}

/// Leaves at once. A mail program's one-click gets 200 whatever the token is; it could do nothing with more.
pub(super) async fn act(
    State(state): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = fields(headers.get(header::CONTENT_TYPE), &body);
    let one_click = values(&fields, "List-Unsubscribe").any(|value| value == "One-Click");
    let result = leave(&state, &token, &fields, one_click).await;
    match result {
        Err(PageError::Token(_)) if one_click => (StatusCode::OK, "You are unsubscribed.\n").into_response(),
        Ok(_) if one_click => (StatusCode::OK, "You are unsubscribed.\n").into_response(),
        result => answer(&state, result),
    }
}

async fn leave(
    state: &AppState,
    token: &str,
    fields: &[(String, String)],
    one_click: bool,
) -> Result<Response, PageError> {
    let subscribers = state.subscribers();
    let claim = subscribers.tokens().verify_unsubscribe(token)?;
    let all = values(fields, "leave").any(|value| value == "all");
    let origin = if one_click { Origin::ONE_CLICK } else { Origin::PAGE };
    let what = if all { Leave::All } else { Leave::Digest(&claim.digest) };
    subscribers.leave(&claim.subscriber, what, origin).await?;
    goodbye(state, &claim, all).await
}

async fn goodbye(state: &AppState, claim: &DigestClaim, all: bool) -> Result<Response, PageError> {
    let subscribers = state.subscribers();
    let found = subscribers.preferences(claim).await?;
    let config = subscribers.config();
    let mut context = Context::new();
    let left = if all {
        "anything"
    } else {
        config.digest(&claim.digest).map_or(claim.digest.as_str(), |digest| &digest.title)
    };
    context.insert("test", &(claim.subscriber == Tokens::nobody()));
    context.insert("left", left);
    context.insert("masked", &found.as_ref().map(|found| &found.masked));
    context.insert("unsubscribe", &subscribers.tokens().unsubscribe_url(&claim.subscriber, &claim.digest));
    context.insert("others", &titles(state, found.map(|found| found.others).unwrap_or_default()));
    Ok(state.pages().show(StatusCode::OK, "goodbye", context))
}

/// The names of digests in a sentence; nothing when there are none.
fn titles(state: &AppState, ids: Vec<String>) -> Option<String> {
    let config = state.subscribers().config();
    let titles: Vec<_> =
        ids.into_iter().map(|id| config.digest(&id).map_or(id, |digest| digest.title.clone())).collect();
    (!titles.is_empty()).then(|| titles.join(" and "))
}
