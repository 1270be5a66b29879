//! Health and metrics: small answers from memory.

use super::{Controller, Held, removal};
use crate::guard::Removal;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use std::{convert::Infallible, fmt::Write as _, io, net::SocketAddr, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// Connections at once; more wait.
const CONNECTIONS: usize = 32;
/// How long one may be open.
const OPEN: Duration = Duration::from_secs(30);

pub(super) struct Server(TcpListener);

impl Server {
    pub(super) async fn bind(listen: SocketAddr) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(listen).await?))
    }

    pub(super) async fn run(self, controller: Arc<Controller>, stop: CancellationToken) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                Some(_ended) = open.join_next() => continue,
                accepted = self.0.accept(), if open.len() < CONNECTIONS => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // No descriptor is left: one is given back in a moment.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let controller = Arc::clone(&controller);
            open.spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(&controller, &request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let mut server = http1::Builder::new();
                server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5)).max_buf_size(8 << 10);
                // A client that went away is none of our business.
                timeout(OPEN, server.serve_connection(TokioIo::new(stream), service)).await.is_ok_and(|served| served.is_ok())
            });
        }
    }
}

fn answer(controller: &Controller, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        "/livez" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if controller.complete() => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => {
            let unread: Vec<_> = controller.lock().unread.iter().copied().collect();
            (StatusCode::SERVICE_UNAVAILABLE, format!("not read yet: {}\n", unread.join(", ")))
        }
        "/metrics" => (StatusCode::OK, metrics(controller)),
        _ => (StatusCode::NOT_FOUND, "there is /livez, /readyz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = if request.uri().path() == "/metrics" { "application/openmetrics-text; version=1.0.0; charset=utf-8" } else { "text/plain" };
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

/// Every metric as `OpenMetrics`. No label names a shop.
fn metrics(controller: &Controller) -> String {
    let counts = &controller.counts;
    let held = f64::from(u8::from(matches!(removal::decide(controller, Timestamp::now()), Removal::Held(_))));
    let (waiting, failing) = controller.queue().depth();
    let running = controller.queue().running();
    let leads = controller.held.iter().filter(|held| Held::is(held)).count();
    let (shops, objects, halted, missing, unreadable) = {
        let state = controller.lock();
        let objects: usize = state.world.values().map(std::collections::BTreeMap::len).sum();
        (state.fleet.shops.len(), objects, u8::from(state.halted.is_some()), state.missing.len(), state.unreadable.len())
    };
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        // Writing to a String cannot fail.
        write!(
            text,
            "# TYPE longshore_scheduler_{name} gauge\n# HELP longshore_scheduler_{name} {help}\nlongshore_scheduler_{name} {value}\n"
        )
        .unwrap_or_default();
    };
    #[allow(clippy::cast_precision_loss, reason = "counts of shops and objects are far below 2^52")]
    let float = |number: usize| number as f64;
    gauge("shops", "Shops in the registry.", float(shops));
    gauge("objects", "Objects of shops in the cluster.", float(objects));
    gauge("shards_led", "Shards that this process leads.", float(leads));
    gauge("queue_shops", "Shops that wait for a look.", float(waiting));
    gauge("failing_shops", "Shops whose last look failed.", float(failing));
    gauge("running_looks", "Shops that are being looked at.", float(running));
    gauge("missing_shops", "Shops that have objects and are not in the registry.", float(missing));
    gauge("unreadable_releases", "Releases whose envelope cannot be read.", float(unreadable));
    gauge("deletion_held", "Whether a guard keeps missing shops from being taken down, 1 or 0.", held);
    gauge("halted", "Whether the andon cord is pulled, 1 or 0.", f64::from(halted));
    let memory = runtime::resident_memory().unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
    gauge("resident_memory_bytes", "Memory of the process that is resident.", memory as f64);
    let mut counter = |name: &str, help: &str, value: u64| {
        write!(text, "# TYPE longshore_scheduler_{name} counter\n# HELP longshore_scheduler_{name} {help}\nlongshore_scheduler_{name}_total {value}\n")
            .unwrap_or_default();
    };
    counter("looks", "Looks at shops.", counts.looks.load(Relaxed));
    counter("failed_looks", "Looks that failed.", counts.failures.load(Relaxed));
    counter("writes", "Objects written.", counts.writes.load(Relaxed));
    counter("deletes", "Objects deleted.", counts.deletes.load(Relaxed));
    counter("status_writes", "Statuses of Shops written.", counts.statuses.load(Relaxed));
    counter("taken_over", "Objects of which fields were taken from other managers.", counts.taken.load(Relaxed));
    counter("moves", "Shops that a rollout told another release.", counts.moves.load(Relaxed));
    text += "# EOF\n";
    text
}
