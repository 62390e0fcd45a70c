//! The page that leaves, and the one-click request of mail programs (RFC 8058).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::form::Form;
use super::pages::{listed, title, titles};
use super::preferences::{four_weeks, long_date};
use super::visitor::Visitor;
use super::{AppState, LinkToken};
use crate::subscribers::{DigestClaim, Leave, Origin, SubscribersError, Tokens, Topics, topics_of};

/// The same for every token: a mail program must not learn which are known, and has nobody to tell.
const ONE_CLICK_ANSWER: &str = "Nothing more of it comes to you.\n";

/// Shows the button.
pub(super) async fn page(State(state): State<AppState>, LinkToken(token): LinkToken) -> Response {
    match state.subscribers.tokens().verify_unsubscribe(&token) {
        Ok(claim) => show(&state, &claim).await.unwrap_or_else(|error| state.failed(&error)),
        Err(error) => state.bad_link(error),
    }
}

/// Leaves.
pub(super) async fn act(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Form::read(&headers, &body);
    let claim = state.subscribers.tokens().verify_unsubscribe(&token);
    let done = match (claim, form.is_one_click(), form.get("leave")) {
        (Ok(claim), true, _) => one_click(&state, &claim, &visitor).await,
        (Err(_), true, _) => Ok(ONE_CLICK_ANSWER.into_response()),
        (Ok(claim), false, leave) => goodbye(&state, &claim, leave == Some("all"), &visitor).await,
        (Err(error), false, _) => return state.bad_link(error),
    };
    done.unwrap_or_else(|error| state.failed(&error))
}

async fn one_click(state: &AppState, claim: &DigestClaim, visitor: &Visitor) -> Result<Response, SubscribersError> {
    state.subscribers.leave(&claim.subscriber, Leave::Digest(&claim.digest), visitor.at(Origin::ONE_CLICK)).await?;
    Ok(ONE_CLICK_ANSWER.into_response())
}

async fn show(state: &AppState, claim: &DigestClaim) -> Result<Response, SubscribersError> {
    let config = state.subscribers.config();
    let preferences = state.subscribers.preferences(claim).await?;
    let test = claim.subscriber == Tokens::nobody();
    let digest = config.digest(&claim.digest);
    let topics = digest.map(|digest| topics_of(config, digest)).unwrap_or_default();
    let has = preferences.as_ref().map_or(&Topics::All, |preferences| &preferences.topics);
    let mine: Vec<String> =
        topics.iter().filter(|topic| has.has(topic)).map(|topic| config.topic_title(topic)).collect();
    let link = state.subscribers.tokens().preferences(&claim.subscriber, &claim.digest);
    let (_, until) = four_weeks(state, &claim.digest);
    let values = json!({
        "test": test,
        "digest": title(config, &claim.digest),
        "active": test || preferences.as_ref().is_some_and(|preferences| preferences.active),
        "masked": preferences.as_ref().map(|preferences| &preferences.masked),
        "preferences": format!("{}/preferences/{}", state.pages.base(), link.as_str()),
        "paused_until": preferences.as_ref().and_then(|preferences| preferences.paused_until)
            .map(|until| long_date(state, &claim.digest, until)),
        "four_weeks": format!("until {until}"),
        "has_topics": topics.len() > 1,
        "topics": listed(&mine),
        "others": preferences.as_ref().map(|preferences| titles(config, &preferences.others)),
    });
    Ok(state.pages.page(StatusCode::OK, "unsubscribe", &state.locale(Some(&claim.digest)), &values))
}

/// Leaves, and says so.
pub(super) async fn goodbye(
    state: &AppState,
    claim: &DigestClaim,
    all: bool,
    visitor: &Visitor,
) -> Result<Response, SubscribersError> {
    let config = state.subscribers.config();
    let what = if all { Leave::All } else { Leave::Digest(&claim.digest) };
    state.subscribers.leave(&claim.subscriber, what, visitor.at(Origin::PAGE)).await?;
    let preferences = state.subscribers.preferences(claim).await?;
    let link = state.subscribers.tokens().unsubscribe(&claim.subscriber, &claim.digest);
    let values = json!({
        "test": claim.subscriber == Tokens::nobody(),
        "left": (!all).then(|| title(config, &claim.digest)),
        "masked": preferences.as_ref().map(|preferences| &preferences.masked),
        "others": preferences.as_ref().map(|preferences| titles(config, &preferences.others)),
        "unsubscribe": format!("{}/unsubscribe/{}", state.pages.base(), link.as_str()),
    });
    Ok(state.pages.page(StatusCode::OK, "goodbye", &state.locale(Some(&claim.digest)), &values))
}
