//! The page behind the link that is mailed to a new address: one button sends everything there.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::pages::say;
use super::visitor::Visitor;
use super::{AppState, LinkToken};
use crate::domain::Locale;
use crate::subscribers::{ChangeClaim, Changed, Origin, SubscribersError, TokenError};

/// Shows the button.
pub(super) async fn page(State(state): State<AppState>, LinkToken(token): LinkToken) -> Response {
    let claim = match verify(&state, &token) {
        Ok(claim) => claim,
        Err(error) => return bad(&state, error),
    };
    match state.subscribers.would_change(&claim).await {
        Ok(Changed::Now) => {
            let locale = state.locale(Some(&claim.person.digest));
            let (heading, text, button) = question(&claim, &locale);
            let buttons = json!([{ "text": button, "name": null, "value": null, "primary": true }]);
            let values = json!({
                "heading": heading, "text": text, "hidden": [], "buttons": buttons,
                "small": say(&locale, "address.small", &[]), "test": false,
            });
            state.pages.page(StatusCode::OK, "question", &locale, &values)
        }
        Ok(changed) => answer(&state, &claim, changed),
        Err(error) => state.failed(&error),
    }
}

/// Changes it.
pub(super) async fn act(State(state): State<AppState>, LinkToken(token): LinkToken, visitor: Visitor) -> Response {
    let claim = match verify(&state, &token) {
        Ok(claim) => claim,
        Err(error) => return bad(&state, error),
    };
    match change(&state, &claim, &visitor).await {
        Ok(changed) => answer(&state, &claim, changed),
        Err(error) => state.failed(&error),
    }
}

async fn change(state: &AppState, claim: &ChangeClaim, visitor: &Visitor) -> Result<Changed, SubscribersError> {
    let (heading, text, button) = question(claim, &state.locale(Some(&claim.person.digest)));
    let wording = format!("{heading} {text} [{button}]");
    let origin = visitor.at(Origin { source: "address page", ..Origin::PAGE });
    state.subscribers.change_address(claim, &wording, origin, &*state.notices).await
}

fn verify(state: &AppState, token: &str) -> Result<ChangeClaim, TokenError> {
    state.subscribers.tokens().verify_change(token, state.subscribers.now())
}

fn bad(state: &AppState, error: TokenError) -> Response {
    match error {
        TokenError::Expired => state.pages.message(StatusCode::GONE, &state.locale(None), "address.too_old"),
        error => state.bad_link(error),
    }
}

fn question(claim: &ChangeClaim, locale: &Locale) -> (String, String, String) {
    let said = |key: &str| say(locale, &format!("address.{key}"), &[("address", claim.address.as_str())]);
    (said("heading"), said("text"), said("button"))
}

fn answer(state: &AppState, claim: &ChangeClaim, changed: Changed) -> Response {
    let locale = state.locale(Some(&claim.person.digest));
    let address = [("address", claim.address.as_str())];
    match changed {
        Changed::Now | Changed::Already => state.pages.message_with(StatusCode::OK, &locale, "address.done", &address),
        Changed::Stale => state.pages.message(StatusCode::GONE, &locale, "address.stale"),
    }
}
