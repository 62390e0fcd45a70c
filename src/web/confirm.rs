//! The page behind the link of a confirmation mail: one button says yes, and the page after it says what comes when.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::form::Form;
use super::join::Offer;
use super::language::Link;
use super::pages::{say, titles_in};
use super::visitor::Visitor;
use super::{AppState, cadence, home};
use crate::domain::Locale;
use crate::subscribers::{AskedAgain, Chosen, ConfirmClaim, Confirmed, Origin, Prospect, SubscribersError, TokenError};

/// Shows what would be agreed to.
pub(super) async fn page(State(state): State<AppState>, link: Link) -> Response {
    let locale = state.language_of(&link).await;
    let answer = match claim(&state, &link.token) {
        Ok(claim) => show(&state, &locale, &claim).await,
        Err(TokenError::Expired) => expired(&state, &locale, &link.token).await,
        Err(error) => return state.bad_link(&locale, error),
    };
    answer.unwrap_or_else(|error| state.failed(&locale, &error))
}

/// Agrees; or, where the link is too old, asks for a new one.
pub(super) async fn act(State(state): State<AppState>, visitor: Visitor, link: Link, form: Form) -> Response {
    let locale = state.language_of(&link).await;
    let answer = match claim(&state, &link.token) {
        Ok(claim) => agree(&state, &locale, &visitor, &claim).await,
        Err(TokenError::Expired) if form.get("again").is_some() => {
            ask_again(&state, &locale, &visitor, &link.token).await
        }
        Err(TokenError::Expired) => expired(&state, &locale, &link.token).await,
        Err(error) => return state.bad_link(&locale, error),
    };
    answer.unwrap_or_else(|error| state.failed(&locale, &error))
}

fn claim(state: &AppState, token: &str) -> Result<ConfirmClaim, TokenError> {
    let subscribers = &state.subscribers;
    subscribers.tokens().verify_confirm(token, subscribers.now())
}

/// The page of a link whose time is over. Whoever has what it was for is told so, and no more: by now the link may be in many
/// hands. Else one button sends a new one, where there is still something to ask about.
async fn expired(state: &AppState, locale: &Locale, token: &str) -> Result<Response, SubscribersError> {
    let claim = match state.subscribers.tokens().verify_confirm_of_any_age(token) {
        Ok(claim) => claim,
        Err(error) => return Ok(state.bad_link(locale, error)),
    };
    let prospect = state.subscribers.would_confirm(&claim).await?;
    if prospect.verdict == Confirmed::Already && !prospect.choice.is_empty() {
        return Ok(subscribed(state, locale));
    }
    let offered = |chosen: &Chosen| state.subscribers.config().digest(&chosen.digest).is_some();
    if prospect.address.is_none() {
        return Ok(over(state, locale));
    }
    if !claim.choice.iter().any(offered) {
        return Ok(discontinued(state, locale));
    }
    let expired = Expired::new(state, locale);
    let values = json!({
        "heading": expired.heading, "text": expired.text, "hidden": [],
        "buttons": [{ "text": expired.button, "name": "again", "value": "yes", "primary": true }], "test": false,
    });
    Ok(state.pages.page(StatusCode::GONE, "question", locale, &values))
}

/// The page of somebody who has what an old link was for. What they get is behind the link that their address is mailed.
fn subscribed(state: &AppState, locale: &Locale) -> Response {
    let values = json!({
        "heading": say(locale, "confirmed.heading", &[]), "text": say(locale, "confirmed.leave", &[]),
        "link": format!("{}/preferences", state.pages.base()), "link_text": say(locale, "lost.button", &[]),
        "test": false,
    });
    state.pages.page(StatusCode::GONE, "message", locale, &values)
}

/// The page of a link that is for nothing which is still sent.
fn discontinued(state: &AppState, locale: &Locale) -> Response {
    state.message_to(StatusCode::GONE, locale, "confirm.discontinued", ("/", "confirm.over.link"))
}

/// The page of a link whose request is forgotten: the way to the form is all that is left.
fn over(state: &AppState, locale: &Locale) -> Response {
    state.message_to(StatusCode::GONE, locale, "confirm.over", ("/", "confirm.over.link"))
}

async fn ask_again(
    state: &AppState,
    locale: &Locale,
    visitor: &Visitor,
    token: &str,
) -> Result<Response, SubscribersError> {
    let expired = Expired::new(state, locale);
    let wording = format!("{}\n{}\n[{}]", expired.heading, expired.text, expired.button);
    let origin = visitor.at(Origin::PAGE);
    Ok(match state.subscribers.ask_again(token, &wording, origin, &*state.notices).await? {
        AskedAgain::Asked => state.pages.message(StatusCode::OK, locale, "confirm.asked_again"),
        AskedAgain::Gone => over(state, locale),
        AskedAgain::Discontinued => discontinued(state, locale),
        AskedAgain::BadLink(error) => state.bad_link(locale, error),
    })
}

/// What the page of a link that is too old says.
struct Expired {
    heading: String,
    text: String,
    button: String,
}

impl Expired {
    fn new(state: &AppState, locale: &Locale) -> Self {
        let days = (state.subscribers.config().confirmation.valid_for.as_secs() / 86_400).to_string();
        let said = |key: &str| say(locale, &format!("confirm.expired.{key}"), &[("count", &days)]);
        Self { heading: said("heading"), text: said("text"), button: said("button") }
    }
}

async fn show(state: &AppState, locale: &Locale, claim: &ConfirmClaim) -> Result<Response, SubscribersError> {
    let prospect = state.subscribers.would_confirm(claim).await?;
    if prospect.verdict != Confirmed::Now {
        return settled(state, locale, claim, &prospect).await;
    }
    let question = Question::new(state, &prospect, locale);
    let values = json!({
        "heading": question.heading, "text": question.text, "next": question.next, "button": question.button,
        "test": false,
    });
    Ok(state.pages.page(StatusCode::OK, "confirm", locale, &values))
}

async fn agree(
    state: &AppState,
    locale: &Locale,
    visitor: &Visitor,
    claim: &ConfirmClaim,
) -> Result<Response, SubscribersError> {
    let mut prospect = state.subscribers.would_confirm(claim).await?;
    let question = Question::new(state, &prospect, locale);
    prospect.verdict =
        state.subscribers.confirm(claim, &question.evidence(), visitor.at(Origin::PAGE), &*state.notices).await?;
    settled(state, locale, claim, &prospect).await
}

/// The page for whom there is no button to press any more: that they are subscribed, or why not.
async fn settled(
    state: &AppState,
    locale: &Locale,
    claim: &ConfirmClaim,
    prospect: &Prospect,
) -> Result<Response, SubscribersError> {
    match prospect.verdict {
        // It was pressed once, and what came of it has ended otherwise than by leaving.
        Confirmed::Already if prospect.choice.is_empty() => {
            Ok(state.pages.message(StatusCode::GONE, locale, "confirm.stale"))
        }
        Confirmed::Now | Confirmed::Already => welcome(state, claim, prospect, locale).await,
        Confirmed::Discontinued => Ok(discontinued(state, locale)),
        Confirmed::Stale => Ok(state.pages.message(StatusCode::GONE, locale, "confirm.stale")),
        Confirmed::Refused(_) => Ok(state.pages.message(StatusCode::GONE, locale, "confirm.refused")),
    }
}

/// What comes when, from whom, and what there is to read until then.
async fn welcome(
    state: &AppState,
    claim: &ConfirmClaim,
    prospect: &Prospect,
    locale: &Locale,
) -> Result<Response, SubscribersError> {
    let (config, subscribers) = (state.subscribers.config(), &state.subscribers);
    let now = subscribers.now();
    let mut digests = Vec::new();
    for digest in prospect.choice.iter().filter_map(|chosen| config.digest(&chosen.digest)) {
        let link = subscribers.tokens().preferences(&claim.subscriber, &digest.id);
        digests.push(json!({
            "title": digest.title,
            "rule": cadence::rule(digest, now, locale),
            "next": cadence::next_issue(digest, prospect.pauses.over(&digest.id, now), locale),
            "latest": home::latest_issue_url(state, &digest.id).await?,
            "preferences": format!("{}/preferences/{}", state.pages.base(), link.as_str()),
        }));
    }
    let first = prospect.choice.first();
    let sender = first.and_then(|chosen| config.digest(&chosen.digest)).map_or(&config.sender, |digest| &digest.sender);
    let choice = Offer::in_words(config, &prospect.choice, locale);
    let values = json!({
        "text": match &prospect.address {
            Some(address) => say(locale, "confirmed.text_to", &[("address", address), ("choice", &choice)]),
            None => say(locale, "confirmed.text", &[("choice", &choice)]),
        },
        "digests": digests, "from": sender.email.as_str(), "test": false,
    });
    Ok(state.pages.page(StatusCode::OK, "confirmed", locale, &values))
}

/// What the page asks, which is also what somebody agrees to who presses its button.
struct Question {
    heading: String,
    text: String,
    next: Option<String>,
    button: String,
}

impl Question {
    fn new(state: &AppState, prospect: &Prospect, locale: &Locale) -> Self {
        let config = state.subscribers.config();
        let ids: Vec<String> = prospect.choice.iter().map(|chosen| chosen.digest.clone()).collect();
        let choice = Offer::in_words(config, &prospect.choice, locale);
        let only = match prospect.choice.as_slice() {
            [only] => config.digest(&only.digest),
            _ => None,
        };
        let from = |digest: &str| prospect.pauses.over(digest, state.subscribers.now());
        let next = only.and_then(|digest| cadence::next_issue(digest, from(&digest.id), locale));
        Self {
            heading: say(locale, "confirm.heading", &[("digests", &titles_in(locale, config, &ids))]),
            text: match &prospect.address {
                Some(address) => say(locale, "confirm.text_to", &[("address", address), ("choice", &choice)]),
                None => say(locale, "confirm.text", &[("choice", &choice)]),
            },
            next: next.map(|date| say(locale, "confirm.next", &[("date", &date)])),
            button: say(locale, "confirm.button", &[]),
        }
    }

    fn evidence(&self) -> String {
        format!("{} {} {} [{}]", self.heading, self.text, self.next.as_deref().unwrap_or_default(), self.button)
    }
}
