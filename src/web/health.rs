//! `/readyz`: whether this process can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::AppState;

/// 200 when the store answers, else 503.
pub(super) async fn ready(State(state): State<AppState>) -> Response {
    let answers = match state.subscribers().store().read().await {
        Ok(mut session) => session.sources().await.is_ok(),
        Err(_) => false,
    };
    let status = if answers { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": answers, "store": if answers { "ok" } else { "no answer" } }))).into_response()
}
