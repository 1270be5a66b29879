//! What each path answers. Handlers read memory and wait for nothing.

use super::{State, livez};
use crate::status::{Check, readyz, startupz};
use axum::{
    Router,
    extract::State as Shared,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde_json::json;
use std::{fmt::Write as _, sync::Arc};

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .route("/metrics", get(scrape))
        .route("/status", get(status))
        .route("/requests", get(requests))
        .route("/errors", get(errors))
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
    let ready = readyz(&snapshot, &state.policy, Timestamp::now())
        .iter()
        .all(|check| check.ok);
    answer(
        StatusCode::OK,
        runtime::OPEN_METRICS,
        state.metrics.text(&snapshot, ready),
    )
}

async fn status(Shared(state): Shared<Arc<State>>) -> Response {
    let snapshot = Arc::clone(&state.snapshot.borrow());
    page(serde_json::to_vec_pretty(&*snapshot))
}

async fn requests(Shared(state): Shared<Arc<State>>) -> Response {
    match &state.requests {
        Some(requests) => page(serde_json::to_vec(&requests.page())),
        None => answer(
            StatusCode::NOT_FOUND,
            TEXT,
            "LONGSHORE_POD_LOGS is not set: requests are not counted\n",
        ),
    }
}

fn page(written: serde_json::Result<Vec<u8>>) -> Response {
    match written {
        Ok(page) => answer(StatusCode::OK, JSON, page),
        Err(error) => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            TEXT,
            format!("cannot write the page: {error}\n"),
        ),
    }
}

/// What changed since the cursor that is asked with; everything without one.
async fn errors(Shared(state): Shared<Arc<State>>, uri: Uri) -> Response {
    let since = uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|part| part.strip_prefix("since="));
    let Ok(since) = since.unwrap_or("0").parse() else {
        let text = "since= is no cursor; expected a whole number, which the page before has\n";
        return answer(StatusCode::BAD_REQUEST, TEXT, text);
    };
    page(serde_json::to_vec(&state.errors.page(since)))
}

/// 200 where all checks pass, 503 otherwise. As text: what fails, or with `?verbose` every check;
/// as JSON if that is asked for.
fn health(checks: &[Check], uri: &Uri, headers: &HeaderMap) -> Response {
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains(JSON));
    if wants_json {
        return answer(
            status,
            JSON,
            json!({ "ok": ok, "checks": checks }).to_string(),
        );
    }
    let verbose = uri.query().is_some_and(|query| {
        query
            .split('&')
            .any(|part| part.split('=').next() == Some("verbose"))
    });
    let mut page = String::new();
    for Check { name, ok, detail } in checks.iter().filter(|check| verbose || !check.ok) {
        // One line a check, whatever an error's text holds.
        let detail: String = detail
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect();
        writeln!(
            page,
            "{} {name}: {detail}",
            if *ok { "ok  " } else { "FAIL" }
        )
        .expect("a String takes everything");
    }
    if ok {
        page += "ok\n";
    }
    answer(status, TEXT, page)
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<axum::body::Body>,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.into()).into_response()
}
