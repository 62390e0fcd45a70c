//! The page behind the link that is mailed to an address for an hour: all digests, name and language, the address, the
//! data, and erasing it.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::form::Form;
use super::join::{self, Barred};
use super::pages::{enumerated, say, title};
use super::unsubscribe::leave;
use super::visitor::Visitor;
use super::when::{day_of, time_of};
use super::{AppState, cadence};
use crate::config::Digest;
use crate::domain::{EmailAddress, Locale, SubscriberState, SubscriptionState};
use crate::store::SubscriptionRow;
use crate::subscribers::{
    ADDRESSES_WINDOW, ChangeAsked, DigestClaim, Erased, Leave, MANAGE_LIFETIME, Managed, NAME_LIMIT, Origin,
    PersonalClaim, Reader, SubscribersError, Taken, Topics,
};

/// What the page says beside what it shows.
#[derive(Default)]
struct Said {
    saved: Option<&'static str>,
    /// The field that is wrong, what is said about it, and what was typed.
    error: Option<(&'static str, &'static str, String)>,
}

/// The page of a link that is too old: a new one is mailed to whoever asks.
pub(super) fn too_old(state: &AppState, locale: &Locale) -> Response {
    state.message_to(StatusCode::GONE, locale, "manage.too_old", ("/preferences", "manage.too_old.link"))
}

/// Shows everything.
pub(super) async fn show(state: &AppState, claim: &PersonalClaim, token: &str) -> Result<Response, SubscribersError> {
    render(state, claim, token, StatusCode::OK, Said::default()).await
}

/// Does what one of the forms asks for.
pub(super) async fn act(
    state: &AppState,
    claim: &PersonalClaim,
    token: &str,
    form: &Form,
    visitor: &Visitor,
) -> Result<Response, SubscribersError> {
    let Some(managed) = state.subscribers.managed(claim).await? else { return Ok(gone(state, claim).await) };
    let locale = person_locale(state, &managed, claim);
    let origin = visitor.at(Origin { source: "manage page", ..Origin::PAGE });
    let subscribers = &state.subscribers;
    match form.get("do") {
        Some("join") => {
            let digest = form.get("digest").unwrap_or_default();
            let wording = joining(state, digest, &locale);
            match subscribers.take_up(claim, digest, &wording, origin).await? {
                Taken::Now | Taken::Already => saved(state, claim, token, "manage.joined").await,
                Taken::Refused => wrong(state, claim, token, ("digests", "manage.wrong.digest", String::new())).await,
            }
        }
        Some("profile") => {
            let name = form.get("name").unwrap_or_default();
            if name.chars().count() > NAME_LIMIT || name.chars().any(char::is_control) {
                return wrong(state, claim, token, ("name", "manage.wrong.name", String::new())).await;
            }
            let code = form.get("locale").unwrap_or_default();
            let chosen = match code {
                "" => None,
                code => match Locale::parse(code) {
                    Ok(locale) => Some(locale),
                    Err(_) => {
                        return wrong(state, claim, token, ("locale", "manage.wrong.locale", String::new())).await;
                    }
                },
            };
            subscribers.set_profile(claim, name, chosen.as_ref(), origin).await?;
            saved(state, claim, token, "manage.saved").await
        }
        Some("address") => address(state, claim, token, form, visitor).await,
        Some("data") => data(state, claim).await,
        Some("erase") if form.get("sure") == Some("yes") => match subscribers.erase(claim).await? {
            Erased::Now | Erased::Already => Ok(state.pages.message(StatusCode::OK, &locale, "erase.done")),
            Erased::Unknown | Erased::Moved(_) => Ok(gone(state, claim).await),
        },
        Some("erase") => {
            let values = json!({ "address": managed.row.email, "back": here(state, token), "test": false });
            Ok(state.pages.page(StatusCode::OK, "erase", &locale, &values))
        }
        Some("leave") => {
            let claim = DigestClaim { subscriber: claim.subscriber.clone(), digest: claim.digest.clone() };
            leave(state, &claim, Leave::All, visitor).await
        }
        _ => wrong(state, claim, token, ("digests", "manage.wrong.nothing", String::new())).await,
    }
}

/// Asks for another address. It may be anybody's: what is answered, and when, does not depend on whose it is.
async fn address(
    state: &AppState,
    claim: &PersonalClaim,
    token: &str,
    form: &Form,
    visitor: &Visitor,
) -> Result<Response, SubscribersError> {
    let typed = form.get("email").unwrap_or_default();
    let wrong = |key| wrong(state, claim, token, ("email", key, typed.to_owned()));
    let Ok(new) = EmailAddress::parse(typed) else { return wrong("manage.wrong.email").await };
    if form.get("kept").is_none()
        && let Some(meant) = new.suggestion()
    {
        let locale = state.language_for(&Reader::from(claim)).await;
        return Ok(did_you_mean(state, &locale, token, &new, &meant));
    }
    match join::bar_known(state, visitor, &new).await {
        Ok(()) => {}
        Err(Barred::Later(wait)) => {
            let locale = state.language_for(&Reader::from(claim)).await;
            let mut response = state.pages.message(StatusCode::TOO_MANY_REQUESTS, &locale, "lost.later");
            join::come_back(&mut response, wait);
            return Ok(response);
        }
        Err(Barred::NoSuchDomain | Barred::Captcha | Barred::Failed) => return wrong("manage.wrong.email").await,
    }
    let origin = visitor.at(Origin { source: "manage page", ..Origin::PAGE });
    join::in_steps(async {
        match state.subscribers.ask_address_change(claim, &new, origin, &*state.notices).await? {
            ChangeAsked::Asked => saved(state, claim, token, "manage.address_asked").await,
            ChangeAsked::Same => wrong("manage.wrong.same").await,
            ChangeAsked::TooOften => {
                let mut response = wrong("manage.wrong.many_addresses").await?;
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                join::come_back(&mut response, ADDRESSES_WINDOW);
                Ok(response)
            }
            ChangeAsked::Stale => Ok(gone(state, claim).await),
        }
    })
    .await
}

/// The page that asks back about an address that looks mistyped, as the form for signing up has it.
fn did_you_mean(
    state: &AppState,
    locale: &Locale,
    token: &str,
    typed: &EmailAddress,
    meant: &EmailAddress,
) -> Response {
    let button = |key: &str, address: &EmailAddress| {
        let text = say(locale, &format!("join.typo.{key}"), &[("address", address.as_str())]);
        json!({ "text": text, "name": "email", "value": address.as_str(), "primary": key == "take" })
    };
    let values = json!({
        "heading": say(locale, "join.typo.heading", &[("address", meant.as_str())]),
        "text": say(locale, "join.typo.text", &[("address", typed.as_str())]),
        "hidden": [{ "name": "do", "value": "address" }, { "name": "kept", "value": "yes" }],
        "buttons": [button("take", meant), button("keep", typed)], "action": here(state, token), "test": false,
    });
    state.pages.page(StatusCode::OK, "question", locale, &values)
}

/// Everything as a file.
async fn data(state: &AppState, claim: &PersonalClaim) -> Result<Response, SubscribersError> {
    let Some(held) = state.subscribers.data(claim).await? else { return Ok(gone(state, claim).await) };
    let mut text = serde_json::to_string_pretty(&held).unwrap_or_default();
    text.push('\n');
    let headers = [
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
    ];
    Ok((headers, text).into_response())
}

async fn saved(
    state: &AppState,
    claim: &PersonalClaim,
    token: &str,
    key: &'static str,
) -> Result<Response, SubscribersError> {
    render(state, claim, token, StatusCode::OK, Said { saved: Some(key), error: None }).await
}

async fn wrong(
    state: &AppState,
    claim: &PersonalClaim,
    token: &str,
    error: (&'static str, &'static str, String),
) -> Result<Response, SubscribersError> {
    render(state, claim, token, StatusCode::UNPROCESSABLE_ENTITY, Said { saved: None, error: Some(error) }).await
}

async fn render(
    state: &AppState,
    claim: &PersonalClaim,
    token: &str,
    status: StatusCode,
    said: Said,
) -> Result<Response, SubscribersError> {
    let Some(managed) = state.subscribers.managed(claim).await? else { return Ok(gone(state, claim).await) };
    let locale = person_locale(state, &managed, claim);
    let config = state.subscribers.config();
    let until = claim.at.plus(MANAGE_LIFETIME);
    let digests: Vec<Value> =
        config.digests.iter().filter_map(|digest| shown(state, &managed, &digest.id, &locale)).collect();
    let languages = Locale::known().into_iter().map(|code| {
        let key = format!("language.{code}");
        // An operator's locale says its name itself.
        let own = Locale::parse(code).unwrap_or_default();
        let names = [say(&locale, &key, &[]), say(&own, &key, &[])];
        let text = names.into_iter().find(|name| *name != key).unwrap_or_else(|| code.to_owned());
        json!({ "code": code, "text": text, "chosen": managed.row.locale.as_deref() == Some(code) })
    });
    let active = managed.row.state == SubscriberState::Confirmed
        && managed.subscriptions.iter().any(|have| have.state != SubscriptionState::Left);
    let values = json!({
        "test": false, "address": managed.row.email, "name": managed.row.name, "name_limit": NAME_LIMIT,
        "digests": digests, "languages": languages.collect::<Vec<_>>(), "active": active,
        "time": time_of(state, &claim.digest, until), "here": here(state, token),
        "saved": said.saved.map(|key| say(&locale, key, &[])),
        "typed": said.error.as_ref().map(|(_, _, typed)| typed),
        "error": said.error.as_ref().map(|(field, key, _)| json!({ "field": field, "text": say(&locale, key, &[]) })),
    });
    Ok(state.pages.page(status, "manage", &locale, &values))
}

/// A digest as a line: what they get of it, or the button that subscribes. One that is not public is shown to those who
/// have or had it.
fn shown(state: &AppState, managed: &Managed, id: &str, locale: &Locale) -> Option<Value> {
    let config = state.subscribers.config();
    let digest = config.digest(id)?;
    let have = managed.subscriptions.iter().find(|have| have.digest == id);
    if !digest.public && have.is_none() {
        return None;
    }
    let confirmed = managed.row.state == SubscriberState::Confirmed;
    let gets = have.filter(|have| confirmed && have.state != SubscriptionState::Left);
    let link = state.subscribers.tokens().preferences(&managed.row.public_id, id);
    let text = match gets {
        Some(have) => getting(state, have, digest, locale),
        None => cadence::cadence(digest, state.subscribers.now(), locale).unwrap_or_default(),
    };
    let change = gets.map(|_| format!("{}/preferences/{}", state.pages.base(), link.as_str()));
    Some(json!({ "id": id, "title": digest.title, "text": text, "change": change }))
}

fn getting(state: &AppState, have: &SubscriptionRow, digest: &Digest, locale: &Locale) -> String {
    let topics = match Topics::parse(&have.topics) {
        Topics::All => say(locale, "manage.all_topics", &[]),
        Topics::Only(topics) => {
            let config = state.subscribers.config();
            let title = |topic: &String| config.topic_title(topic, locale, &digest.locale);
            enumerated(locale, &topics.iter().map(title).collect::<Vec<_>>())
        }
    };
    let now = state.subscribers.now();
    match have.paused_until.filter(|until| have.state == SubscriptionState::Paused && *until > now) {
        Some(until) => {
            let date = day_of(state, &have.digest, locale, until);
            say(locale, "manage.paused", &[("topics", &topics), ("date", &date)])
        }
        None => say(locale, "manage.getting", &[("topics", &topics)]),
    }
}

/// What somebody agrees to who presses the button beside a digest.
fn joining(state: &AppState, digest: &str, locale: &Locale) -> String {
    let config = state.subscribers.config();
    let cadence = config.digest(digest).and_then(|digest| cadence::cadence(digest, state.subscribers.now(), locale));
    format!("{} {} [{}]", title(config, digest), cadence.unwrap_or_default(), say(locale, "manage.join", &[]))
}

/// The page for a link that was for an address which has changed, or for somebody who is erased.
async fn gone(state: &AppState, claim: &PersonalClaim) -> Response {
    let locale = state.language_for(&Reader::from(claim)).await;
    state.pages.message(StatusCode::GONE, &locale, "manage.gone")
}

fn here(state: &AppState, token: &str) -> String {
    format!("{}/preferences/{token}", state.pages.base())
}

fn person_locale(state: &AppState, managed: &Managed, claim: &PersonalClaim) -> Locale {
    let own = managed.row.locale.as_deref().and_then(|code| Locale::parse(code).ok());
    state.locale_for(own.as_ref(), &claim.digest)
}
