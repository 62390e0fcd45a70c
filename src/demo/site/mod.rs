//! An invented news site for children's services, with a feed and a listing page, whose week is always the present one.
//!
//! It stands in for the site that a digest is made from, so it has what such sites have: excerpts cut off with `[...]`,
//! dates as `dd/mm/yyyy`, relative links, a story in both feed and listing (with tracking parameters in one), and an
//! archive that a first digest must leave alone.

mod answer;
mod pages;
mod stories;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::domain::UtcMillis;
use answer::Asset;

/// The site's name.
pub const NAME: &str = "Doorstep Weekly";

/// Where the feed is.
pub const FEED: &str = "/feed/";

/// Where the listing page is.
pub const LISTING: &str = "/knowledge-resources/";

const STYLE: &str = include_str!("../../../templates/demo/site/style.css");

/// The site as it was at one moment.
#[derive(Clone, Debug)]
pub struct Site(Arc<Content>);

#[derive(Debug)]
struct Content {
    now: UtcMillis,
    assets: HashMap<String, Asset>,
}

/// The site as of `now`: its stories came out in the days before.
pub fn site(now: UtcMillis) -> Site {
    // Editors publish on the minute, and so do validators that know only seconds stay exact.
    let now = UtcMillis(now.0 - now.0.rem_euclid(60_000));
    let newest = stories::all().first().map_or(now, |story| now.minus(story.age()));
    let mut assets: HashMap<String, Asset> = pages::all(now)
        .into_iter()
        .map(|page| (page.path, Asset::new("text/html; charset=utf-8", page.html.into_bytes(), page.modified)))
        .collect();
    assets.insert("/assets/style.css".to_owned(), Asset::new("text/css; charset=utf-8", STYLE.into(), newest));
    for (file, bytes) in pages::PICTURES {
        assets.insert(format!("/assets/{file}"), Asset::new("image/png", bytes.to_vec(), newest));
    }
    Site(Arc::new(Content { now, assets }))
}

impl Site {
    /// The site's pages, feed and pictures.
    pub fn router(&self) -> Router {
        Router::new()
            .route(FEED, get(feed))
            .route("/", get(asset))
            .route("/{*path}", get(asset))
            .with_state(self.clone())
    }
}

async fn asset(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if let Some(asset) = site.0.assets.get(path) {
        return asset.answer(&headers);
    }
    let with_slash = format!("{path}/");
    if with_slash == FEED || site.0.assets.contains_key(&with_slash) {
        return Redirect::permanent(&with_slash).into_response();
    }
    answer::not_found(pages::missing())
}

/// A feed has whole addresses, so it is made for the name that the reader calls this server by.
async fn feed(State(site): State<Site>, headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
    let base = format!("http://{}", host.unwrap_or("localhost"));
    let (xml, modified) = pages::feed(&base, site.0.now);
    Asset::new("application/rss+xml; charset=utf-8", xml.into_bytes(), modified).answer(&headers)
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
}
