//! What each path answers. Handlers read memory and wait for nothing.

use super::{State, livez};
use crate::{
    metrics,
    status::{Check, readyz, startupz},
};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde_json::json;
use std::{fmt::Write as _, net::SocketAddr, sync::Arc};
use tracing::info;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .route("/metrics", get(scrape))
        .route("/status", get(status))
        .route("/debug/log-level", get(log_level).put(set_log_level))
        .with_state(state)
}

async fn live(Shared(state): Shared<Arc<State>>, uri: Uri, headers: HeaderMap) -> Response {
    health(&livez(&state.heartbeats), &uri, &headers)
}

async fn ready(Shared(state): Shared<Arc<State>>, uri: Uri, headers: HeaderMap) -> Response {
    let checks = readyz(&state.snapshot.borrow(), &state.policy, Timestamp::now());
    health(&checks, &uri, &headers)
}

async fn started(Shared(state): Shared<Arc<State>>, uri: Uri, headers: HeaderMap) -> Response {
    let checks = startupz(&state.snapshot.borrow());
    health(&checks, &uri, &headers)
}

async fn scrape(Shared(state): Shared<Arc<State>>) -> Response {
    let snapshot = Arc::clone(&state.snapshot.borrow());
    let ready = readyz(&snapshot, &state.policy, Timestamp::now()).iter().all(|check| check.ok);
    answer(StatusCode::OK, metrics::CONTENT_TYPE, state.metrics.text(&snapshot, ready))
}

async fn status(Shared(state): Shared<Arc<State>>) -> Response {
    let snapshot = Arc::clone(&state.snapshot.borrow());
    match serde_json::to_vec_pretty(&*snapshot) {
        Ok(page) => answer(StatusCode::OK, JSON, page),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("cannot write the status: {error}\n")),
    }
}

async fn log_level(Shared(state): Shared<Arc<State>>, Extension(Peer(peer)): Extension<Peer>) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return loopback_only();
    }
    answer(StatusCode::OK, TEXT, format!("{}\n", state.log.current()))
}

async fn set_log_level(Shared(state): Shared<Arc<State>>, Extension(Peer(peer)): Extension<Peer>, body: Bytes) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return loopback_only();
    }
    let Ok(level) = std::str::from_utf8(&body) else {
        return answer(StatusCode::BAD_REQUEST, TEXT, "the level is not UTF-8\n".to_owned());
    };
    match state.log.set(level.trim()) {
        Ok(()) => {
            info!(level = level.trim(), "log level set");
            answer(StatusCode::OK, TEXT, format!("{}\n", state.log.current()))
        }
        Err(problem) => answer(StatusCode::BAD_REQUEST, TEXT, format!("{problem}\n")),
    }
}

fn loopback_only() -> Response {
    answer(StatusCode::FORBIDDEN, TEXT, "only from inside the pod, by its loopback address: kubectl port-forward\n".to_owned())
}

/// 200 where all checks pass, 503 otherwise. As text: what fails, or with `?verbose` every check; as JSON where that is asked for.
fn health(checks: &[Check], uri: &Uri, headers: &HeaderMap) -> Response {
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let wants_json = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains(JSON));
    if wants_json {
        return answer(status, JSON, json!({ "ok": ok, "checks": checks }).to_string());
    }
    let verbose = uri.query().is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")));
    let mut page = String::new();
    for Check { name, ok, detail } in checks.iter().filter(|check| verbose || !check.ok) {
        // One line a check, whatever an error's text holds.
        let detail: String = detail.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        writeln!(page, "{} {name}: {detail}", if *ok { "ok  " } else { "FAIL" }).expect("a String takes everything");
    }
    if ok {
        page += "ok\n";
    }
    answer(status, TEXT, page)
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<axum::body::Body>) -> Response {
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        board::Board,
        serve::{Heartbeats, LogLevel},
        status::Policy,
    };
    use axum::{body::Body, http::Request};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    #[tokio::test]
    async fn only_the_pod_itself_sees_and_changes_the_log_level() {
        let board = Board::for_tests();
        let log = LogLevel::new("info".to_owned(), Arc::new(|_: &str| Ok(())));
        let state =
            State { snapshot: board.watch(), policy: Policy::default(), heartbeats: Heartbeats::new(), metrics: board.metrics(), log };
        let router = TowerToHyperService::new(router(Arc::new(state)));
        let ask = async |method: &str, peer: &str| {
            let mut request = Request::builder().method(method).uri("/debug/log-level").body(Body::from("debug")).unwrap();
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
            router.call(request).await.unwrap().status().as_u16()
        };
        for peer in ["10.0.0.1:40000", "[::ffff:10.0.0.1]:40000", "[fd00::1]:40000", "[::]:40000", "0.0.0.0:40000"] {
            assert_eq!((ask("GET", peer).await, ask("PUT", peer).await), (403, 403), "{peer}");
        }
        for peer in ["127.0.0.1:40000", "127.1.2.3:40000", "[::1]:40000", "[::ffff:127.0.0.1]:40000"] {
            assert_eq!((ask("GET", peer).await, ask("PUT", peer).await), (200, 200), "{peer}");
        }
    }
}
