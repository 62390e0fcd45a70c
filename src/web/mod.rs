//! The web pages behind the links in mails: thin, over the rooms.
//!
//! Every route is served at the root and below the path of `public_url`, so that it does not matter whether a proxy
//! strips that path. A `GET` changes nothing: programs that look into mails follow links.

mod address;
mod archive;
mod archive_feed;
mod archive_issue;
mod cadence;
mod clicks;
mod confirm;
pub mod dev;
mod form;
mod goodbye;
mod headers;
mod health;
mod home;
mod join;
mod language;
mod look;
mod lost;
mod manage;
mod own;
mod pages;
mod preferences;
mod unsubscribe;
mod visitor;
mod when;

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::app::Notices;
use crate::domain::Locale;
use crate::render::TemplateError;
use crate::status::Status;
use crate::subscribers::{DigestClaim, Preferences, Subscribers, SubscribersError, TokenError, Tokens};
use join::Guards;
use language::Link;
use pages::Pages;
pub use pages::{built_in_pages, check_pages};

/// The largest body that is read; a form of ours has a few hundred octets.
const BODY_LIMIT: usize = 64 * 1024;

/// How long an answer may take; longer than the store waits, so that its failure is told as such.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long requests under way may take to end when the server stops.
const FAREWELL: Duration = Duration::from_secs(8);

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// A page is broken.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A page uses what it does not see.
    #[error("{place}: {message}")]
    Page {
        /// The file and the line.
        place: String,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// An operator's page cannot be read.
    #[error("cannot read {path}: {source}; check `dir` of [templates] and who may read it")]
    Read {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The logo is gone.
    #[error("cannot read the logo {path}: {source}", path = path.display())]
    Logo {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The way to the CAPTCHA's provider cannot be set up.
    #[error("cannot set up the HTTP client that verifies CAPTCHAs: {0}")]
    Client(reqwest::Error),
    /// The system's resolver cannot be used.
    #[error("cannot look up domains, as subscribe.mx_check asks for: {0}")]
    Resolver(String),
}

/// Tells the operator something, under a key for what is the same thing.
pub type Warn = Arc<dyn Fn(&'static str, String) + Send + Sync>;

/// What the pages need; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    subscribers: Subscribers,
    notices: Arc<Notices>,
    pages: Arc<Pages>,
    guards: Arc<Guards>,
    status: Status,
}

impl AppState {
    /// Loads the pages; store and configuration are those of `subscribers`. `notices` queues what is mailed to people,
    /// `warn` tells the operator.
    ///
    /// # Errors
    /// When a page is broken, or something that the configuration asks for cannot be had.
    pub fn new(subscribers: Subscribers, notices: Notices, warn: Warn) -> Result<Self, WebError> {
        let pages = Arc::new(Pages::new(subscribers.config(), Arc::clone(&warn))?);
        for stranger in pages.strangers() {
            tracing::warn!("{stranger}");
        }
        let guards = Arc::new(Guards::new(subscribers.config(), warn)?);
        let status = Status::new(subscribers.store().clone(), subscribers.now());
        Ok(Self { subscribers, notices: notices.into(), pages, guards, status })
    }

    /// The same within a daemon, whose state it tells.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// The language of a page about a digest; of none, that of the first.
    fn locale(&self, digest: Option<&str>) -> Locale {
        let config = self.subscribers.config();
        let digest = digest.and_then(|id| config.digest(id)).or(config.digests.first());
        digest.map(|digest| digest.locale.clone()).unwrap_or_default()
    }

    /// The language of a page for somebody: their own, else that of the digest.
    fn locale_for(&self, own: Option<&Locale>, digest: &str) -> Locale {
        own.cloned().unwrap_or_else(|| self.locale(Some(digest)))
    }

    /// What a digest's link leads to, and the language of its page.
    async fn of_link(&self, claim: &DigestClaim) -> Result<(Option<Preferences>, Locale), SubscribersError> {
        let now = self.subscribers.preferences(claim).await?;
        let locale = self.locale_for(now.as_ref().and_then(|now| now.locale.as_ref()), &claim.digest);
        Ok((now, locale))
    }

    /// Whether somebody was behind a digest's link once, and nobody is any more. The links of a test never had anybody.
    fn is_erased(claim: &DigestClaim, now: Option<&Preferences>) -> bool {
        now.is_none() && claim.subscriber != Tokens::nobody()
    }

    /// The page of such a link. Nothing says who its person was, so nothing is said of whoever has that address now.
    fn erased(&self, status: StatusCode, locale: &Locale) -> Response {
        self.message_to(status, locale, "erased_link", ("/preferences", "lost.button"))
    }

    /// A page that says one thing, as [`Pages::message`] does, and leads on: to a path, under a key of the wording.
    fn message_to(&self, status: StatusCode, locale: &Locale, key: &str, (path, called): (&str, &str)) -> Response {
        let said = |part: &str| pages::say(locale, &format!("{key}.{part}"), &[]);
        let values = json!({
            "heading": said("heading"), "text": said("text"), "link": format!("{}{path}", self.pages.base()),
            "link_text": pages::say(locale, called, &[]), "test": false,
        });
        self.pages.page(status, "message", locale, &values)
    }

    /// Does what answers a request to the end, also when whoever asked does not wait for it.
    async fn to_the_end(
        &self,
        locale: &Locale,
        work: impl Future<Output = Result<Response, SubscribersError>> + Send + 'static,
    ) -> Response {
        match tokio::spawn(work).await {
            Ok(done) => done.unwrap_or_else(|error| self.failed(locale, &error)),
            Err(error) => {
                tracing::error!(%error, "the answer to a request fell over");
                self.pages.message(StatusCode::INTERNAL_SERVER_ERROR, locale, "broken")
            }
        }
    }

    /// The page behind a link, or the one that says why there is none.
    async fn answered(&self, link: &Link, done: Result<Response, SubscribersError>) -> Response {
        match done {
            Ok(page) => page,
            Err(error) => self.failed(&self.language_of(link).await, &error),
        }
    }

    /// A page that a bad link leads to.
    fn bad_link(&self, locale: &Locale, error: TokenError) -> Response {
        match error {
            TokenError::Expired => {
                let days = (self.subscribers.config().confirmation.valid_for.as_secs() / 86_400).to_string();
                self.pages.message_with(StatusCode::GONE, locale, "expired_link", &[("count", &days)])
            }
            TokenError::Malformed | TokenError::Forged => self.pages.message(StatusCode::NOT_FOUND, locale, "bad_link"),
        }
    }

    /// A page for what could not be done: after too many changes, or by no fault of the visitor.
    fn failed(&self, locale: &Locale, error: &SubscribersError) -> Response {
        if let SubscribersError::TooOften(wait) = error {
            let mut page = self.pages.message(StatusCode::TOO_MANY_REQUESTS, locale, "too_often");
            join::come_back(&mut page, *wait);
            return page;
        }
        tracing::error!(%error, "a page could not be served");
        self.pages.message(StatusCode::SERVICE_UNAVAILABLE, locale, "failed")
    }
}

/// All routes, with the limits and headers that hold for each of them.
pub fn router(state: AppState) -> Router {
    let routes = Router::new()
        .route("/", get(home::page))
        .route("/subscribe", post(join::act).get(join::form).options(join::preflight))
        .route("/confirm/{token}", get(confirm::page).post(confirm::act))
        .route("/unsubscribe/{token}", get(unsubscribe::page).post(unsubscribe::act))
        .route("/goodbye/{token}", get(goodbye::page).post(goodbye::act))
        .route("/address/{token}", get(address::page).post(address::act))
        .route("/preferences", get(lost::page).post(lost::act))
        .route("/preferences/{token}", get(preferences::page).post(preferences::act))
        .route("/archive", get(archive::index))
        .route("/archive/{digest}", get(archive::list))
        .route("/archive/{digest}/feed.xml", get(archive_feed::show))
        .route("/archive/{digest}/{issue}", get(archive_issue::show))
        .route("/r/{token}", get(clicks::follow))
        .route_layer(middleware::from_fn_with_state(state.clone(), health::at_once_where_the_store_is_gone))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/static/{file}", get(pages::file));
    let base = state.pages.base().to_owned();
    let routes = match base.as_str() {
        "" => routes,
        base => routes.clone().route(&format!("{base}/"), get(home::page)).nest(base, routes),
    };
    let (pages, locale) = (state.pages.clone(), state.locale(None));
    routes
        .fallback(pages::nowhere)
        .with_state(state)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PATIENCE))
        .layer(CatchPanicLayer::custom(move |_panic: Box<dyn std::any::Any + Send>| {
            pages.message(StatusCode::INTERNAL_SERVER_ERROR, &locale, "broken")
        }))
        .layer(middleware::map_response(headers::secure))
}

/// Serves until `shutdown` is done and what had begun is answered; who is slow is not waited for.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (stopping, stopped) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        let _ = stopping.send(());
    };
    let patience = async move {
        // Without a signal there is no hurry.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(FAREWELL).await;
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, service).with_graceful_shutdown(signal).into_future() => served,
        () = patience => Ok(()),
    }
}
