//! Small pages over HTTP, from memory: health and metrics.

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, fmt, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// Connections at once; more wait.
const CONNECTIONS: usize = 32;
/// How long one may be open.
const OPEN: Duration = Duration::from_secs(30);

/// What a path answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// A text, with 200.
    Text(String),
    /// Metrics in OpenMetrics' form.
    Metrics(String),
    /// It is not so yet, or not any more: 503, and why.
    Unavailable(String),
    /// There is no such page: 404, and which ones there are.
    Missing(&'static str),
}

/// Gives the page of a path.
pub type Pages = Arc<dyn Fn(&str) -> Page + Send + Sync>;

/// A server of pages, which listens.
pub struct PageServer(TcpListener);

impl fmt::Debug for PageServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageServer")
    }
}

impl PageServer {
    /// Listens at an address.
    ///
    /// # Errors
    ///
    /// It is taken, or not this machine's.
    pub async fn bind(listen: SocketAddr) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(listen).await?))
    }

    /// Answers until `stop`.
    pub async fn run(self, pages: Pages, stop: CancellationToken) {
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
            let pages = Arc::clone(&pages);
            open.spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer(pages(request.uri().path()));
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

fn answer(page: Page) -> Response<Full<Bytes>> {
    const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let (status, kind, text) = match page {
        Page::Text(text) => (StatusCode::OK, "text/plain", text),
        Page::Metrics(text) => (StatusCode::OK, METRICS, text),
        Page::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", text),
        Page::Missing(text) => (StatusCode::NOT_FOUND, "text/plain", text.to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
