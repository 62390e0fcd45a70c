//! For supervisors and Prometheus: whether the process lives, whether it can do its work, and its numbers.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::AppState;
use super::visitor::{Visitor, is_forwarded};

/// The format that Prometheus reads.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process lives.
pub(super) async fn healthz(State(state): State<AppState>) -> Json<Value> {
    Json(state.status.health())
}

/// The store answers and takes what is written; how each part is. What the database says is for the log, since anybody may
/// ask here.
pub(super) async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    let (ready, words) = state.status.readiness().await;
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(words))
}

/// The numbers, for this machine and the networks of `server.metrics_from`.
pub(super) async fn metrics(State(state): State<AppState>, visitor: Visitor, headers: HeaderMap) -> Response {
    let config = state.subscribers.config();
    // What came through a proxy that nobody has named as trusted may come from anywhere.
    let strange = config.server.trusted_proxies.is_empty() && is_forwarded(&headers);
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
