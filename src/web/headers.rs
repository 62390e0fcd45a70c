//! The headers of every answer: nothing from elsewhere, nothing kept, nothing told to the next site.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response};

use crate::config::Captcha;

pub(super) const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The policy of a page with the widget of a CAPTCHA, which loads from where the configuration says.
pub(super) fn policy_with(captcha: &Captcha) -> String {
    let mut origins = vec![captcha.script_url.origin().ascii_serialization()];
    origins.extend(captcha.origins.iter().filter(|origin| !origins.contains(origin)).cloned().collect::<Vec<_>>());
    let origins = origins.join(" ");
    format!(
        "{}; script-src {origins}; frame-src {origins}; connect-src {origins}",
        POLICY.replace("style-src 'self'", &format!("style-src 'self' {origins}"))
    )
}

/// Adds them. An answer that says how it may be kept is a file of ours; all others depend on a token or the moment.
pub(super) async fn secure<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    }
    response
}
