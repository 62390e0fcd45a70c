//! For supervisors and Prometheus: whether the process lives, whether it can do its work, and its numbers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::AppState;
use super::visitor::Visitor;
use crate::status::StoreState;

/// A supervisor asks often, and does not wait as long as a person does.
const PATIENCE: Duration = Duration::from_secs(3);

/// What proxies add to a request that they pass on.
const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/// The format that Prometheus reads.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process lives.
pub(super) async fn healthz(State(state): State<AppState>) -> Json<Value> {
    Json(state.status.health())
}

/// The store answers and takes what is written; how each part is. What the database says is for the log, since anybody may
/// ask here.
pub(super) async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    let ping = async { state.subscribers.store().read().await?.ping().await };
    let seen = match tokio::time::timeout(PATIENCE, ping).await {
        Ok(Ok(())) => StoreState::Ok,
        Ok(Err(_)) | Err(_) => StoreState::Gone,
    };
    let (ready, words) = state.status.readiness(seen);
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(words))
}

/// The numbers, for this machine and the networks of `server.metrics_from`.
pub(super) async fn metrics(State(state): State<AppState>, visitor: Visitor, headers: HeaderMap) -> Response {
    let config = state.subscribers.config();
    // What came through a proxy that nobody has named as trusted may come from anywhere.
    let strange = config.server.trusted_proxies.is_empty() && FORWARDED.iter().any(|name| headers.contains_key(*name));
    let welcome = visitor.network.is_some_and(|address| {
        address.is_loopback() || config.server.metrics_from.iter().any(|network| network.contains(&address))
    });
    if strange || !welcome {
        let why = "The metrics are for this machine and for the networks that server.metrics_from names.\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let text = Box::pin(state.status.metrics(config, state.subscribers.now())).await;
    ([(CONTENT_TYPE, FORMAT)], text).into_response()
}
