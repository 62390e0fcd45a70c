//! The page behind the link that is mailed to a new address: one button sends everything there.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::AppState;
use super::language::Link;
use super::pages::say;
use super::visitor::Visitor;
use crate::domain::Locale;
use crate::subscribers::{ChangeClaim, Changed, DigestClaim, Origin, SubscribersError, TokenError};

/// Shows the button.
pub(super) async fn page(State(state): State<AppState>, link: Link) -> Response {
    let locale = state.language_of(&link).await;
    let claim = match verify(&state, &link.token) {
        Ok(claim) => claim,
        Err(error) => return bad(&state, &locale, error),
    };
    match state.subscribers.would_change(&claim).await {
        Ok(Changed::Now) => {
            let (heading, text, button) = question(&claim, &locale);
            let buttons = json!([{ "text": button, "name": null, "value": null, "primary": true }]);
            let values = json!({
                "heading": heading, "text": text, "hidden": [], "buttons": buttons,
                "small": say(&locale, "address.small", &[]), "test": false,
            });
            state.pages.page(StatusCode::OK, "question", &locale, &values)
        }
        Ok(changed) => answer(&state, &locale, &claim, changed).await,
        Err(error) => state.failed(&locale, &error),
    }
}

/// Changes it.
pub(super) async fn act(State(state): State<AppState>, link: Link, visitor: Visitor) -> Response {
    let locale = state.language_of(&link).await;
    let claim = match verify(&state, &link.token) {
        Ok(claim) => claim,
        Err(error) => return bad(&state, &locale, error),
    };
    match change(&state, &locale, &claim, &visitor).await {
        Ok(changed) => answer(&state, &locale, &claim, changed).await,
        Err(error) => state.failed(&locale, &error),
    }
}

async fn change(
    state: &AppState,
    locale: &Locale,
    claim: &ChangeClaim,
    visitor: &Visitor,
) -> Result<Changed, SubscribersError> {
    let (heading, text, button) = question(claim, locale);
    let wording = format!("{heading} {text} [{button}]");
    let origin = visitor.at(Origin { source: "address page", ..Origin::PAGE });
    state.subscribers.change_address(claim, &wording, origin, &*state.notices).await
}

fn verify(state: &AppState, token: &str) -> Result<ChangeClaim, TokenError> {
    state.subscribers.tokens().verify_change(token, state.subscribers.now())
}

fn bad(state: &AppState, locale: &Locale, error: TokenError) -> Response {
    match error {
        TokenError::Expired => state.pages.message(StatusCode::GONE, locale, "address.too_old"),
        error => state.bad_link(locale, error),
    }
}

fn question(claim: &ChangeClaim, locale: &Locale) -> (String, String, String) {
    let said = |key: &str| say(locale, &format!("address.{key}"), &[("address", claim.address.as_str())]);
    (said("heading"), said("text"), said("button"))
}

async fn answer(state: &AppState, locale: &Locale, claim: &ChangeClaim, changed: Changed) -> Response {
    if changed == Changed::Stale {
        return state.pages.message(StatusCode::GONE, locale, "address.stale");
    }
    let person = &claim.person;
    let of_digest = DigestClaim { subscriber: person.subscriber.clone(), digest: person.digest.clone() };
    let gets = match state.subscribers.preferences(&of_digest).await {
        Ok(now) => now.is_some_and(|now| now.active || !now.others.is_empty()),
        Err(error) => return state.failed(locale, &error),
    };
    let said = |key: &str| say(locale, &format!("address.done.{key}"), &[("address", claim.address.as_str())]);
    let text = said(if gets { "text" } else { "text_without_mails" });
    let values = json!({ "heading": said("heading"), "text": text, "test": false });
    state.pages.page(StatusCode::OK, "message", locale, &values)
}
