//! Small pages over HTTP, from memory: health and metrics.

use crate::{
    OPEN_METRICS,
    connections::{Requests, serve},
};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    service::service_fn,
};
use std::{convert::Infallible, fmt, io, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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

    /// Answers until `stop`, as [`serve`] does.
    pub async fn run(self, pages: Pages, stop: CancellationToken) {
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(pages(request.uri().path()));
            async move { Ok::<_, Infallible>(answer) }
        });
        serve(self.0, service, Requests::Many, || None, stop).await;
    }
}

fn answer(page: Page) -> Response<Full<Bytes>> {
    let (status, kind, text) = match page {
        Page::Text(text) => (StatusCode::OK, "text/plain", text),
        Page::Metrics(text) => (StatusCode::OK, OPEN_METRICS, text),
        Page::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", text),
        Page::Missing(text) => (StatusCode::NOT_FOUND, "text/plain", text.to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
