//! THE WINDOW. Every route on one page.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::store::{Patience, Store};

/// All routes.
pub fn routes(store: Store) -> Router {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready)).with_state(store)
}

/// Serves until `shutdown` ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    store: Store,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, routes(store)).with_graceful_shutdown(shutdown).await
}

/// The process runs.
async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// The process can do its work: the record answers, and took the last write.
async fn ready(State(store): State<Store>) -> (StatusCode, Json<Value>) {
    let answer = store.unless_silent(&Patience::default(), store.now()).await.map_err(|error| error.to_string());
    match answer.and_then(|now| store.trouble().map_or(Ok(now), Err)) {
        Ok(now) => (StatusCode::OK, Json(json!({ "status": "ready", "now": now.to_string() }))),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready", "reason": reason }))),
    }
}
