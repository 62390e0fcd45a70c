//! The pages as templates, and what all of them show of the site.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use data_encoding::HEXLOWER;
use serde::Serialize;
use tera::{Context, Tera};

use super::AppState;
use crate::config::Config;

const STYLE: &str = include_str!("../../templates/pages/style.css");

const TEMPLATES: [(&str, &str); 7] = [
    ("pages/layout.html", include_str!("../../templates/pages/layout.html")),
    ("pages/message.html", include_str!("../../templates/pages/message.html")),
    ("pages/confirm.html", include_str!("../../templates/pages/confirm.html")),
    ("pages/confirmed.html", include_str!("../../templates/pages/confirmed.html")),
    ("pages/goodbye.html", include_str!("../../templates/pages/goodbye.html")),
    ("pages/unsubscribe.html", include_str!("../../templates/pages/unsubscribe.html")),
    ("pages/preferences.html", include_str!("../../templates/pages/preferences.html")),
];

/// The pages.
pub(super) struct Pages {
    tera: Tera,
    site: Site,
    path: String,
}

/// What all pages show of the site.
#[derive(Serialize)]
struct Site {
    name: String,
    sender: String,
    postal_address: String,
    home_url: Option<String>,
    privacy_url: Option<String>,
    contact_url: Option<String>,
    style: String,
}

impl Pages {
    pub(super) fn new(config: &Config) -> Result<Self, tera::Error> {
        let mut tera = Tera::default();
        tera.add_raw_templates(TEMPLATES)?;
        let public = url::Url::parse(&config.server.public_url).ok();
        let path = public.map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
        let site = Site {
            name: config.digests.first().map_or(&config.sender.name, |digest| &digest.title).clone(),
            sender: config.sender.name.clone(),
            postal_address: config.sender.postal_address.clone(),
            home_url: config.web.home_url.as_ref().map(ToString::to_string),
            privacy_url: config.web.privacy_url.as_ref().map(ToString::to_string),
            contact_url: config.sender.contact_url.as_ref().map(ToString::to_string),
            style: format!("{path}{}", style_path()),
        };
        Ok(Self { tera, site, path })
    }

    /// The path of the public address; empty when it has none.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where the stylesheet is.
    pub(super) fn style_route(&self) -> String {
        style_path()
    }

    /// A page, with `context` for its own variables. All that a template may ask for has to be there.
    pub(super) fn show(&self, status: StatusCode, name: &str, mut context: Context) -> Response {
        context.insert("site", &self.site);
        if !context.contains_key("test") {
            context.insert("test", &false);
        }
        match self.tera.render(&format!("pages/{name}.html"), &context) {
            Ok(page) => (status, Html(page)).into_response(),
            Err(error) => {
                tracing::error!(page = name, %error, "a page could not be shown");
                (StatusCode::INTERNAL_SERVER_ERROR, "We have a problem. Please try again later.\n").into_response()
            }
        }
    }

    /// A page that only says something.
    pub(super) fn message(&self, status: StatusCode, heading: &str, text: &str) -> Response {
        let mut context = Context::new();
        context.insert("heading", heading);
        context.insert("text", text);
        self.show(status, "message", context)
    }
}

/// A path that changes with the content, so that it may be kept for ever.
fn style_path() -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    format!("/static/pages-{}.css", &HEXLOWER.encode(hash.as_ref())[..12])
}

/// The stylesheet.
pub(super) async fn style(State(_): State<AppState>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, STYLE).into_response()
}
