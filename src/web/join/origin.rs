//! Which sites may send sign-ups by script (CORS). A form may come from anywhere, since it says who handed it out.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    CONTENT_TYPE, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::config::Config;
use crate::web::AppState;

/// Where a script runs that sends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Nowhere, as far as it tells: a program, not a page.
    NoPage,
    /// On a page of ours.
    Ours,
    /// On a site that the configuration lists; the header goes back to it.
    Listed(HeaderValue),
    /// On a page that must not say, as ours must not either.
    Unsaid,
    /// Elsewhere.
    Foreign,
}

impl Allowed {
    /// Whether what it sends is taken.
    pub(crate) fn may_post(&self) -> bool {
        !matches!(self, Self::Foreign | Self::Unsaid)
    }

    /// The listed site that a form was on: this one, or the one that a page of ours passes on, which came in between.
    pub(crate) fn site<'a>(&self, config: &'a Config, passed_on: &str) -> Option<&'a str> {
        let named = match self {
            Self::Listed(origin) => origin.to_str().unwrap_or_default(),
            Self::Foreign => return None,
            Self::NoPage | Self::Ours | Self::Unsaid => passed_on,
        };
        config.subscribe.origins.iter().find(|listed| *listed == named).map(String::as_str)
    }

    /// Lets the script read the answer.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Self::Listed(origin) = self {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }
}

/// Where it comes from.
pub(crate) fn allowed(state: &AppState, headers: &HeaderMap) -> Allowed {
    let Some(origin) = headers.get(ORIGIN) else { return Allowed::NoPage };
    let config = state.subscribers.config();
    let said = origin.to_str().unwrap_or_default();
    let public = url::Url::parse(&config.server.public_url).ok().map(|url| url.origin().ascii_serialization());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let here = said.strip_prefix("https://").or_else(|| said.strip_prefix("http://")) == Some(host);
    if public.as_deref() == Some(said) || (here && !host.is_empty()) {
        return Allowed::Ours;
    }
    match config.subscribe.origins.iter().any(|listed| listed == said) {
        true => Allowed::Listed(origin.clone()),
        false if said == "null" => Allowed::Unsaid,
        false => Allowed::Foreign,
    }
}

/// Whether a script sends it.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// The answer to a browser that asks before it sends what a script wants to.
pub(crate) fn preflight(state: &AppState, headers: &HeaderMap) -> Response {
    let allowed = allowed(state, headers);
    let status = if allowed.may_post() { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
    let mut response = status.into_response();
    let headers = response.headers_mut();
    allowed.mark(headers);
    if allowed.may_post() {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}
