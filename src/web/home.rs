//! The first page: what one gets, the form, and the issue that came last.

use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cadence::cadence;
use super::join::{Fields, Offer, Wrong};
use super::pages::{enumerated, say};
use super::{AppState, headers, language};
use crate::config::{Digest, LocalText};
use crate::domain::Locale;
use crate::store::{Session, StoreError};
use crate::wording::Wording;

/// How many stories of the last issue are listed below its first.
const LISTED: usize = 4;

/// What the address may ask for.
#[derive(Deserialize)]
pub(super) struct Asked {
    digest: Option<String>,
}

/// Shows the form for all public digests, or for the one of `?digest=ID`.
pub(super) async fn page(
    State(state): State<AppState>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let only = asked.ok().and_then(|Query(asked)| asked.digest).filter(|id| !id.is_empty());
    let config = state.subscribers.config();
    let Some(offer) = Offer::new(config, only.as_deref()) else {
        let locale = language::asked_for(&headers, &state.locale(None));
        return match only {
            Some(_) => state.pages.message(StatusCode::NOT_FOUND, &locale, "home.no_such_digest"),
            None => state.pages.message(StatusCode::OK, &locale, "home.nothing_public"),
        };
    };
    let locale = language::asked_for(&headers, &state.locale(offer.digests().first().map(|digest| digest.id.as_str())));
    form(&state, &offer, &locale, StatusCode::OK, None).await
}

/// A form that came back: what was filled in, and what is wrong with it.
pub(super) struct Returned<'a> {
    pub(super) fields: &'a Fields,
    pub(super) wrong: &'a Wrong,
    /// The listed site that it came from.
    pub(super) from_site: Option<&'a str>,
}

/// The page with the form; with what came back, filled in again.
pub(super) async fn form(
    state: &AppState,
    offer: &Offer<'_>,
    locale: &Locale,
    status: StatusCode,
    returned: Option<Returned<'_>>,
) -> Response {
    let (now, text) = (state.subscribers.now(), texts(state, offer, locale));
    let latest = match latest(state, offer, locale).await {
        Ok(latest) => latest,
        // The form matters more than what stands beside it.
        Err(error) => {
            tracing::error!(%error, "the latest issue could not be read for the subscribe page");
            Vec::new()
        }
    };
    let ticked = |name: &str| returned.as_ref().map(|back| back.fields.all(name)).unwrap_or_default();
    let get = |name: &str| returned.as_ref().map(|back| back.fields.get(name).to_owned()).unwrap_or_default();
    let values = json!({
        "index": returned.is_none(),
        "wide": true,
        "heading": text.heading,
        "intro": text.intro,
        "cadence": offer.only().and_then(|digest| cadence(digest, now, locale)),
        "digests": offer.digest_rows(&ticked("digests"), now, locale),
        "topics": offer.topic_rows(&ticked("topics"), locale),
        "only": offer.only().map(|digest| &digest.id),
        "stamp": state.subscribers.tokens().form(now).as_str(),
        "page_locale": locale.as_str(),
        "from_site": returned.as_ref().and_then(|back| back.from_site),
        "email": get("email"),
        "name": get("name"),
        "error": returned.as_ref().map(|back| json!({ "field": back.wrong.field, "text": back.wrong.sentence(locale) })),
        "latest": latest,
        "captcha": captcha(state),
        "test": false,
    });
    let mut response = state.pages.page(status, "home", locale, &values);
    let headers = response.headers_mut();
    // Said here, so that the page may be found: whatever says nothing is for nobody else.
    if status == StatusCode::OK {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(VARY, HeaderValue::from_static("Accept-Language"));
    allow_captcha(state, headers);
    response
}

/// The widget of a CAPTCHA, for the template.
pub(super) fn captcha(state: &AppState) -> Value {
    let captcha = state.subscribers.config().subscribe.captcha.as_ref();
    captcha.map_or(
        Value::Null,
        |captcha| json!({ "script": captcha.script_url, "class": captcha.class, "site_key": captcha.site_key }),
    )
}

/// Lets the widget of a CAPTCHA load, and tell its provider which site it is on.
pub(super) fn allow_captcha(state: &AppState, headers: &mut HeaderMap) {
    let Some(captcha) = &state.subscribers.config().subscribe.captcha else { return };
    if let Ok(policy) = HeaderValue::from_str(&headers::policy_with(captcha)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    }
}

/// What the page says on top, which is also what somebody has read who joins here.
pub(super) struct Texts {
    heading: String,
    intro: String,
    topics_hint: Option<String>,
}

impl Texts {
    /// All that the form says on what will happen, for the evidence.
    pub(super) fn evidence(&self, choice: &str, locale: &Locale) -> String {
        let said = |key: &str| say(locale, key, &[]);
        let (hint, button, small) = (said("home.email_hint"), said("home.button"), said("home.small"));
        let topics = self.topics_hint.as_ref().map(|hint| format!("{hint}\n")).unwrap_or_default();
        format!("{}\n{}\n{hint}\n{topics}{choice}\n[{button}]\n{small}", self.heading, self.intro)
    }
}

/// The operator's own words where there are some; else what the schedule and the titles say.
pub(super) fn texts(state: &AppState, offer: &Offer<'_>, locale: &Locale) -> Texts {
    let config = state.subscribers.config();
    let fallback = offer.digests().first().map_or(locale, |digest| &digest.locale);
    let own = |text: &LocalText| (!text.is_empty()).then(|| text.of(locale, fallback).to_owned());
    let heading = own(&config.web.heading).unwrap_or_else(|| match offer.only() {
        Some(digest) => say(locale, "home.heading", &[("digest", &digest.title)]),
        None => say(locale, "home.heading_of_several", &[("sender", &config.sender.name)]),
    });
    let intro = own(&config.web.intro).unwrap_or_else(|| match offer.only() {
        Some(digest) => intro(state, digest, locale),
        None => say(locale, "home.intro_of_several", &[]),
    });
    let topics_hint = (!offer.topics().is_empty()).then(|| say(locale, "home.topics_hint", &[]));
    Texts { heading, intro, topics_hint }
}

/// What one gets, made of the digest's topics.
fn intro(state: &AppState, digest: &Digest, locale: &Locale) -> String {
    let config = state.subscribers.config();
    let title = |topic: &String| config.topic_title(topic, locale, &digest.locale);
    let topics: Vec<String> = crate::subscribers::topics_of(config, digest).iter().map(title).collect();
    let sender = &digest.sender.name;
    match topics.len() {
        0 | 1 => say(locale, "home.intro", &[("sender", sender)]),
        _ => say(locale, "home.intro_with_topics", &[("sender", sender), ("topics", &enumerated(locale, &topics))]),
    }
}

/// The last issue of each digest that has one in the archive, with its first stories.
async fn latest(state: &AppState, offer: &Offer<'_>, locale: &Locale) -> Result<Vec<Value>, StoreError> {
    let mut session = state.subscribers.store().read().await?;
    let mut issues = Vec::new();
    for digest in offer.digests() {
        if let Some(issue) = latest_of(state, &mut session, digest, locale, offer.only().is_some()).await? {
            issues.push(issue);
        }
    }
    Ok(issues)
}

async fn latest_of(
    state: &AppState,
    session: &mut Session,
    digest: &Digest,
    locale: &Locale,
    alone: bool,
) -> Result<Option<Value>, StoreError> {
    let Some(issue) = session.latest_archived(&digest.id).await? else { return Ok(None) };
    let mut articles = session.issue_articles(issue.id).await?;
    // A story of several sources is there for each of them.
    let mut seen = std::collections::HashSet::new();
    articles.retain(|article| seen.insert(article.canonical.clone()));
    let config = state.subscribers.config();
    let is_choice = crate::subscribers::topics_of(config, digest).len() > 1;
    let topic = |id: &str| is_choice.then(|| config.topic_title(id, locale, &digest.locale));
    let story = |article: &crate::store::StoryRow| json!({ "title": article.title, "topic": topic(&article.topic) });
    let listed = if alone { LISTED } else { 0 };
    let date = NaiveDate::parse_from_str(&issue.issue_date, "%Y-%m-%d");
    Ok(Some(json!({
        "digest": digest.title,
        "date": date.map_or(issue.issue_date.clone(), |date| Wording::of(locale).date(date, true)),
        "lead": articles.first().map_or(issue.subject.as_str(), |article| article.title.as_str()),
        "stories": articles.iter().skip(1).take(listed).map(story).collect::<Vec<_>>(),
        "count": articles.len(),
        "url": issue_url(state, &digest.id, issue.number),
    })))
}

/// Where an issue is kept for everybody.
pub(super) fn issue_url(state: &AppState, digest: &str, number: i64) -> String {
    format!("{}/archive/{digest}/{number}", state.pages.base())
}

/// Where the last issue of a digest is kept; none before there is one.
pub(super) async fn latest_issue_url(state: &AppState, digest: &str) -> Result<Option<String>, StoreError> {
    if !state.subscribers.config().digest(digest).is_some_and(|digest| digest.public) {
        return Ok(None);
    }
    let latest = state.subscribers.store().read().await?.latest_archived(digest).await?;
    Ok(latest.map(|issue| issue_url(state, digest, issue.number)))
}
