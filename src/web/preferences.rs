//! `/preferences/{token}`: the topics of a digest, a pause, and the way out.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use chrono::NaiveDate;
use serde::Serialize;
use tera::Context;

use super::{AppState, PageError, answer, fields, now, values};
use crate::domain::UtcMillis;
use crate::render::format_date;
use crate::schedule::{local_day, start_of_day};
use crate::subscribers::{Chose, DigestClaim, Origin, Tokens, Topics, topics_of};

pub(super) const FOUR_WEEKS: Duration = Duration::from_secs(28 * 24 * 3600);

/// How many coming issues a pause can end at.
const DATES: usize = 12;

/// The longest pause that a form can ask for.
const LONGEST: Duration = Duration::from_secs(2 * 366 * 24 * 3600);

#[derive(Serialize)]
struct Topic {
    id: String,
    title: String,
    description: String,
    chosen: bool,
}

#[derive(Serialize)]
struct Day {
    value: String,
    label: String,
}

/// The page. It changes nothing, whoever asks.
pub(super) async fn show(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    let claim = state.subscribers().tokens().verify_preferences(&token);
    let result = match claim {
        Ok(claim) => page(&state, &claim, None).await,
        Err(error) => Err(error.into()),
    };
    answer(&state, result)
}

async fn page(state: &AppState, claim: &DigestClaim, saved: Option<&str>) -> Result<Response, PageError> {
    let subscribers = state.subscribers();
    let config = subscribers.config();
    let found = subscribers.preferences(claim).await?;
    let digest = config.digest(&claim.digest);
    let all = digest.map(|digest| topics_of(config, digest)).unwrap_or_default();
    let topics: Vec<Topic> = all
        .into_iter()
        .map(|id| Topic {
            title: config.topic_title(&id),
            description: config
                .topics
                .iter()
                .find(|topic| topic.id == id)
                .map(|t| t.description.clone())
                .unwrap_or_default(),
            chosen: found.as_ref().is_some_and(|found| found.topics.has(&id)),
            id,
        })
        .collect();
    let dates: Vec<Day> = digest
        .map(|digest| digest.schedule.upcoming(now(state), DATES))
        .unwrap_or_default()
        .into_iter()
        .skip(1)
        .map(|at| Day {
            value: digest.map_or_else(String::new, |d| local_day(at, d.timezone()).to_string()),
            label: day(state, claim, at),
        })
        .collect();
    let mut context = Context::new();
    context.insert("error", &None::<()>);
    context.insert("saved", &saved);
    context.insert("digest", &digest.map_or(&claim.digest, |digest| &digest.title));
    let test = claim.subscriber == Tokens::nobody();
    context.insert("test", &test);
    context.insert("active", &(test || found.as_ref().is_some_and(|found| found.active)));
    context.insert("masked", &found.as_ref().map_or("this address", |found| &found.masked));
    context.insert("topics", &(topics.len() > 1).then_some(topics));
    let paused = found.as_ref().and_then(|found| found.paused_until);
    context.insert("paused_until", &paused.map(|until| format!("until {}", day(state, claim, until))));
    context.insert("four_weeks", &format!("until {}", day(state, claim, now(state).plus(FOUR_WEEKS))));
    context.insert("dates", &dates);
    context.insert("unsubscribe", &subscribers.tokens().unsubscribe_url(&claim.subscriber, &claim.digest));
    Ok(state.pages().show(StatusCode::OK, "preferences", context))
}

/// Saves topics and pause, and shows the page again.
pub(super) async fn act(
    State(state): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = fields(headers.get(header::CONTENT_TYPE), &body);
    answer(&state, save(&state, &token, &fields).await)
}

async fn save(state: &AppState, token: &str, fields: &[(String, String)]) -> Result<Response, PageError> {
    let subscribers = state.subscribers();
    let claim = subscribers.tokens().verify_preferences(token)?;
    let topics = topics(state, &claim, fields)?;
    let pause = pause(state, &claim, fields).await?;
    let saved = match subscribers.choose(&claim, topics.as_ref(), pause, Origin::PAGE).await? {
        Chose::Now => Some("Saved. It counts from now on."),
        Chose::Already => Some("Saved. Nothing was different."),
        Chose::NotSubscribed => None,
    };
    page(state, &claim, saved).await
}

/// The topics that were ticked; all of them means those that come later too. `None`: the form did not offer any.
fn topics(state: &AppState, claim: &DigestClaim, fields: &[(String, String)]) -> Result<Option<Topics>, PageError> {
    if values(fields, "offered").all(|offered| offered != "topics") {
        return Ok(None);
    }
    let config = state.subscribers().config();
    let all = config.digest(&claim.digest).map(|digest| topics_of(config, digest)).unwrap_or_default();
    let chosen: Vec<String> = values(fields, "topics").map(str::to_owned).collect();
    if chosen.iter().any(|topic| !all.contains(topic)) {
        return Err(PageError::Form(
            "One of these topics is not offered any more. Go back, reload the page, and choose again.",
        ));
    }
    let every = all.iter().all(|topic| chosen.contains(topic));
    Ok(Some(if every { Topics::All } else { Topics::Only(chosen.into_iter().collect()) }))
}

/// The end of the pause that was asked for; `None`: no pause.
async fn pause(
    state: &AppState,
    claim: &DigestClaim,
    fields: &[(String, String)],
) -> Result<Option<UtcMillis>, PageError> {
    let now = now(state);
    let bad = PageError::Form("The day on which the pause ends could not be read. Go back and choose one of the list.");
    match values(fields, "pause").next() {
        Some("4w") => Ok(Some(now.plus(FOUR_WEEKS))),
        Some("keep") => Ok(state.subscribers().preferences(claim).await?.and_then(|found| found.paused_until)),
        Some("date") => {
            let day = values(fields, "until").next().and_then(|day| day.parse::<NaiveDate>().ok()).ok_or(bad)?;
            let zone = state
                .subscribers()
                .config()
                .digest(&claim.digest)
                .map_or(chrono_tz::UTC, crate::config::Digest::timezone);
            let until = start_of_day(day, zone);
            if until > now.plus(LONGEST) {
                return Err(PageError::Form("A pause can last two years at most. Go back and choose an earlier day."));
            }
            Ok(Some(until))
        }
        Some("no") | None => Ok(None),
        Some(_) => Err(bad),
    }
}

/// A moment as a day in the digest's zone and language.
pub(super) fn day(state: &AppState, claim: &DigestClaim, at: UtcMillis) -> String {
    match state.subscribers().config().digest(&claim.digest) {
        Some(digest) => format_date(local_day(at, digest.timezone()), &digest.locale),
        None => at.to_utc().format("%Y-%m-%d").to_string(),
    }
}
