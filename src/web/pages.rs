//! The pages as templates, and the one stylesheet that they share.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use tera::{Context, Tera};

use super::AppState;
use crate::config::Config;

const STYLE: &str = include_str!("../../templates/pages/style.css");

const TEMPLATES: [(&str, &str); 7] = [
    ("pages/layout.html", include_str!("../../templates/pages/layout.html")),
    ("pages/confirm.html", include_str!("../../templates/pages/confirm.html")),
    ("pages/confirmed.html", include_str!("../../templates/pages/confirmed.html")),
    ("pages/goodbye.html", include_str!("../../templates/pages/goodbye.html")),
    ("pages/message.html", include_str!("../../templates/pages/message.html")),
    ("pages/preferences.html", include_str!("../../templates/pages/preferences.html")),
    ("pages/unsubscribe.html", include_str!("../../templates/pages/unsubscribe.html")),
];

/// Makes pages.
pub(super) struct Pages {
    tera: Tera,
    site: Value,
    /// The path of `public_url`, without a slash at its end.
    base: String,
    style: String,
}

impl Pages {
    /// Loads the built-in templates.
    pub(super) fn new(config: &Config) -> Result<Self, tera::Error> {
        let mut tera = Tera::default();
        tera.add_raw_templates(TEMPLATES)?;
        let base = url::Url::parse(&config.server.public_url)
            .map(|url| url.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        let style = format!("pages-{}.css", fingerprint(STYLE));
        // Several digests have their sender in common.
        let name = match config.digests.as_slice() {
            [digest] => &digest.title,
            _ => &config.sender.name,
        };
        let site = json!({
            "name": name,
            "sender": config.sender.name,
            "imprint": imprint(&config.sender.name, &config.sender.postal_address),
            "home_url": config.web.home_url,
            "privacy_url": config.web.privacy_url,
            "contact_url": config.sender.contact_url,
            "style": format!("{base}/static/{style}"),
        });
        Ok(Self { tera, site, base, style })
    }

    /// The path of `public_url`; empty when it has none.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The page of that template, with the fields of the object `values`.
    pub(super) fn page(&self, status: StatusCode, name: &str, values: &Value) -> Response {
        let context = Context::from_serialize(values).map(|mut context| {
            context.insert("site", &self.site);
            context
        });
        match context.and_then(|context| self.tera.render(&format!("pages/{name}.html"), &context)) {
            Ok(html) => (status, Html(html)).into_response(),
            Err(error) => {
                tracing::error!(%error, name, "a page could not be rendered");
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here. Please try again.").into_response()
            }
        }
    }

    /// A page that says one thing.
    pub(super) fn message(&self, status: StatusCode, heading: &str, text: &str) -> Response {
        self.page(status, "message", &json!({ "heading": heading, "text": text, "test": false }))
    }
}

/// Who it is and where, without saying the name twice.
fn imprint(name: &str, postal_address: &str) -> String {
    match postal_address {
        "" => name.to_owned(),
        whole if whole.starts_with(name) => whole.to_owned(),
        rest => format!("{name}, {rest}"),
    }
}

/// Changes with the content, so that a browser may keep the file for ever.
fn fingerprint(content: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.as_bytes());
    data_encoding::HEXLOWER.encode(&digest.as_ref()[..6])
}

/// Serves the stylesheet.
pub(super) async fn style(State(state): State<AppState>, Path(file): Path<String>) -> Response {
    if file != state.pages.style {
        return not_found(State(state)).await;
    }
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, STYLE).into_response()
}

/// The page for whatever is not there.
pub(super) async fn not_found(State(state): State<AppState>) -> Response {
    state.pages.message(StatusCode::NOT_FOUND, "There is no such page", "Perhaps a part of the address was cut off.")
}

/// `one`, `one and two`, `one, two and three`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// How a digest is called; one that is no longer configured by its id.
pub(super) fn title(config: &Config, digest: &str) -> String {
    config.digest(digest).map_or_else(|| digest.to_owned(), |digest| digest.title.clone())
}

/// How these digests are called; empty: none.
pub(super) fn titles(config: &Config, digests: &[String]) -> String {
    listed(&digests.iter().map(|digest| title(config, digest)).collect::<Vec<_>>())
}
