//! Reads forms: urlencoded as browsers post them, and multipart as RFC 8058 allows mail programs to.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::AppState;
use super::language::Link;

/// The fields of a form, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body; what cannot be understood gives no fields.
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Self {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        match boundary(kind) {
            Some(boundary) => Self(multipart(&String::from_utf8_lossy(body), boundary)),
            None => Self(url::form_urlencoded::parse(body).into_owned().collect()),
        }
    }

    /// Whether a body is said to be a form.
    pub(super) fn is_one(headers: &HeaderMap) -> bool {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let plain = kind.split(';').next().unwrap_or_default().trim();
        plain.eq_ignore_ascii_case("application/x-www-form-urlencoded") || boundary(kind).is_some()
    }

    /// All fields, in their order.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The first field of that name.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Every field of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.trim())
    }

    /// Whether a mail program unsubscribes by RFC 8058.
    pub(super) fn is_one_click(&self) -> bool {
        self.get("List-Unsubscribe") == Some("One-Click")
    }
}

impl FromRequest<AppState> for Form {
    type Rejection = Response;

    /// A body that is too long, or breaks off, is answered with a page in the language of whoever sent it.
    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(link) = Link::from_request_parts(&mut parts, state).await;
        let headers = parts.headers.clone();
        match Bytes::from_request(Request::from_parts(parts, body), state).await {
            Ok(body) => Ok(Self::read(&headers, &body)),
            Err(rejection) => {
                let key = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "failed" };
                Err(state.pages.message(rejection.status(), &state.language_of(&link).await, key))
            }
        }
    }
}

/// The boundary of a multipart form.
fn boundary(kind: &str) -> Option<&str> {
    let mut parts = kind.split(';');
    if !parts.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parts.find_map(|part| parameter(part, "boundary"))?;
    (!value.is_empty()).then_some(value)
}

/// The value of `name=value` or `name="value"`.
fn parameter<'a>(part: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = part.trim().split_once('=')?;
    key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
}

/// The fields of a multipart body (RFC 7578); lines may end without a carriage return.
fn multipart(body: &str, boundary: &str) -> Vec<(String, String)> {
    let body = body.replace("\r\n", "\n");
    let mark = format!("\n--{boundary}");
    let body = format!("\n{body}");
    let parts = body.split(mark.as_str()).skip(1).take_while(|part| !part.starts_with("--"));
    parts
        .filter_map(|part| {
            let (head, value) = part.trim_start_matches([' ', '\t']).strip_prefix('\n')?.split_once("\n\n")?;
            let disposition = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
            })?;
            let name = disposition.split(';').find_map(|part| parameter(part, "name"))?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(kind: &str, body: &str) -> Form {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        Form::read(&headers, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn one_click_is_known_in_both_encodings() {
        assert!(read("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click").is_one_click());
        let part = "Content-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click";
        let body = format!("--x y\r\n{part}\r\n--x y--\r\n");
        assert!(read("multipart/form-data; boundary=\"x y\"", &body).is_one_click());
        assert!(
            read(
                "Multipart/Form-Data; charset=utf-8; boundary=x",
                "--x\nContent-Disposition: form-data; name=List-Unsubscribe\n\nOne-Click\n--x--"
            )
            .is_one_click()
        );
        assert!(!read("application/x-www-form-urlencoded", "leave=digest").is_one_click());
    }

    #[test]
    fn a_field_may_come_several_times() {
        let form = read("application/x-www-form-urlencoded", "topics=a&topics=b%20c");
        assert_eq!(form.all("topics").collect::<Vec<_>>(), ["a", "b c"]);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(kind in "(multipart/form-data; ?boundary=)?.{0,9}", body in "[\\r\\n:;=\"a-]{0,60}") {
            if let Ok(kind) = kind.parse() {
                let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
                Form::read(&headers, &Bytes::from(body));
            }
        }
    }
}
