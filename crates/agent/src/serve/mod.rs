//! Health, metrics and status over HTTP/1.1.
//!
//! | path | answers |
//! |---|---|
//! | `/livez` | 200 while the agent's own loop goes on, else 503: never because of the store, of mounts or of PHP |
//! | `/startupz` | 200 once a release runs and the mounts that matter are usable |
//! | `/readyz` | the same, and fresh enough, and not on the way out |
//! | `/status` | everything, as JSON |
//! | `/metrics` | `OpenMetrics` text |
//! | `/debug/log-level` | `PUT` with a filter such as `debug` or `warn,store=debug`; from loopback only |
//!
//! The first three say why, a line each. No answer waits for anything: all are made from one value in memory. Connections are few and
//! short: whoever sends its headers slowly, or nothing, is closed.

mod listen;

use crate::{board::Board, status::Policy, status::Verdict};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use jiff::Timestamp;
use runtime::{Setting as _, telemetry};
use std::{fmt::Write as _, io, net::SocketAddr};
use tokio_util::sync::CancellationToken;

/// Bytes of a request's body: a log filter is a line.
const BODY_LIMIT: usize = 1024;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}, which LONGSHORE_LISTEN names")]
pub struct ServeError {
    /// Where.
    address: SocketAddr,
    /// Why.
    source: io::Error,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

#[derive(Debug, Clone)]
struct Serving {
    board: Board,
    policy: Policy,
}

/// Serves until `stop`, and then ends what is in flight within a second.
///
/// # Errors
///
/// [`ServeError`] where the address cannot be had.
pub async fn serve(address: SocketAddr, board: Board, policy: Policy, stop: CancellationToken) -> Result<(), ServeError> {
    let refused = |source| ServeError { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(refused)?;
    tracing::info!(address = %listener.local_addr().map_err(refused)?, "serving");
    listen::accept(listener, router(Serving { board, policy }), stop).await;
    Ok(())
}

fn router(serving: Serving) -> Router {
    Router::new()
        .route("/livez", get(async |State(serving): State<Serving>| verdicts(&serving.board.now().live(Timestamp::now()))))
        .route("/startupz", get(async |State(serving): State<Serving>| verdicts(&serving.board.now().started(&serving.policy))))
        .route("/readyz", get(async |State(serving): State<Serving>| verdicts(&serving.ready())))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/debug/log-level", put(log_level))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(serving)
}

impl Serving {
    fn ready(&self) -> Vec<Verdict> {
        self.board.now().ready(&self.policy, Timestamp::now())
    }
}

fn verdicts(verdicts: &[Verdict]) -> Response {
    let well = verdicts.iter().all(|verdict| verdict.ok);
    let mut text = String::new();
    for Verdict { name, ok, detail } in verdicts {
        // Writing into memory does not fail.
        writeln!(text, "[{}] {name}: {detail}", if *ok { '+' } else { '-' }).unwrap_or_default();
    }
    (if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text).into_response()
}

async fn status(State(serving): State<Serving>) -> Response {
    match serde_json::to_vec_pretty(&serving.board.now()) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn metrics(State(serving): State<Serving>) -> Response {
    let ready = serving.ready().iter().all(|verdict| verdict.ok);
    match serving.board.metrics().text(&serving.board.now(), ready) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn log_level(Extension(Peer(peer)): Extension<Peer>, body: Bytes) -> Response {
    if !peer.ip().is_loopback() {
        return (StatusCode::FORBIDDEN, "from loopback only, such as by kubectl exec\n").into_response();
    }
    let filter = std::str::from_utf8(&body).ok().and_then(|text| telemetry::Filter::read(text.trim()));
    let Some(filter) = filter else {
        return (StatusCode::BAD_REQUEST, format!("expected {}\n", telemetry::Filter::EXPECTED)).into_response();
    };
    if telemetry::change(&filter) { StatusCode::NO_CONTENT.into_response() } else { StatusCode::SERVICE_UNAVAILABLE.into_response() }
}

#[cfg(test)]
mod tests;
