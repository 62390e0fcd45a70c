//! The page after leaving: the way back, which is open for a day, and the question why.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::AppState;
use super::form::Form;
use super::language::Link;
use super::pages::{say, title};
use super::visitor::Visitor;
use super::when::{day_of, time_of};
use crate::domain::{Locale, UtcMillis};
use crate::subscribers::{
    DigestClaim, Goodbye, NOTE_LIMIT, Origin, PersonalClaim, Reader, Reason, SubscribersError, TokenError, Tokens,
    UNDO_LIFETIME, Undone,
};

/// What the page shows beside the way back.
struct Shown<'a> {
    /// What was left; none: everything.
    left: Option<String>,
    masked: Option<String>,
    /// Whether they still get other digests; not which, since mails get forwarded.
    others: bool,
    /// What the answers of the page are posted with.
    token: Option<&'a str>,
    /// Until when it can be undone.
    undo_until: Option<UtcMillis>,
    thanked: bool,
    error: Option<&'static str>,
    note: &'a str,
}

/// Answers a leaving: whoever left now is led to the page of the way back, which is theirs and shows the same when it is
/// loaded again. Whoever had left before sees that, and no more.
pub(super) async fn after(
    state: &AppState,
    claim: &DigestClaim,
    all: bool,
    goodbye: &Goodbye,
) -> Result<Response, SubscribersError> {
    if let Some(token) = &goodbye.way {
        let page = format!("{}/goodbye/{}", state.pages.base(), token.as_str());
        return Ok(Redirect::to(&page).into_response());
    }
    let config = state.subscribers.config();
    let (now, locale) = state.of_link(claim).await?;
    if AppState::is_erased(claim, now.as_ref()) {
        return Ok(state.erased(StatusCode::OK, &locale));
    }
    let shown = Shown {
        left: (!all).then(|| title(config, &claim.digest)),
        masked: now.as_ref().and_then(|now| now.masked.clone()),
        others: now.as_ref().is_some_and(|now| !now.others.is_empty()),
        token: None,
        undo_until: None,
        thanked: false,
        error: None,
        note: "",
    };
    Ok(render(state, claim, StatusCode::OK, &locale, &shown))
}

/// Shows the way back, after leaving and from a mail that said goodbye.
pub(super) async fn page(State(state): State<AppState>, link: Link) -> Response {
    let shown = match verify(&state, &link.token) {
        Ok(claim) => show(&state, &claim, &link.token, StatusCode::OK, false, None, "").await,
        Err(error) => return bad(&state, &link, error).await,
    };
    state.answered(&link, shown).await
}

/// Undoes, or takes down why.
pub(super) async fn act(State(state): State<AppState>, link: Link, visitor: Visitor, form: Form) -> Response {
    let claim = match verify(&state, &link.token) {
        Ok(claim) => claim,
        Err(error) => return bad(&state, &link, error).await,
    };
    let done = match (form.get("reason"), form.get("do")) {
        (_, Some("undo")) => undo(&state, &claim, &visitor).await,
        (Some(reason), _) => why(&state, &claim, &link.token, reason, form.get("note").unwrap_or_default()).await,
        _ => show(&state, &claim, &link.token, StatusCode::UNPROCESSABLE_ENTITY, false, Some("no_reason"), "").await,
    };
    state.answered(&link, done).await
}

fn verify(state: &AppState, token: &str) -> Result<PersonalClaim, TokenError> {
    state.subscribers.tokens().verify_undo(token, state.subscribers.now())
}

async fn bad(state: &AppState, link: &Link, error: TokenError) -> Response {
    let locale = state.language_of(link).await;
    match error {
        TokenError::Expired => state.pages.message(StatusCode::GONE, &locale, "goodbye.too_late"),
        error => state.bad_link(&locale, error),
    }
}

async fn undo(state: &AppState, claim: &PersonalClaim, visitor: &Visitor) -> Result<Response, SubscribersError> {
    let locale = state.language_for(&Reader::from(claim)).await;
    let wording = format!("{} [{}]", say(&locale, "goodbye.heading", &[]), say(&locale, "goodbye.undo", &[]));
    let origin = visitor.at(Origin { source: "goodbye page", ..Origin::PAGE });
    let undone = state.subscribers.undo(claim, &wording, origin).await?;
    Ok(undone_page(state, claim, &undone, &locale))
}

fn undone_page(state: &AppState, claim: &PersonalClaim, undone: &Undone, locale: &Locale) -> Response {
    let config = state.subscribers.config();
    let key = match undone {
        Undone::Now(digests) if !is_all_of(digests, claim) => "text_of_all",
        Undone::Now(_) | Undone::Already => "text",
        Undone::LeftAgain => {
            return state.message_to(StatusCode::GONE, locale, "goodbye.left_again", ("/", "confirm.over.link"));
        }
        Undone::Unknown => return state.erased(StatusCode::GONE, locale),
        Undone::Barred(_) | Undone::Refused => return state.pages.message(StatusCode::GONE, locale, "goodbye.refused"),
    };
    let said = |key: &str| say(locale, &format!("goodbye.undone.{key}"), &[("digests", &title(config, &claim.digest))]);
    let values = json!({ "heading": said("heading"), "text": said(key), "test": false });
    state.pages.page(StatusCode::OK, "message", locale, &values)
}

/// Whether these are the digest of the link and no other: others are not named, since mails get forwarded.
fn is_all_of(digests: &[String], claim: &PersonalClaim) -> bool {
    digests == [claim.digest.as_str()]
}

async fn why(
    state: &AppState,
    claim: &PersonalClaim,
    token: &str,
    reason: &str,
    note: &str,
) -> Result<Response, SubscribersError> {
    let wrong = match Reason::parse(reason) {
        None => Some("no_reason"),
        Some(_) if note.chars().count() > NOTE_LIMIT => Some("long_note"),
        Some(reason) => {
            state.subscribers.say_why(claim, reason, note).await?;
            None
        }
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    show(state, claim, token, status, wrong.is_none(), wrong, note).await
}

async fn show(
    state: &AppState,
    claim: &PersonalClaim,
    token: &str,
    status: StatusCode,
    thanked: bool,
    error: Option<&'static str>,
    note: &str,
) -> Result<Response, SubscribersError> {
    let config = state.subscribers.config();
    let of_digest = DigestClaim { subscriber: claim.subscriber.clone(), digest: claim.digest.clone() };
    let (now, locale) = state.of_link(&of_digest).await?;
    let this = || title(config, &claim.digest);
    // Who must not be mailed may say why, and has nothing to undo.
    let (left, undo_until) = match state.subscribers.would_undo(claim).await? {
        Undone::Now(left) => (is_all_of(&left, claim).then(this), Some(claim.at.plus(UNDO_LIFETIME))),
        Undone::Barred(left) => (is_all_of(&left, claim).then(this), None),
        Undone::Refused | Undone::LeftAgain if thanked || error.is_some() => (Some(this()), None),
        undone => return Ok(undone_page(state, claim, &undone, &locale)),
    };
    let shown = Shown {
        left,
        masked: now.as_ref().and_then(|now| now.masked.clone()),
        others: now.as_ref().is_some_and(|now| !now.others.is_empty()),
        token: Some(token),
        undo_until,
        thanked,
        error,
        note,
    };
    Ok(render(state, &of_digest, status, &locale, &shown))
}

fn render(state: &AppState, claim: &DigestClaim, status: StatusCode, locale: &Locale, shown: &Shown<'_>) -> Response {
    let unsubscribe = state.subscribers.tokens().unsubscribe(&claim.subscriber, &claim.digest);
    let base = state.pages.base();
    let reason = |reason: Reason| {
        let key = reason.as_str().replace('-', "_");
        json!({ "id": reason.as_str(), "text": say(locale, &format!("goodbye.reasons.{key}"), &[]) })
    };
    let values = json!({
        "test": claim.subscriber == Tokens::nobody(),
        "left": shown.left,
        "masked": shown.masked,
        "others": shown.others,
        "unsubscribe": format!("{base}/unsubscribe/{}", unsubscribe.as_str()),
        "action": shown.token.map(|token| format!("{base}/goodbye/{token}")),
        "undo": shown.undo_until.map(|until| json!({
            "date": day_of(state, &claim.digest, locale, until),
            "time": time_of(state, &claim.digest, until),
        })),
        "reasons": Reason::ALL.map(reason),
        "note_limit": NOTE_LIMIT,
        "note": shown.note,
        "thanked": shown.thanked,
        "error": shown.error.map(|key| say(locale, &format!("goodbye.wrong.{key}"), &[])),
    });
    state.pages.page(status, "goodbye", locale, &values)
}
