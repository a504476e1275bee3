//! THE WINDOW. Every route on one page.

mod metrics;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::queue::Counts;
use crate::store::{Patience, Store};

/// What the routes look at.
#[derive(Clone, Debug)]
pub struct Door {
    /// The record.
    pub store: Store,
    /// What the queue has done.
    pub counts: Arc<Counts>,
}

/// All routes.
pub fn routes(door: Door) -> Router {
    let routes = Router::new().route("/health/live", get(live)).route("/health/ready", get(ready));
    routes.route("/metrics", get(metrics)).with_state(door)
}

/// Serves until `shutdown` ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    door: Door,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, routes(door)).with_graceful_shutdown(shutdown).await
}

/// The process runs.
async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// The process can do its work: the record answers, and took the last write.
async fn ready(State(Door { store, .. }): State<Door>) -> (StatusCode, Json<Value>) {
    let answer = store.unless_silent(&Patience::default(), store.now()).await.map_err(|error| error.to_string());
    match answer.and_then(|now| store.trouble().map_or(Ok(now), Err)) {
        Ok(now) => (StatusCode::OK, Json(json!({ "status": "ready", "now": now.to_string() }))),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready", "reason": reason }))),
    }
}

/// How the work stands, for Prometheus.
async fn metrics(State(door): State<Door>) -> Response {
    match metrics::text(&door).await {
        Ok(text) => ([(CONTENT_TYPE, metrics::TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
