//! The page of choices for one digest: topics, a pause, leaving.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::form::Form;
use super::pages::title;
use super::unsubscribe::goodbye;
use super::{AppState, LinkToken};
use crate::domain::UtcMillis;
use crate::schedule::{local_day, start_of_day};
use crate::subscribers::{Chose, DigestClaim, Origin, SubscribersError, Tokens, Topics, topics_of};
use crate::wording::format_date;

/// How many coming issues are looked at for the end of a pause.
const OFFERED: usize = 14;

/// What a form asks for; `Err` holds the field that is wrong, and why.
struct Wish {
    topics: Option<Topics>,
    pause: Pause,
}

enum Pause {
    Keep,
    Until(Option<UtcMillis>),
}

type Wrong = (&'static str, &'static str);

/// Shows the choices.
pub(super) async fn page(State(state): State<AppState>, LinkToken(token): LinkToken) -> Response {
    match state.subscribers.tokens().verify_preferences(&token) {
        Ok(claim) => {
            show(&state, &claim, StatusCode::OK, &json!({})).await.unwrap_or_else(|error| state.failed(&error))
        }
        Err(error) => state.bad_link(error),
    }
}

/// Saves them.
pub(super) async fn act(
    State(state): State<AppState>,
    LinkToken(token): LinkToken,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Form::read(&headers, &body);
    match state.subscribers.tokens().verify_preferences(&token) {
        Ok(claim) => save(&state, &claim, &form).await.unwrap_or_else(|error| state.failed(&error)),
        Err(error) => state.bad_link(error),
    }
}

async fn save(state: &AppState, claim: &DigestClaim, form: &Form) -> Result<Response, SubscribersError> {
    match form.get("leave") {
        Some("digest") => return goodbye(state, claim, false).await,
        Some("all") => return goodbye(state, claim, true).await,
        _ => {}
    }
    let wish = match wish(state, claim, form) {
        Ok(wish) => wish,
        Err((field, text)) => {
            let error = json!({ "error": { "field": field, "text": text } });
            return show(state, claim, StatusCode::UNPROCESSABLE_ENTITY, &error).await;
        }
    };
    let until = match wish.pause {
        Pause::Until(until) => until,
        Pause::Keep => state.subscribers.preferences(claim).await?.and_then(|now| now.paused_until),
    };
    let chose = state.subscribers.choose(claim, wish.topics.as_ref(), until, Origin::PAGE).await?;
    let saved = match (chose, until) {
        (Chose::NotSubscribed, _) => None,
        (_, Some(until)) => Some(format!("Saved. Paused until {}.", long_date(state, &claim.digest, until))),
        (_, None) => Some("Saved.".to_owned()),
    };
    show(state, claim, StatusCode::OK, &json!({ "saved": saved })).await
}

fn wish(state: &AppState, claim: &DigestClaim, form: &Form) -> Result<Wish, Wrong> {
    let offered = offered(state, &claim.digest);
    let ticked: std::collections::BTreeSet<String> = form.all("topics").map(str::to_owned).collect();
    if ticked.iter().any(|topic| !offered.contains(topic)) {
        return Err(("topics", "One of these topics is no longer offered. Choose among those below."));
    }
    let topics = match (form.get("offered"), ticked.len()) {
        (None, 0) => None,
        (Some(_), 0) => return Err(("topics", "Choose at least one topic, or leave below.")),
        (_, count) if count == offered.len() => Some(Topics::All),
        _ => Some(Topics::Only(ticked)),
    };
    let date = form.get("until").filter(|date| !date.is_empty());
    let pause = match (form.get("pause"), date) {
        (Some("no"), _) => Pause::Until(None),
        (Some("4w"), _) => Pause::Until(Some(four_weeks(state, &claim.digest).0)),
        (Some("date") | None, Some(date)) => Pause::Until(Some(day(state, &claim.digest, date)?)),
        (Some("keep") | None, _) => Pause::Keep,
        _ => return Err(("pause", "Choose one of these pauses.")),
    };
    Ok(Wish { topics, pause })
}

/// The beginning of a day that somebody chose.
fn day(state: &AppState, digest: &str, text: &str) -> Result<UtcMillis, Wrong> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .map_err(|_| ("pause", "That is not a day. Choose one from the list."))?;
    let today = today(state, digest);
    let latest = today.checked_add_days(Days::new(366)).unwrap_or(today);
    if date <= today || date > latest {
        return Err(("pause", "A pause ends on a day to come, within a year."));
    }
    Ok(start_of_day(date, zone(state, digest)))
}

async fn show(
    state: &AppState,
    claim: &DigestClaim,
    status: StatusCode,
    more: &Value,
) -> Result<Response, SubscribersError> {
    let config = state.subscribers.config();
    let now = state.subscribers.preferences(claim).await?;
    let test = claim.subscriber == Tokens::nobody();
    let has = now.as_ref().map_or(Topics::All, |now| now.topics.clone());
    let topics: Vec<Value> = offered(state, &claim.digest)
        .iter()
        .map(|id| {
            let description = config.topics.iter().find(|topic| topic.id == *id).map(|topic| &topic.description);
            json!({
                "id": id, "title": config.topic_title(id), "description": description, "chosen": has.has(id),
            })
        })
        .collect();
    let unsubscribe = state.subscribers.tokens().unsubscribe(&claim.subscriber, &claim.digest);
    let (_, four_weeks) = four_weeks(state, &claim.digest);
    let mut values = json!({
        "test": test,
        "digest": title(config, &claim.digest),
        "active": test || now.as_ref().is_some_and(|now| now.active),
        "masked": now.as_ref().map(|now| &now.masked),
        "topics": topics,
        "paused_until": now.and_then(|now| now.paused_until)
            .map(|until| format!("until {}", long_date(state, &claim.digest, until))),
        "four_weeks": format!("until {four_weeks}"),
        "dates": dates(state, &claim.digest),
        "unsubscribe": format!("{}/unsubscribe/{}", state.pages.base(), unsubscribe.as_str()),
        "error": null,
        "saved": null,
    });
    if let (Some(values), Some(more)) = (values.as_object_mut(), more.as_object()) {
        values.extend(more.clone());
    }
    Ok(state.pages.page(status, "preferences", &state.locale(Some(&claim.digest)), &values))
}

/// The topics to choose from; one alone is no choice.
fn offered(state: &AppState, digest: &str) -> Vec<String> {
    let config = state.subscribers.config();
    let topics = config.digest(digest).map(|digest| topics_of(config, digest)).unwrap_or_default();
    if topics.len() > 1 { topics } else { Vec::new() }
}

/// The days of the issues that a pause may end with: not the next one, which would be no pause.
fn dates(state: &AppState, id: &str) -> Vec<Value> {
    let issues = match state.subscribers.config().digest(id) {
        Some(digest) => digest.schedule.upcoming(state.subscribers.now(), OFFERED),
        None => Vec::new(),
    };
    let mut days: Vec<NaiveDate> = issues.into_iter().skip(1).map(|issue| local_day(issue, zone(state, id))).collect();
    days.dedup();
    days.retain(|day| *day > today(state, id));
    days.into_iter().map(|day| json!({ "value": day.to_string(), "label": in_words(state, id, day) })).collect()
}

/// A day as the digest writes it.
fn in_words(state: &AppState, digest: &str, day: NaiveDate) -> String {
    let locale = state.subscribers.config().digest(digest).map(|digest| digest.locale.clone());
    format_date(day, &locale.unwrap_or_default())
}

/// The day of a moment in the digest's zone, in words.
pub(super) fn long_date(state: &AppState, digest: &str, moment: UtcMillis) -> String {
    in_words(state, digest, local_day(moment, zone(state, digest)))
}

/// When a pause of four weeks ends, and that day in words.
pub(super) fn four_weeks(state: &AppState, digest: &str) -> (UtcMillis, String) {
    let today = today(state, digest);
    let day = today.checked_add_days(Days::new(28)).unwrap_or(today);
    (start_of_day(day, zone(state, digest)), in_words(state, digest, day))
}

fn zone(state: &AppState, digest: &str) -> Tz {
    state.subscribers.config().digest(digest).map_or(Tz::UTC, crate::config::Digest::timezone)
}

fn today(state: &AppState, digest: &str) -> NaiveDate {
    local_day(state.subscribers.now(), zone(state, digest))
}
