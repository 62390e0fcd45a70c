//! The page behind the link of a confirmation mail: one button says yes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::pages::{listed, title};
use super::{AppState, LinkToken};
use crate::subscribers::{Chosen, ConfirmClaim, Confirmed, Origin, SubscribersError, Topics};

const BUTTON: &str = "Yes, subscribe me";

/// Shows what would be agreed to.
pub(super) async fn page(State(state): State<AppState>, LinkToken(token): LinkToken) -> Response {
    answer(&state, &token, false).await.unwrap_or_else(|error| state.failed(&error))
}

/// Agrees.
pub(super) async fn act(State(state): State<AppState>, LinkToken(token): LinkToken) -> Response {
    answer(&state, &token, true).await.unwrap_or_else(|error| state.failed(&error))
}

async fn answer(state: &AppState, token: &str, agreed: bool) -> Result<Response, SubscribersError> {
    let subscribers = &state.subscribers;
    let claim = match subscribers.tokens().verify_confirm(token, subscribers.now()) {
        Ok(claim) => claim,
        Err(error) => return Ok(state.bad_link(error)),
    };
    let (mut verdict, address) = subscribers.would_confirm(&claim).await?;
    let locale = state.locale(claim.choice.first().map(|chosen| chosen.digest.as_str()));
    let (question, offer) = (question(state, &claim), offer(state, &claim.choice));
    if agreed {
        let wording = format!("{question} You will get {offer} [{BUTTON}]");
        verdict = subscribers.confirm(&claim, &wording, Origin::PAGE, &*state.notices).await?;
    } else if verdict == Confirmed::Now {
        let values = json!({
            "question": question, "address": address, "offer": offer, "button": BUTTON, "test": false,
        });
        return Ok(state.pages.page(StatusCode::OK, "confirm", &locale, &values));
    }
    Ok(match verdict {
        Confirmed::Now | Confirmed::Already => {
            let preferences = claim.choice.first().map(|chosen| {
                let token = subscribers.tokens().preferences(&claim.subscriber, &chosen.digest);
                format!("{}/preferences/{}", state.pages.base(), token.as_str())
            });
            let values = json!({
                "address": address, "offer": offer, "preferences": preferences, "test": false,
            });
            state.pages.page(StatusCode::OK, "confirmed", &locale, &values)
        }
        Confirmed::Stale => state.pages.message(StatusCode::GONE, &locale, "confirm.stale"),
        Confirmed::Refused(_) => state.pages.message(StatusCode::GONE, &locale, "confirm.refused"),
    })
}

fn question(state: &AppState, claim: &ConfirmClaim) -> String {
    let config = state.subscribers.config();
    let names: Vec<String> = claim.choice.iter().map(|chosen| title(config, &chosen.digest)).collect();
    format!("Do you want {}?", listed(&names))
}

/// The digests with the topics that were picked, as sentences.
fn offer(state: &AppState, choice: &[Chosen]) -> String {
    let config = state.subscribers.config();
    let parts: Vec<String> = choice
        .iter()
        .map(|chosen| match &chosen.topics {
            Topics::All => title(config, &chosen.digest),
            Topics::Only(topics) => {
                let topics: Vec<String> = topics.iter().map(|topic| config.topic_title(topic)).collect();
                format!("{} with {}", title(config, &chosen.digest), listed(&topics))
            }
        })
        .collect();
    let next = match choice {
        [only] => super::preferences::next_issue(state, &only.digest),
        _ => None,
    };
    let next = next.map(|day| format!(" The next issue comes on {day}.")).unwrap_or_default();
    format!("{}.{next}", parts.join("; "))
}
