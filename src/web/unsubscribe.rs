//! The page that leaves, and the one-click request of mail programs (RFC 8058).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::form::Form;
use super::language::Link;
use super::pages::{enumerated, title};
use super::visitor::Visitor;
use super::when::{day_of, four_weeks};
use super::{AppState, goodbye};
use crate::subscribers::{DigestClaim, Leave, Origin, SubscribersError, Tokens, Topics, topics_of};

/// The same for every token: a mail program must not learn which are known, and has nobody to tell. It is true of the link
/// of somebody erased as well, who may get that digest by a subscription of today.
const ONE_CLICK_ANSWER: &str = "The subscription that this link was made for has ended.\n";

/// Shows the button.
pub(super) async fn page(State(state): State<AppState>, link: Link) -> Response {
    match state.subscribers.tokens().verify_unsubscribe(&link.token) {
        Ok(claim) => state.answered(&link, show(&state, &claim).await).await,
        Err(error) => state.bad_link(&state.language_of(&link).await, error),
    }
}

/// Leaves; to the end, also when whoever asked for it does not wait for the answer.
pub(super) async fn act(State(state): State<AppState>, link: Link, visitor: Visitor, form: Form) -> Response {
    let claim = state.subscribers.tokens().verify_unsubscribe(&link.token);
    let one_click = form.is_one_click();
    let claim = match claim {
        Ok(claim) => claim,
        Err(_) if one_click => return ONE_CLICK_ANSWER.into_response(),
        Err(error) => return state.bad_link(&state.language_of(&link).await, error),
    };
    // A mail program reads no page, and thousands of them come at once.
    let locale = if one_click { state.locale(Some(&claim.digest)) } else { state.language_of(&link).await };
    let (all, acting) = (form.get("leave") == Some("all"), state.clone());
    let work = async move {
        match (one_click, all) {
            (true, _) => self::one_click(&acting, &claim, &visitor).await,
            (false, true) => leave(&acting, &claim, Leave::All, &visitor).await,
            (false, false) => leave(&acting, &claim, Leave::Digest(&claim.digest), &visitor).await,
        }
    };
    state.to_the_end(&locale, work).await
}

async fn one_click(state: &AppState, claim: &DigestClaim, visitor: &Visitor) -> Result<Response, SubscribersError> {
    let (what, origin) = (Leave::Digest(&claim.digest), visitor.at(Origin::ONE_CLICK));
    let subscribers = &state.subscribers;
    if subscribers.config().leave.goodbye_mail {
        subscribers.say_goodbye(&claim.subscriber, &claim.digest, what, origin, &*state.notices).await?;
    } else {
        subscribers.leave(&claim.subscriber, what, origin).await?;
    }
    Ok(ONE_CLICK_ANSWER.into_response())
}

async fn show(state: &AppState, claim: &DigestClaim) -> Result<Response, SubscribersError> {
    let config = state.subscribers.config();
    let test = claim.subscriber == Tokens::nobody();
    let (now, locale) = state.of_link(claim).await?;
    if AppState::is_erased(claim, now.as_ref()) {
        return Ok(state.erased(StatusCode::OK, &locale));
    }
    let topics = config.digest(&claim.digest).map(|digest| topics_of(config, digest)).unwrap_or_default();
    let has = now.as_ref().map_or(&Topics::All, |now| &now.topics);
    let fallback = config.digest(&claim.digest).map_or(&locale, |digest| &digest.locale);
    let title_of = |topic: &String| config.topic_title(topic, &locale, fallback);
    let mine: Vec<String> = topics.iter().filter(|topic| has.has(topic)).map(title_of).collect();
    let link = state.subscribers.tokens().preferences(&claim.subscriber, &claim.digest);
    let values = json!({
        "test": test,
        "digest": title(config, &claim.digest),
        "active": test || now.as_ref().is_some_and(|now| now.active),
        "masked": now.as_ref().and_then(|now| now.masked.as_ref()),
        "preferences": format!("{}/preferences/{}", state.pages.base(), link.as_str()),
        "paused_until": now.as_ref().and_then(|now| now.paused_until)
            .map(|until| day_of(state, &claim.digest, &locale, until)),
        "four_weeks": four_weeks(state, &claim.digest, &locale).1,
        "topics": (topics.len() > 1).then(|| enumerated(&locale, &mine)),
        "others": now.as_ref().is_some_and(|now| !now.others.is_empty()),
    });
    Ok(state.pages.page(StatusCode::OK, "unsubscribe", &locale, &values))
}

/// Leaves, and says goodbye.
pub(super) async fn leave(
    state: &AppState,
    claim: &DigestClaim,
    what: Leave<'_>,
    visitor: &Visitor,
) -> Result<Response, SubscribersError> {
    let origin = visitor.at(Origin { source: "unsubscribe page", ..Origin::PAGE });
    let goodbye =
        state.subscribers.say_goodbye(&claim.subscriber, &claim.digest, what, origin, &*state.notices).await?;
    goodbye::after(state, claim, what == Leave::All, &goodbye).await
}
