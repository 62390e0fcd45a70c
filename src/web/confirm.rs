//! `/confirm/{token}`: a page with one button; the button confirms.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use tera::Context;

use super::{AppState, PageError, answer, now};
use crate::subscribers::{ConfirmClaim, Confirmed, Origin};

const BUTTON: &str = "Yes, send it to me";

/// The page. It changes nothing, whoever asks.
pub(super) async fn show(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    answer(&state, page(&state, &token).await)
}

async fn page(state: &AppState, token: &str) -> Result<Response, PageError> {
    let claim = state.subscribers().tokens().verify_confirm(token, now(state))?;
    let (verdict, address) = state.subscribers().would_confirm(&claim).await?;
    if verdict != Confirmed::Now {
        return Ok(done(state, &claim, &verdict, address.as_deref()));
    }
    let mut context = Context::new();
    context.insert("question", &question(state, &claim));
    context.insert("address", &address);
    context.insert("offer", &offer(state, &claim));
    context.insert("button", BUTTON);
    Ok(state.pages().show(StatusCode::OK, "confirm", context))
}

/// The button. A second press shows the same.
pub(super) async fn act(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    answer(&state, confirm(&state, &token).await)
}

async fn confirm(state: &AppState, token: &str) -> Result<Response, PageError> {
    let subscribers = state.subscribers();
    let claim = subscribers.tokens().verify_confirm(token, now(state))?;
    let (_, address) = subscribers.would_confirm(&claim).await?;
    let wording = format!("{} You will get {} [{BUTTON}]", question(state, &claim), offer(state, &claim));
    let verdict = subscribers.confirm(&claim, &wording, Origin::PAGE).await?;
    Ok(done(state, &claim, &verdict, address.as_deref()))
}

fn done(state: &AppState, claim: &ConfirmClaim, verdict: &Confirmed, address: Option<&str>) -> Response {
    let pages = state.pages();
    match verdict {
        Confirmed::Now | Confirmed::Already => {
            let tokens = state.subscribers().tokens();
            let first = claim.choice.first();
            let mut context = Context::new();
            context.insert("address", &address);
            context.insert("offer", &offer(state, claim));
            context.insert("preferences", &first.map(|chosen| tokens.preferences_url(&claim.subscriber, &chosen.digest)));
            pages.show(StatusCode::OK, "confirmed", context)
        }
        Confirmed::Stale => pages.message(
            StatusCode::GONE,
            "This link is from before",
            "Something has changed since it was mailed. Ask for the newsletter once more, and a new link comes by mail.",
        ),
        Confirmed::Refused(_) => pages.message(
            StatusCode::OK,
            "This address gets no mail from us",
            "It was taken off for good. Write to us if you want to get mail again.",
        ),
    }
}

fn titles(state: &AppState, claim: &ConfirmClaim) -> String {
    let config = state.subscribers().config();
    let titles = claim.choice.iter().filter_map(|chosen| config.digest(&chosen.digest));
    titles.map(|digest| digest.title.clone()).collect::<Vec<_>>().join(" and ")
}

fn question(state: &AppState, claim: &ConfirmClaim) -> String {
    format!("Do you want to get {}?", titles(state, claim))
}

fn offer(state: &AppState, claim: &ConfirmClaim) -> String {
    format!("{} by mail, until you say otherwise.", titles(state, claim))
}
