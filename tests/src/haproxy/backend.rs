//! What HAProxy passes requests on to.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what a test or a benchmark cannot go on without fails there"
)]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

const AT_ONCE: RangeInclusive<Duration> = Duration::ZERO..=Duration::ZERO;

/// A pod: it answers each request with its own name and what it was asked. It is no php-fpm, and
/// says so: what is tested is in front of it.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    /// How often it was asked.
    pub requests: Arc<AtomicU64>,
}

/// What it answers.
#[derive(Debug, Clone)]
enum Says {
    /// Its name, and what it was asked.
    Asked(String),
    /// Always the same.
    Page(&'static str),
}

impl Says {
    fn asked(name: &str) -> Self {
        Self::Asked(name.to_owned())
    }
}

impl Backend {
    /// One that answers at once.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::slow(name, Duration::ZERO)
    }

    /// One at another address than loopback's, which no `EndpointSlice` may have.
    #[must_use]
    pub fn at(address: Ipv4Addr, name: &str) -> Self {
        Self::start(address, Says::asked(name), AT_ONCE)
    }

    /// One that takes its time.
    #[must_use]
    pub fn slow(name: &str, time: Duration) -> Self {
        Self::uneven(name, time..=time)
    }

    /// One that takes between so long and so long, as pages do: requests that begin together do not
    /// end together.
    #[must_use]
    pub fn uneven(name: &str, times: RangeInclusive<Duration>) -> Self {
        Self::start(Ipv4Addr::LOCALHOST, Says::asked(name), times)
    }

    /// One whose answers are alike, whatever it was asked: a benchmark would count the work of
    /// others.
    #[must_use]
    pub fn terse() -> Self {
        Self::page("a page\n")
    }

    /// One that answers with this page.
    #[must_use]
    pub fn page(text: &'static str) -> Self {
        Self::start(Ipv4Addr::LOCALHOST, Says::Page(text), AT_ONCE)
    }

    fn start(address: Ipv4Addr, says: Says, times: RangeInclusive<Duration>) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(listener, says, times, count));
        });
        Self { address, requests }
    }
}

async fn serve(
    listener: TcpListener,
    says: Says,
    times: RangeInclusive<Duration>,
    count: Arc<AtomicU64>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (says, times, count) = (says.clone(), times.clone(), Arc::clone(&count));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let number = count.fetch_add(1, Relaxed);
                answer(request, says.clone(), between(&times, number))
            });
            // A connection that breaks is the visitor's.
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

/// A time for each number. Multiples of this step fill a circle evenly, in no order.
fn between(times: &RangeInclusive<Duration>, number: u64) -> Duration {
    let [low, high, ..] = number.wrapping_mul(40_503).to_le_bytes();
    let part = u32::from(u16::from_le_bytes([low, high]));
    let width = times.end().saturating_sub(*times.start());
    *times.start() + width * part / u32::from(u16::MAX)
}

async fn answer(
    request: Request<Incoming>,
    says: Says,
    time: Duration,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    body.collect().await?;
    tokio::time::sleep(time).await;
    let name = match says {
        Says::Page(text) => {
            let mut page = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
            let html = HeaderValue::from_static("text/html");
            page.headers_mut().insert(CONTENT_TYPE, html);
            return Ok(page);
        }
        Says::Asked(name) => name,
    };
    let mut text = format!(
        "pod: {name}\n{} {} {:?}\n",
        head.method, head.uri, head.version
    );
    for (name, value) in &head.headers {
        // Writing to a String cannot fail.
        writeln!(text, "{name}: {}", value.to_str().unwrap_or("?")).unwrap_or_default();
    }
    Ok(Response::new(Full::new(Bytes::from(text))))
}
