//! Calls an address of the operator's: a webhook, a dead man's switch. A few tries, with pauses that grow.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, StatusCode};

use crate::config::Secret;

/// How long one try may take.
const WITHIN: Duration = Duration::from_secs(10);

/// The pauses between tries of a warning.
const PAUSES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)];

/// Why an address of the operator's did not take a call. It does not show the address: whoever knows it can call it.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The client cannot be made, or the address cannot be reached.
    #[error("{0}")]
    Network(String),
    /// It was reached, and said no.
    #[error("it answers {0}")]
    Answer(StatusCode),
}

impl PostError {
    /// Whether a later try may go better.
    fn is_transient(&self) -> bool {
        match self {
            Self::Network(_) => true,
            Self::Answer(status) => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
        }
    }
}

impl From<reqwest::Error> for PostError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut innermost: &dyn std::error::Error = &error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Network(if error.is_timeout() { "it does not answer in time".to_owned() } else { innermost.to_string() })
    }
}

/// Calls addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Poster {
    client: Client,
    pauses: Vec<Duration>,
}

impl Poster {
    /// With the usual pauses between tries.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new() -> Result<Self, PostError> {
        Self::with_pauses(&PAUSES)
    }

    /// With these pauses between tries; there is one try more than pauses.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn with_pauses(pauses: &[Duration]) -> Result<Self, PostError> {
        let client = Client::builder()
            .user_agent(concat!("Postround/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::limited(3))
            .referer(false)
            .timeout(WITHIN)
            .build()?;
        Ok(Self { client, pauses: pauses.to_vec() })
    }

    /// Posts a JSON document; where it is `patient`, with all tries.
    ///
    /// # Errors
    /// [`PostError`] of the last try.
    pub async fn post(&self, url: &Secret, document: &serde_json::Value, patient: bool) -> Result<(), PostError> {
        let body = document.to_string();
        let request = || self.client.post(url.reveal()).header(CONTENT_TYPE, "application/json").body(body.clone());
        self.try_all(request, if patient { self.pauses.len() } else { 0 }).await
    }

    /// Calls an address with GET, three times at most.
    ///
    /// # Errors
    /// [`PostError`] of the last try.
    pub async fn ping(&self, url: &Secret) -> Result<(), PostError> {
        self.try_all(|| self.client.get(url.reveal()), self.pauses.len().min(2)).await
    }

    async fn try_all(&self, request: impl Fn() -> RequestBuilder, pauses: usize) -> Result<(), PostError> {
        let mut pauses = self.pauses.iter().take(pauses);
        loop {
            let error = match request().send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => PostError::Answer(answer.status()),
                Err(error) => error.into(),
            };
            match pauses.next() {
                Some(pause) if error.is_transient() => tokio::time::sleep(*pause).await,
                _ => return Err(error),
            }
        }
    }
}
