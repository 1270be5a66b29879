//! Health and metrics: small answers from memory.

use super::{Controller, metrics};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
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
                server
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(5))
                    .max_buf_size(8 << 10);
                // A client that went away is none of our business.
                timeout(OPEN, server.serve_connection(TokioIo::new(stream), service))
                    .await
                    .is_ok_and(|served| served.is_ok())
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
            (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("not read yet: {}\n", unread.join(", ")),
            )
        }
        "/metrics" => (StatusCode::OK, metrics::page(controller)),
        _ => (
            StatusCode::NOT_FOUND,
            "there is /livez, /readyz and /metrics\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = if request.uri().path() == "/metrics" {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain"
    };
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static(kind),
    );
    response
}
