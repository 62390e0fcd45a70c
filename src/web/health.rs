//! For supervisors: whether the process lives, and whether the store answers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::AppState;

/// A supervisor asks often, and does not wait as long as a person does.
const PATIENCE: Duration = Duration::from_secs(3);

/// The process lives.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The store answers.
pub(super) async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    let ping = async { state.subscribers.store().read().await?.ping().await };
    let error = match tokio::time::timeout(PATIENCE, ping).await {
        Ok(Ok(())) => return (StatusCode::OK, Json(json!({ "ready": true, "store": "ok" }))),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} seconds", PATIENCE.as_secs()),
    };
    // What the database says is for the log; anybody may ask here.
    tracing::warn!(error, "the store does not answer");
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "store": "no answer" })))
}
