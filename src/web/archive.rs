//! The archive: the past issues of public digests, as lists. It knows of no reader, and shows everybody the same.

use std::collections::BTreeMap;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::AppState;
use super::pages::{fingerprint, not_found};
use crate::config::Digest;
use crate::domain::{Locale, UtcMillis};
use crate::schedule::local_day;
use crate::store::{ArchivedRow, Session, StoreError};
use crate::wording::format_date;

/// How many issues a list has on one page.
const PAGE: usize = 50;

/// How many issues of each digest the page of all digests has.
const LATEST: i64 = 5;

/// What comes of a request for the archive: a page, or nothing that is there.
pub(super) type Answer = Result<Option<Response>, Box<dyn std::error::Error + Send + Sync>>;

/// Sends it.
pub(super) async fn respond(state: AppState, answer: Answer) -> Response {
    match answer {
        Ok(Some(response)) => response,
        Ok(None) => not_found(State(state)).await,
        Err(error) => {
            tracing::error!(%error, "a page of the archive could not be served");
            state.pages.message(StatusCode::SERVICE_UNAVAILABLE, &state.locale(None), "failed")
        }
    }
}

/// A digest whose issues anybody may see.
pub(super) fn public<'a>(state: &'a AppState, id: &str) -> Option<&'a Digest> {
    state.subscribers.config().digest(id).filter(|digest| digest.public)
}

/// The address of a digest's archive.
pub(super) fn archive_url(state: &AppState, digest: &Digest) -> String {
    format!("{}/archive/{}", state.subscribers.config().server.public_url, digest.id)
}

/// Where one subscribes to a digest.
pub(super) fn subscribe_url(state: &AppState, digest: &Digest) -> String {
    format!("{}/?digest={}", state.subscribers.config().server.public_url, digest.id)
}

/// The latest issues of all public digests; of one, its list.
pub(super) async fn index(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let answer = all(&state, &headers).await;
    respond(state, answer).await
}

/// The issues of a digest, a page at a time.
pub(super) async fn list(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answer = match asked(path, query.as_deref()) {
        Some((id, before)) => one(&state, &id, before, &headers).await,
        None => Ok(None),
    };
    respond(state, answer).await
}

async fn all(state: &AppState, headers: &HeaderMap) -> Answer {
    let digests: Vec<&Digest> = state.subscribers.config().digests.iter().filter(|digest| digest.public).collect();
    if let [only] = digests.as_slice() {
        return Ok(Some(Redirect::to(&archive_url(state, only)).into_response()));
    }
    if digests.is_empty() {
        return Ok(None);
    }
    let mut session = state.subscribers.store().read().await?;
    let mut lists = Vec::with_capacity(digests.len());
    for digest in &digests {
        let rows = session.archived_issues(&digest.id, i64::MAX, LATEST).await?;
        lists.push(json!({
            "id": digest.id,
            "title": digest.title,
            "url": archive_url(state, digest),
            "subscribe": subscribe_url(state, digest),
            "issues": rows.iter().map(|row| entry(state, digest, row)).collect::<Vec<_>>(),
        }));
    }
    let canonical = format!("{}/archive", state.subscribers.config().server.public_url);
    let values = json!({ "digests": lists, "canonical": canonical, "test": false });
    page(state, headers, "archive-all", &state.locale(None), &values).map(Some)
}

async fn one(state: &AppState, id: &str, before: i64, headers: &HeaderMap) -> Answer {
    let Some(digest) = public(state, id) else { return Ok(None) };
    let mut session = state.subscribers.store().read().await?;
    let (rows, more) = part(&mut session, digest, before, PAGE).await?;
    let (count, since) = session.archived_count(id).await?;
    drop(session);
    let archive = archive_url(state, digest);
    let older = rows.last().filter(|_| more).map(|row| format!("{archive}?before={}", row.number));
    let since = since.and_then(|day| day.parse().ok()).map(|day| format_date(day, &digest.locale));
    let values = json!({
        "test": false,
        "digest": { "id": digest.id, "title": digest.title },
        "canonical": if before == i64::MAX { archive.clone() } else { format!("{archive}?before={before}") },
        "is_first": before == i64::MAX,
        "archive": archive,
        "feed": format!("{archive}/feed.xml"),
        "subscribe": subscribe_url(state, digest),
        "count": count,
        "since": since,
        "years": years(rows.iter().map(|row| (row.issue_date.get(..4).unwrap_or_default(), entry(state, digest, row)))),
        "older": older,
    });
    page(state, headers, "archive", &digest.locale, &values).map(Some)
}

/// An issue as the lists show it.
fn entry(state: &AppState, digest: &Digest, row: &ArchivedRow) -> Value {
    let date = row.issue_date.parse().map(|day| format_date(day, &digest.locale)).unwrap_or_default();
    json!({
        "url": format!("{}/{}", archive_url(state, digest), row.number),
        "number": row.number,
        "title": row.subject,
        "day": row.issue_date,
        "date": date,
        "stories": row.articles,
    })
}

/// The issues under the years that they are of, in their order.
fn years<'a>(issues: impl Iterator<Item = (&'a str, Value)>) -> Vec<Value> {
    let mut years: Vec<(&str, Vec<Value>)> = Vec::new();
    for (year, issue) in issues {
        match years.last_mut() {
            Some((last, issues)) if *last == year => issues.push(issue),
            _ => years.push((year, vec![issue])),
        }
    }
    years.into_iter().map(|(year, issues)| json!({ "year": year, "issues": issues })).collect()
}

/// Which part of a digest's issues a request asks for: the digest's id, and the number below which it begins. `None`: nothing
/// that there can be.
pub(super) fn asked(path: Result<Path<String>, PathRejection>, query: Option<&str>) -> Option<(String, i64)> {
    let Path(digest) = path.ok()?;
    Some((digest, before(query)?))
}

/// The issues of a part, at most `size`, the newest first, and whether there are older ones.
pub(super) async fn part(
    session: &mut Session,
    digest: &Digest,
    before: i64,
    size: usize,
) -> Result<(Vec<ArchivedRow>, bool), StoreError> {
    let limit = i64::try_from(size + 1).unwrap_or(i64::MAX);
    let mut rows = session.archived_issues(&digest.id, before, limit).await?;
    let more = rows.len() > size;
    rows.truncate(size);
    Ok((rows, more))
}

/// The number below which a page of a list begins; `None`: it is not a number.
fn before(query: Option<&str>) -> Option<i64> {
    let query = query.unwrap_or_default();
    let mut given = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "before");
    given.next().map_or(Some(i64::MAX), |(_, value)| value.parse().ok().filter(|number| *number > 0))
}

/// A page from its template.
pub(super) fn page(
    state: &AppState,
    headers: &HeaderMap,
    name: &str,
    locale: &Locale,
    values: &Value,
) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    let html = state.pages.render(&format!("{name}.html"), locale, values)?;
    Ok(asked_again(headers, "text/html; charset=utf-8", html))
}

/// An answer that anybody may keep, and has to ask after each time: what is withdrawn is gone at once.
pub(super) fn asked_again(headers: &HeaderMap, kind: &'static str, body: String) -> Response {
    let tag = fingerprint(body.as_bytes());
    if is_known(headers, &tag) { unchanged(&tag) } else { tagged(&tag, kind, body) }
}

/// Whether whoever asks has the state of that tag.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|tags| tags.split(',')).map(|known| known.trim().trim_start_matches("W/"));
    known.any(|known| known.trim_matches('"') == tag)
}

/// The answer to whoever has it.
pub(super) fn unchanged(tag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, kept(tag)).into_response()
}

/// The answer to whoever has another state, or none.
pub(super) fn tagged(tag: &str, kind: &'static str, body: String) -> Response {
    (kept(tag), [(CONTENT_TYPE, kind)], body).into_response()
}

fn kept(tag: &str) -> [(HeaderName, String); 2] {
    [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, format!("\"{tag}\""))]
}

/// Lets a page show pictures from the sources of its articles. Those without TLS only where we have none either, on one's own
/// machine.
pub(super) fn with_pictures(state: &AppState, mut response: Response) -> Response {
    let pictures = if has_tls(state) { "https:" } else { "https: http:" };
    let policy = super::headers::POLICY.replace("img-src 'self'", &format!("img-src 'self' {pictures}"));
    if let Ok(policy) = policy.parse() {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Whether readers reach the pages by TLS.
pub(super) fn has_tls(state: &AppState) -> bool {
    state.subscribers.config().server.public_url.starts_with("https:")
}

/// How many articles were withdrawn from an issue on which days, as sentences.
pub(super) async fn withdrawals(
    session: &mut Session,
    digest: &Digest,
    issue: i64,
    locale: &Locale,
) -> Result<Vec<String>, StoreError> {
    let events = session.issue_events(issue).await?;
    let withdrawn = events.iter().filter(|event| event.event == "withdrawn").map(|event| event.at);
    Ok(notes(digest, locale, withdrawn))
}

/// What is said of articles that were withdrawn then: a sentence for each day.
pub(super) fn notes(digest: &Digest, locale: &Locale, withdrawn: impl Iterator<Item = UtcMillis>) -> Vec<String> {
    let mut days = BTreeMap::<_, u32>::new();
    for at in withdrawn {
        *days.entry(local_day(at, digest.timezone())).or_default() += 1;
    }
    let note = |(day, count): (_, u32)| {
        let values = [("date", &*format_date(day, locale)), ("count", &count.to_string())];
        super::pages::say(locale, "archive.withdrawn", &values)
    };
    days.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_begins_below_a_number_or_at_the_top() {
        assert_eq!([before(None), before(Some("utm_source=x"))], [Some(i64::MAX); 2]);
        assert_eq!(before(Some("a=b&before=12")), Some(12));
        for bad in ["before=", "before=-1", "before=0", "before=x", "before=99999999999999999999"] {
            assert_eq!(before(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn whoever_has_the_same_already_is_told_so() {
        let first = asked_again(&HeaderMap::new(), "text/html", "one".to_owned());
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        let ask = |tags: String| HeaderMap::from_iter([(IF_NONE_MATCH, tags.parse().unwrap())]);
        let again = |tags: String, body: &str| asked_again(&ask(tags), "text/html", body.to_owned()).status();
        assert_eq!(again(tag.clone(), "one"), StatusCode::NOT_MODIFIED);
        assert_eq!(again(format!("\"x\", W/{tag}"), "one"), StatusCode::NOT_MODIFIED);
        assert_eq!(again(tag, "two"), StatusCode::OK);
    }
}
