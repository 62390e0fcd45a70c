//! The page of choices for one digest: topics, a pause, leaving. What else there is needs a fresh link, since digests get
//! forwarded; that one leads to the same address.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

use super::form::Form;
use super::language::Link;
use super::pages::{say, title};
use super::unsubscribe::leave;
use super::visitor::Visitor;
use super::when::{day_of, four_weeks, today, zone};
use super::{AppState, manage};
use crate::domain::{Locale, UtcMillis};
use crate::schedule::{local_day, start_of_day};
use crate::subscribers::{Chose, DigestClaim, Leave, Origin, SubscribersError, TokenError, Tokens, Topics, topics_of};
use crate::wording::format_date;

/// How many coming issues are looked at for the end of a pause.
const OFFERED: usize = 14;

/// The time in which stories are counted for each topic.
const LAST_MONTH: Duration = Duration::from_secs(30 * 86_400);

/// What a form asks for; `Err` holds the field that is wrong, and what is said about it.
struct Wish {
    topics: Option<Topics>,
    pause: Pause,
}

enum Pause {
    Keep,
    Until(Option<UtcMillis>),
}

type Wrong = (&'static str, &'static str);

/// What the page says beside the choices.
#[derive(Default)]
struct Said {
    error: Option<Wrong>,
    saved: Option<String>,
}

/// Shows the choices.
pub(super) async fn page(State(state): State<AppState>, link: Link) -> Response {
    let shown = match claim(&state, &link.token) {
        Ok(Whose::Digest(claim)) => show(&state, &claim, StatusCode::OK, Said::default()).await,
        Ok(Whose::Everything(claim)) => manage::show(&state, &claim, &link.token).await,
        Err(error) => return bad(&state, &link, error).await,
    };
    state.answered(&link, shown).await
}

/// Saves them.
pub(super) async fn act(State(state): State<AppState>, link: Link, visitor: Visitor, form: Form) -> Response {
    let done = match claim(&state, &link.token) {
        Ok(Whose::Digest(claim)) => save(&state, &claim, &form, &visitor).await,
        Ok(Whose::Everything(claim)) => manage::act(&state, &claim, &link.token, &form, &visitor).await,
        Err(error) => return bad(&state, &link, error).await,
    };
    state.answered(&link, done).await
}

async fn bad(state: &AppState, link: &Link, error: TokenError) -> Response {
    let locale = state.language_of(link).await;
    match error {
        TokenError::Expired => manage::too_old(state, &locale),
        error => state.bad_link(&locale, error),
    }
}

/// The two kinds of links that lead here.
enum Whose {
    Digest(DigestClaim),
    Everything(crate::subscribers::PersonalClaim),
}

fn claim(state: &AppState, token: &str) -> Result<Whose, TokenError> {
    let tokens = state.subscribers.tokens();
    tokens.verify_preferences(token).map(Whose::Digest).or_else(|error| {
        match tokens.verify_manage(token, state.subscribers.now()) {
            Ok(claim) => Ok(Whose::Everything(claim)),
            Err(TokenError::Expired) => Err(TokenError::Expired),
            Err(_) => Err(error),
        }
    })
}

async fn save(
    state: &AppState,
    claim: &DigestClaim,
    form: &Form,
    visitor: &Visitor,
) -> Result<Response, SubscribersError> {
    match (form.get("leave"), form.get("do")) {
        (Some("digest"), _) => return leave(state, claim, Leave::Digest(&claim.digest), visitor).await,
        (Some("all"), _) => return leave(state, claim, Leave::All, visitor).await,
        (_, Some("link")) => return mail_link(state, claim).await,
        _ => {}
    }
    let wish = match wish(state, claim, form) {
        Ok(wish) => wish,
        Err(wrong) => {
            let said = Said { error: Some(wrong), saved: None };
            return show(state, claim, StatusCode::UNPROCESSABLE_ENTITY, said).await;
        }
    };
    let (before, locale) = state.of_link(claim).await?;
    let until = match wish.pause {
        Pause::Until(until) => until,
        Pause::Keep => before.and_then(|before| before.paused_until),
    };
    let origin = visitor.at(Origin { source: "preferences page", ..Origin::PAGE });
    let chose = state.subscribers.choose(claim, wish.topics.as_ref(), until, origin).await?;
    let saved = match (chose, until) {
        (Chose::NotSubscribed, _) => None,
        (_, Some(until)) => {
            Some(say(&locale, "preferences.saved_paused", &[("date", &day_of(state, &claim.digest, &locale, until))]))
        }
        (_, None) => Some(say(&locale, "preferences.saved", &[])),
    };
    show(state, claim, StatusCode::OK, Said { error: None, saved }).await
}

/// Mails the fresh link, or does not: the page says the same.
async fn mail_link(state: &AppState, claim: &DigestClaim) -> Result<Response, SubscribersError> {
    state.subscribers.mail_manage_link(claim, &*state.notices).await?;
    let (now, locale) = state.of_link(claim).await?;
    if AppState::is_erased(claim, now.as_ref()) {
        return Ok(state.erased(StatusCode::OK, &locale));
    }
    Ok(state.pages.message(StatusCode::OK, &locale, "preferences.link_sent"))
}

fn wish(state: &AppState, claim: &DigestClaim, form: &Form) -> Result<Wish, Wrong> {
    let offered = offered(state, &claim.digest);
    let ticked: BTreeSet<String> = form.all("topics").map(str::to_owned).collect();
    if ticked.iter().any(|topic| !offered.contains(topic)) {
        return Err(("topics", "preferences.wrong.unknown_topic"));
    }
    let topics = match (form.get("offered"), ticked.len()) {
        (None, 0) => None,
        (Some(_), 0) => return Err(("topics", "preferences.wrong.no_topic")),
        (_, count) if count == offered.len() => Some(Topics::All),
        _ => Some(Topics::Only(ticked)),
    };
    let date = form.get("until").filter(|date| !date.is_empty());
    let pause = match (form.get("pause"), date) {
        (Some("no"), _) => Pause::Until(None),
        (Some("4w"), _) => Pause::Until(Some(four_weeks(state, &claim.digest, &Locale::default()).0)),
        (Some("date") | None, Some(date)) => Pause::Until(Some(day(state, &claim.digest, date)?)),
        (Some("keep") | None, _) => Pause::Keep,
        _ => return Err(("pause", "preferences.wrong.no_pause")),
    };
    Ok(Wish { topics, pause })
}

/// The beginning of a day that somebody chose.
fn day(state: &AppState, digest: &str, text: &str) -> Result<UtcMillis, Wrong> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| ("pause", "preferences.wrong.no_day"))?;
    let today = today(state, digest);
    if date <= today || date > latest(today) && !days(state, digest).contains(&date) {
        return Err(("pause", "preferences.wrong.far_day"));
    }
    Ok(start_of_day(date, zone(state, digest)))
}

async fn show(
    state: &AppState,
    claim: &DigestClaim,
    status: StatusCode,
    said: Said,
) -> Result<Response, SubscribersError> {
    let config = state.subscribers.config();
    let test = claim.subscriber == Tokens::nobody();
    let (now, locale) = state.of_link(claim).await?;
    if AppState::is_erased(claim, now.as_ref()) {
        return Ok(state.erased(StatusCode::OK, &locale));
    }
    let has = now.as_ref().map_or(Topics::All, |now| now.topics.clone());
    let unsubscribe = state.subscribers.tokens().unsubscribe(&claim.subscriber, &claim.digest);
    let values = json!({
        "test": test,
        "digest": title(config, &claim.digest),
        "active": test || now.as_ref().is_some_and(|now| now.active),
        "known": now.is_some(),
        "masked": now.as_ref().and_then(|now| now.masked.as_ref()),
        "topics": topics(state, &claim.digest, &has, &locale).await?,
        // Not which: whoever was forwarded a digest shall not learn what else its reader gets.
        "others": now.as_ref().is_some_and(|now| !now.others.is_empty()),
        "paused_until": now.and_then(|now| now.paused_until)
            .map(|until| day_of(state, &claim.digest, &locale, until)),
        "four_weeks": four_weeks(state, &claim.digest, &locale).1,
        "dates": dates(state, &claim.digest, &locale),
        "unsubscribe": format!("{}/unsubscribe/{}", state.pages.base(), unsubscribe.as_str()),
        "error": said.error.map(|(field, key)| json!({ "field": field, "text": say(&locale, key, &[]) })),
        "saved": said.saved,
    });
    Ok(state.pages.page(status, "preferences", &locale, &values))
}

/// The topics to choose from, each with what it brought last month.
async fn topics(state: &AppState, digest: &str, has: &Topics, locale: &Locale) -> Result<Vec<Value>, SubscribersError> {
    let config = state.subscribers.config();
    let offered = offered(state, digest);
    if offered.is_empty() {
        return Ok(Vec::new());
    }
    let counts: BTreeMap<String, i64> = state.subscribers.topic_counts(digest, LAST_MONTH).await?.into_iter().collect();
    let fallback = config.digest(digest).map_or(locale, |digest| &digest.locale);
    let topic = |id: &String| {
        let description = config.topic(id).map(|topic| topic.description.of(locale, fallback));
        let count = counts.get(id).copied().unwrap_or_default().to_string();
        json!({
            "id": id, "title": config.topic_title(id, locale, fallback), "description": description, "chosen": has.has(id),
            // Before the first issue there is nothing to compare.
            "count": if counts.is_empty() { String::new() } else { say(locale, "preferences.last_month", &[("count", &count)]) },
        })
    };
    Ok(offered.iter().map(topic).collect())
}

/// The topics to choose from; one alone is no choice.
fn offered(state: &AppState, digest: &str) -> Vec<String> {
    let config = state.subscribers.config();
    let topics = config.digest(digest).map(|digest| topics_of(config, digest)).unwrap_or_default();
    if topics.len() > 1 { topics } else { Vec::new() }
}

/// The last day on which a pause may end.
fn latest(today: NaiveDate) -> NaiveDate {
    today.checked_add_days(Days::new(366)).unwrap_or(today)
}

/// The days that are offered as the end of a pause.
fn dates(state: &AppState, id: &str, locale: &Locale) -> Vec<Value> {
    let days = days(state, id).into_iter();
    days.map(|day| json!({ "value": day.to_string(), "label": format_date(day, locale) })).collect()
}

/// The days of the issues that a pause may end with: not the next one, which would be no pause. The one after it counts also
/// where it lies further ahead than a pause may else end.
fn days(state: &AppState, id: &str) -> Vec<NaiveDate> {
    let issues = match state.subscribers.config().digest(id) {
        Some(digest) => digest.schedule.upcoming(state.subscribers.now(), OFFERED),
        None => Vec::new(),
    };
    let mut days: Vec<NaiveDate> = issues.into_iter().skip(1).map(|issue| local_day(issue, zone(state, id))).collect();
    days.dedup();
    let today = today(state, id);
    days.retain(|day| *day > today);
    let near = days.iter().take_while(|day| **day <= latest(today)).count();
    days.truncate(near.max(1));
    days
}
