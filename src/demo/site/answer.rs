//! Answers of the site: a resource with its validators, or 304 when the reader has it already (RFC 9110, 13).

use aws_lc_rs::digest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, NaiveDateTime, Utc};
use data_encoding::HEXLOWER;

use crate::domain::UtcMillis;

const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Pages have no scripts, and styles and pictures of their own server only.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'";

/// A resource of the site.
#[derive(Debug)]
pub(super) struct Asset {
    content_type: &'static str,
    content: Vec<u8>,
    etag: String,
    modified: DateTime<Utc>,
}

impl Asset {
    pub(super) fn new(content_type: &'static str, content: Vec<u8>, modified: UtcMillis) -> Self {
        let hash = digest::digest(&digest::SHA256, &content);
        let etag = format!("\"{}\"", HEXLOWER.encode(&hash.as_ref()[..12]));
        Self { content_type, content, etag, modified: modified.to_utc() }
    }

    /// Answers a request that has these headers.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response {
        let modified = self.modified.format(HTTP_DATE).to_string();
        let validators = [
            (header::ETAG, self.etag.as_str()),
            (header::LAST_MODIFIED, modified.as_str()),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        if self.is_known(headers) {
            return (StatusCode::NOT_MODIFIED, validators).into_response();
        }
        let own = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (validators, own, self.content.clone()).into_response()
    }

    /// `If-None-Match` decides where it is given, as RFC 9110 (13.2.2) says; else `If-Modified-Since`.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
        if tags.peek().is_some() {
            return tags
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .map(str::trim)
                .any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag);
        }
        let since = headers.get(header::IF_MODIFIED_SINCE).and_then(http_date);
        since.is_some_and(|since| self.modified.timestamp() <= since.timestamp())
    }
}

/// The page for an address that leads nowhere.
pub(super) fn not_found(html: String) -> Response {
    (StatusCode::NOT_FOUND, [(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response()
}

fn http_date(value: &HeaderValue) -> Option<DateTime<Utc>> {
    Some(NaiveDateTime::parse_from_str(value.to_str().ok()?, HTTP_DATE).ok()?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn asset() -> Asset {
        // 2026-11-23T08:00:00Z
        Asset::new("text/plain", b"hello".to_vec(), UtcMillis(1_795_420_800_999))
    }

    #[rstest]
    #[case::nothing_given(&[], 200)]
    #[case::same_tag(&[("if-none-match", "OWN")], 304)]
    #[case::same_tag_weak_in_a_list(&[("if-none-match", "\"other\", W/OWN")], 304)]
    #[case::any_tag(&[("if-none-match", "*")], 304)]
    #[case::other_tag(&[("if-none-match", "\"other\"")], 200)]
    #[case::other_tag_beats_the_date(&[("if-none-match", "\"other\""), ("if-modified-since", "Mon, 23 Nov 2026 08:00:00 GMT")], 200)]
    #[case::since_then(&[("if-modified-since", "Mon, 23 Nov 2026 08:00:00 GMT")], 304)]
    #[case::since_before(&[("if-modified-since", "Mon, 23 Nov 2026 07:59:59 GMT")], 200)]
    #[case::no_date(&[("if-modified-since", "yesterday")], 200)]
    fn a_reader_gets_what_it_has_not_got(#[case] given: &[(&'static str, &str)], #[case] status: u16) {
        let asset = asset();
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, value.replace("OWN", &asset.etag).parse().unwrap());
        }
        let response = asset.answer(&headers);
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()[header::ETAG], asset.etag);
        assert_eq!(response.headers()[header::LAST_MODIFIED], "Mon, 23 Nov 2026 08:00:00 GMT");
    }
}
