//! The Atom feed of a digest's issues (RFC 4287), in pages (RFC 5005).

use std::collections::HashMap;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde_json::{Value, json};

use super::AppState;
use super::archive::{Answer, archive_url, asked, is_known, notes, part, public, respond, tagged, unchanged};
use super::archive_issue::shown;
use super::pages::fingerprint;
use crate::config::Digest;
use crate::domain::{PublicId, UtcMillis};
use crate::store::{ArchivedRow, PageRow, Session};

/// How many issues a page of the feed has.
const PAGE: usize = 20;

/// The latest issues, or those below a number.
pub(super) async fn show(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answer = match asked(path, query.as_deref()) {
        Some((digest, before)) => feed(&state, &digest, before, &headers).await,
        None => Ok(None),
    };
    respond(state, answer).await
}

async fn feed(state: &AppState, digest: &str, before: i64, headers: &HeaderMap) -> Answer {
    let Some(digest) = public(state, digest) else { return Ok(None) };
    let mut session = state.subscribers.store().read().await?;
    let (rows, more) = part(&mut session, digest, before, PAGE).await?;
    let tag = tag(state, digest, before, more, &rows);
    if is_known(headers, &tag) {
        return Ok(Some(unchanged(&tag)));
    }
    let archive = archive_url(state, digest);
    let entries = entries(state, &mut session, digest, &rows, &archive).await?;
    drop(session);
    let at = |before: i64| format!("{archive}/feed.xml?before={before}");
    let first = format!("{archive}/feed.xml");
    let updated = rows.iter().map(updated).max().unwrap_or(UtcMillis(0));
    let values = json!({
        // It stays the same on all pages of the feed.
        "id": first,
        "self": if before == i64::MAX { first.clone() } else { at(before) },
        "first": first,
        "next": rows.last().filter(|_| more).map(|row| at(row.number)),
        "archive": archive,
        "title": digest.title,
        "author": author(digest),
        "updated": updated,
        "entries": entries,
    });
    let xml = state.pages.render("feed.xml", &digest.locale, &values)?;
    Ok(Some(tagged(&tag, "application/atom+xml; charset=utf-8", without_forbidden(&xml))))
}

/// Tells one state of a page of the feed from every other, before any of it is made: which issues, when each has changed, and
/// all that they are shown by.
fn tag(state: &AppState, digest: &Digest, before: i64, more: bool, rows: &[ArchivedRow]) -> String {
    let issues: Vec<_> = rows.iter().map(|row| (row.id, row.articles, updated(row).0)).collect();
    fingerprint(format!("{} {} {before} {more} {issues:?}", state.pages.version(), digest.id).as_bytes())
}

/// The entries of those issues; what is frozen and what was withdrawn is read for all of them together.
async fn entries(
    state: &AppState,
    session: &mut Session,
    digest: &Digest,
    rows: &[ArchivedRow],
    archive: &str,
) -> Result<Vec<Value>, Box<dyn std::error::Error + Send + Sync>> {
    let (Some(newest), Some(oldest)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let pages = session.pages_between(&digest.id, oldest.number, newest.number).await?;
    let withdrawn = session.withdrawals_between(&digest.id, oldest.number, newest.number).await?;
    let pages: HashMap<i64, PageRow> = pages.into_iter().map(|page| (page.issue_id, page)).collect();
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(page) = pages.get(&row.id) else { continue };
        let (mut view, locale) = shown(state, digest, row, page)?;
        let moments = withdrawn.iter().filter(|(issue, _)| *issue == row.id).map(|(_, at)| *at);
        if let Some(view) = view.as_object_mut() {
            view.insert("notes".to_owned(), json!(notes(digest, &locale, moments)));
        }
        let content = state.pages.render("entry.html", &locale, &view)?;
        entries.push(entry(archive, row, &view, &content));
    }
    Ok(entries)
}

fn entry(archive: &str, row: &ArchivedRow, view: &Value, content: &str) -> Value {
    json!({
        "id": uuid(&row.public_id),
        "url": format!("{archive}/{}", row.number),
        "title": row.subject,
        "published": row.composed_at,
        "updated": updated(row),
        "summary": view["summary"],
        "content": content,
    })
}

fn updated(row: &ArchivedRow) -> UtcMillis {
    row.changed_at.map_or(row.composed_at, |changed| changed.max(row.composed_at))
}

fn author(digest: &Digest) -> &str {
    if digest.sender.name.is_empty() { &digest.title } else { &digest.sender.name }
}

/// The public id as a URN (RFC 9562): it stays when the site moves.
fn uuid(id: &PublicId) -> String {
    let bytes = BASE32_NOPAD.decode(id.as_str().to_ascii_uppercase().as_bytes()).unwrap_or_default();
    let hex = HEXLOWER.encode(&bytes);
    let part = |range| hex.get(range).unwrap_or_default();
    format!("urn:uuid:{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// XML 1.0 has no way to write some characters at all.
fn without_forbidden(xml: &str) -> String {
    let fits = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    xml.chars().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_ours_is_written_as_a_urn() {
        let id = PublicId::parse("aaaqeayeaudaocajbifqydiob4").unwrap();
        assert_eq!(uuid(&id), "urn:uuid:00010203-0405-0607-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn what_xml_cannot_say_is_left_out() {
        assert_eq!(without_forbidden("a\u{1}\u{fffe}\u{b}é\n😀"), "aé\n😀");
    }
}
