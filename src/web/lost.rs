//! The page for whoever has lost their link: it is mailed to the address, and the answer is the same for all.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::form::Form;
use super::join::{self, AlikeUntil, Barred};
use super::pages::say;
use super::visitor::Visitor;
use super::{AppState, home, language};
use crate::domain::{EmailAddress, Locale};
use crate::subscribers::Origin;

/// Shows the form.
pub(super) async fn page(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let locale = language::asked_for(&headers, &state.locale(None));
    form(&state, &locale, StatusCode::OK, "", None)
}

/// Mails the link, if there is one.
pub(super) async fn act(State(state): State<AppState>, visitor: Visitor, headers: HeaderMap, fields: Form) -> Response {
    let locale = language::asked_for(&headers, &state.locale(None));
    let typed = fields.get("email").unwrap_or_default();
    let Ok(address) = EmailAddress::parse(typed) else {
        return form(&state, &locale, StatusCode::UNPROCESSABLE_ENTITY, typed, Some("lost.bad_email"));
    };
    let trapped = fields.get("homepage").is_some_and(|trap| !trap.is_empty());
    if trapped || !join::is_handed_out(&state, fields.get("stamp").unwrap_or_default()) {
        // Somebody else's form, or a program's: the address once more, under a stamp of ours.
        return form(&state, &locale, StatusCode::OK, address.as_str(), Some("lost.once_more"));
    }
    let captcha = |field: &str| fields.get(field).unwrap_or_default().to_owned();
    match join::bar(&state, &visitor, captcha, &address).await {
        Ok(()) => {}
        Err(Barred::Later(wait)) => {
            let mut response = state.pages.message(StatusCode::TOO_MANY_REQUESTS, &locale, "lost.later");
            join::come_back(&mut response, wait);
            return response;
        }
        Err(Barred::Captcha) => {
            return form(&state, &locale, StatusCode::UNPROCESSABLE_ENTITY, typed, Some("join.wrong.captcha"));
        }
        Err(Barred::NoSuchDomain) => {
            return form(&state, &locale, StatusCode::UNPROCESSABLE_ENTITY, typed, Some("lost.bad_email"));
        }
        Err(Barred::Failed) => return state.pages.message(StatusCode::SERVICE_UNAVAILABLE, &locale, "failed"),
    }
    let (acting, said) = (state.clone(), locale.clone());
    let work = async move {
        let origin = visitor.at(Origin { source: "lost link page", ..Origin::PAGE });
        let alike_until = acting.subscribers.mail_lost_link(&address, origin, &*acting.notices).await?;
        let mut sent = acting.pages.message(StatusCode::OK, &said, "lost.sent");
        sent.extensions_mut().insert(AlikeUntil(alike_until));
        Ok(sent)
    };
    join::in_even_steps(state.to_the_end(&locale, work)).await
}

fn form(state: &AppState, locale: &Locale, status: StatusCode, typed: &str, error: Option<&str>) -> Response {
    let stamp = state.subscribers.tokens().form(state.subscribers.now());
    let values = json!({
        "test": false, "stamp": stamp.as_str(), "email": typed, "captcha": home::captcha(state),
        "error": error.map(|key| say(locale, key, &[])),
    });
    let mut response = state.pages.page(status, "lost", locale, &values);
    home::allow_captcha(state, response.headers_mut());
    response
}
