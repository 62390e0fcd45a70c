//! For supervisors and Prometheus: whether the process lives, whether it can do its work, and its numbers.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::visitor::Visitor;
use super::{AppState, join};
use crate::status::StoreState;

/// The format that Prometheus reads.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// When to come back to a store that is gone.
const AGAIN: Duration = Duration::from_secs(10);

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

/// Nobody waits for a page from a store that is known to be gone. What people do is tried all the same.
pub(super) async fn at_once_where_the_store_is_gone(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    if !request.method().is_safe() || state.status.store() != StoreState::Gone {
        return next.run(request).await;
    }
    let mut page = state.pages.message(StatusCode::SERVICE_UNAVAILABLE, &state.locale(None), "failed");
    join::come_back(&mut page, AGAIN);
    page
}

/// The numbers, for this machine and the networks of `server.metrics_from`.
pub(super) async fn metrics(State(state): State<AppState>, visitor: Visitor) -> Response {
    let config = state.subscribers.config();
    let welcome = visitor.network.is_some_and(|address| {
        address.is_loopback() || config.server.metrics_from.iter().any(|network| network.contains(&address))
    });
    if visitor.is_passed_on || !welcome {
        let why = "The metrics are for this machine and for the networks that server.metrics_from names.\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let text = Box::pin(state.status.metrics(config, state.subscribers.now())).await;
    ([(CONTENT_TYPE, FORMAT)], text).into_response()
}
