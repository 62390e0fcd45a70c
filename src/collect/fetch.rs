//! Fetches a source over HTTP within limits of size, time and place.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
    RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode};
use url::{Host, Url};

use super::fetch_error::FetchError;
use super::links::is_web;
use super::network::{CheckedResolver, PrivateHost, is_public};

/// How we introduce ourselves to sites.
const USER_AGENT: &str = concat!("Postround/", env!("CARGO_PKG_VERSION"), " (newsletter digest; reads feeds)");
const ACCEPTED: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, text/html;q=0.8, */*;q=0.5";
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What a fetch may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of an answer's body, unpacked, in bytes.
    pub max_bytes: usize,
    /// The time for the whole fetch, redirects included.
    pub timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 10 * 1024 * 1024, timeout: Duration::from_secs(30), max_redirects: 5 }
    }
}

/// What an earlier answer said about its version, to be told at the next request (RFC 9110, 13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
}

impl Validators {
    fn are_none(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// What a fetch brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Nothing has changed since the validators were given.
    NotModified,
    /// The document.
    Body(Body),
}

/// A document as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its bytes, unpacked.
    pub bytes: Vec<u8>,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Where it finally came from, after redirects.
    pub url: Url,
    /// What to tell at the next request.
    pub validators: Validators,
}

/// An HTTP client for untrusted addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    limits: Limits,
    allow_private_networks: bool,
}

impl Fetcher {
    /// A fetcher with these limits, which refuses addresses of this machine and of private networks unless allowed.
    ///
    /// # Errors
    /// [`FetchError::Client`] when the HTTP client cannot be set up.
    pub fn new(limits: Limits, allow_private_networks: bool) -> Result<Self, FetchError> {
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // A proxy would connect to what nobody here has checked.
            .no_proxy()
            .connect_timeout(CONNECT_WITHIN.min(limits.timeout))
            .dns_resolver(Arc::new(CheckedResolver { allow_private: allow_private_networks }))
            .build()
            .map_err(|error| FetchError::Client { reason: innermost(&error) })?;
        Ok(Self { client, limits, allow_private_networks })
    }

    /// Fetches `url`; with validators of an earlier answer it may answer [`Fetched::NotModified`].
    ///
    /// # Errors
    /// [`FetchError`] says what happened, and whether it may go better later.
    pub async fn get(&self, url: &Url, validators: &Validators) -> Result<Fetched, FetchError> {
        let late = |_| FetchError::Timeout { url: shown(url), after: self.limits.timeout };
        tokio::time::timeout(self.limits.timeout, Box::pin(self.follow(url, validators))).await.map_err(late)?
    }

    async fn follow(&self, first: &Url, validators: &Validators) -> Result<Fetched, FetchError> {
        let mut url = first.clone();
        url.set_fragment(None);
        let mut seen = vec![url.clone()];
        loop {
            let response = self.request(&url, validators).await?;
            match response.status() {
                StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                    return self.body(url, response).await.map(Fetched::Body);
                }
                StatusCode::NOT_MODIFIED if !validators.are_none() => return Ok(Fetched::NotModified),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    url = target(&url, response.headers())?;
                    if seen.contains(&url) {
                        return Err(FetchError::RedirectLoop { url: shown(&url) });
                    }
                    if seen.len() > self.limits.max_redirects {
                        return Err(FetchError::TooManyRedirects {
                            url: shown(first),
                            limit: self.limits.max_redirects,
                        });
                    }
                    seen.push(url.clone());
                }
                status => return Err(refusal(&url, status, response.headers())),
            }
        }
    }

    async fn request(&self, url: &Url, validators: &Validators) -> Result<Response, FetchError> {
        if !is_web(url) {
            return Err(FetchError::Scheme { url: shown(url) });
        }
        self.check_literal(url)?;
        let mut request = self.client.get(url.clone()).header(ACCEPT, ACCEPTED);
        if let Some(etag) = &validators.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &validators.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        request.send().await.map_err(|error| self.failure(url, &error))
    }

    /// The resolver sees names only: addresses that stand in the URL itself are checked here.
    fn check_literal(&self, url: &Url) -> Result<(), FetchError> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        if self.allow_private_networks || is_public(address) {
            return Ok(());
        }
        Err(FetchError::Private { url: shown(url), host: address.to_string(), address })
    }

    async fn body(&self, url: Url, mut response: Response) -> Result<Body, FetchError> {
        let too_large = || FetchError::TooLarge { url: shown(&url), limit: self.limits.max_bytes };
        let text = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (content_type, validators) =
            (text(CONTENT_TYPE), Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) });
        let limit = self.limits.max_bytes;
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(&url, &error))? {
            if bytes.len() + chunk.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes, content_type, url, validators })
    }

    fn failure(&self, url: &Url, error: &reqwest::Error) -> FetchError {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        let mut in_name = false;
        while let Some(inner) = cause {
            if let Some(PrivateHost { host, address }) = inner.downcast_ref() {
                return FetchError::Private { url: shown(url), host: host.clone(), address: *address };
            }
            in_name |= inner.to_string().contains("dns error");
            cause = inner.source();
        }
        let reason = innermost(error);
        match error {
            _ if error.is_timeout() => {
                FetchError::Timeout { url: shown(url), after: self.limits.timeout.min(CONNECT_WITHIN) }
            }
            _ if in_name => FetchError::Name { host, reason },
            _ if error.is_connect() => FetchError::Connect { host, reason },
            _ => FetchError::Broken { url: shown(url), reason },
        }
    }
}

/// Where a redirect leads.
fn target(url: &Url, headers: &HeaderMap) -> Result<Url, FetchError> {
    let bad = |reason: String| FetchError::BadRedirect { url: shown(url), reason };
    let location = headers.get(LOCATION).ok_or_else(|| bad("it names none".to_owned()))?;
    let location = String::from_utf8_lossy(location.as_bytes());
    let mut target = url.join(&location).map_err(|error| bad(error.to_string()))?;
    target.set_fragment(None);
    if is_web(&target) { Ok(target) } else { Err(FetchError::Scheme { url: shown(&target) }) }
}

fn refusal(url: &Url, status: StatusCode, headers: &HeaderMap) -> FetchError {
    let url = shown(url);
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    let code = status.as_u16();
    match code {
        404 => FetchError::NotFound { url },
        410 => FetchError::Gone { url },
        401 | 402 | 403 | 407 | 451 => FetchError::Forbidden { url, status: code },
        429 => FetchError::Busy { url, status: code, retry_after },
        503 if retry_after.is_some() => FetchError::Busy { url, status: code, retry_after },
        500..=599 => FetchError::Server { url, status: code },
        _ => FetchError::Unexpected { url, status: code },
    }
}

/// An address for messages: without a password, and not longer than a line or two.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both refuse only for URLs that have no host, and so no password.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().chars().take(200).collect()
}

/// The reason behind all the wrapping.
fn innermost(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
