//! The page of one issue: the same frozen content as its mails, and nothing that is anybody's.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::AppState;
use super::archive::{Answer, archive_url, has_tls, page, public, respond, subscribe_url, with_pictures, withdrawals};
use crate::compose::IssuePage;
use crate::config::Digest;
use crate::domain::{Locale, PublicId};
use crate::render::{Frame, web_view};
use crate::store::{ArchivedRow, PageRow, Session, StoreError};

/// Shows it.
pub(super) async fn show(
    State(state): State<AppState>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let answer = match path {
        Ok(Path((digest, issue))) => issue_page(&state, &digest, &issue, &headers).await,
        Err(_) => Ok(None),
    };
    respond(state, answer).await
}

async fn issue_page(state: &AppState, digest: &str, issue: &str, headers: &HeaderMap) -> Answer {
    let Some(digest) = public(state, digest) else { return Ok(None) };
    let mut session = state.subscribers.store().read().await?;
    let Some((number, is_canonical)) = number(&mut session, digest, issue).await? else { return Ok(None) };
    let Some(row) = archived(&mut session, digest, number).await? else { return Ok(None) };
    if !is_canonical {
        return Ok(Some(Redirect::permanent(&format!("{}/{number}", archive_url(state, digest))).into_response()));
    }
    let Some((mut view, locale)) = view(state, &mut session, digest, &row).await? else { return Ok(None) };
    let older = session.archived_issues(&digest.id, number, 1).await?.pop();
    let newer = session.newer_issue(&digest.id, number).await?;
    let notes = withdrawals(&mut session, digest, row.id, &locale).await?;
    drop(session);
    let archive = archive_url(state, digest);
    let beside = |row: Option<ArchivedRow>| {
        row.map(|row| json!({ "url": format!("{archive}/{}", row.number), "title": row.subject }))
    };
    let more = json!({
        "canonical": format!("{archive}/{number}"),
        "archive": archive,
        "feed": format!("{archive}/feed.xml"),
        "subscribe": subscribe_url(state, digest),
        "notes": notes,
        "published": row.composed_at,
        "picture": view["lead"]["image"].as_str().filter(|image| image.starts_with("https:")),
        "og_locale": locale.as_str().replace('-', "_"),
        "older": beside(older),
        "newer": beside(newer),
        "issue_style": state.pages.issue_style(&digest.id),
    });
    if let (Some(view), Value::Object(more)) = (view.as_object_mut(), more) {
        view.extend(more);
    }
    Ok(Some(with_pictures(state, page(state, headers, "issue", &locale, &view)?)))
}

/// The number of an issue that is asked for by number or public id, and whether that is its own address.
async fn number(session: &mut Session, digest: &Digest, issue: &str) -> Result<Option<(i64, bool)>, StoreError> {
    if let Ok(number) = issue.parse::<i64>() {
        return Ok(Some((number, number.to_string() == issue)));
    }
    match PublicId::parse(issue) {
        Some(id) => Ok(session.issue_number(&digest.id, &id).await?.map(|number| (number, false))),
        None => Ok(None),
    }
}

/// The issue of that number, where anybody may see it.
async fn archived(session: &mut Session, digest: &Digest, number: i64) -> Result<Option<ArchivedRow>, StoreError> {
    let row = session.archived_issues(&digest.id, number.saturating_add(1), 1).await?.pop();
    Ok(row.filter(|row| row.number == number))
}

/// What the page shows of an issue, the fields of a mail's template without those of a recipient; and the language that it was
/// frozen in.
async fn view(
    state: &AppState,
    session: &mut Session,
    digest: &Digest,
    row: &ArchivedRow,
) -> Result<Option<(Value, Locale)>, Box<dyn std::error::Error + Send + Sync>> {
    session.page(row.id).await?.map(|frozen| shown(state, digest, row, &frozen)).transpose()
}

/// The same of what was frozen of it.
pub(super) fn shown(
    state: &AppState,
    digest: &Digest,
    row: &ArchivedRow,
    frozen: &PageRow,
) -> Result<(Value, Locale), Box<dyn std::error::Error + Send + Sync>> {
    let issue = IssuePage::read(row.id, frozen)?;
    let digest = issue.digest(digest);
    let locale = Locale::parse(&frozen.locale).unwrap_or_else(|_| digest.locale.clone());
    let frame = Frame { digest: &digest, config: state.subscribers.config(), locale: &locale, test: false };
    let mut view = web_view(&issue.content, &frame, &row.subject)?;
    if has_tls(state) {
        without_plain_pictures(&mut view);
    }
    Ok((view, locale))
}

/// A page that is reached by TLS cannot show pictures that are not.
fn without_plain_pictures(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("image").and_then(Value::as_str).is_some_and(|image| !image.starts_with("https:")) {
                fields.insert("image".to_owned(), Value::Null);
            }
            fields.values_mut().for_each(without_plain_pictures);
        }
        Value::Array(items) => items.iter_mut().for_each(without_plain_pictures),
        _ => {}
    }
}
