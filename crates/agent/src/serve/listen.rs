//! Connections: how many, how long, and how large their headers may be.

use super::Peer;
use axum::{Router, http::Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;
use tracing::debug;

/// Connections at once: the kubelet, Prometheus and some people. More are closed at once.
const CONNECTIONS: usize = 64;
/// How long a request's headers may take, from the connection's start or the last answer.
const HEADERS: Duration = Duration::from_secs(5);
/// How long a connection may last in all: whoever wants more opens another.
const LIFETIME: Duration = Duration::from_mins(2);
/// Bytes of a request's line and headers; the least that hyper lets one set is 8 KiB.
const HEADERS_LIMIT: usize = 16 << 10;
/// How long answers in flight may take once we end.
const LINGER: Duration = Duration::from_secs(1);

pub(super) async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    let (slots, mut connections) = (Arc::new(Semaphore::new(CONNECTIONS)), JoinSet::new());
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: asking again at once would only burn the processor.
                debug!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Where there is no slot, it is closed by being dropped.
        if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            let (router, stop) = (router.clone(), stop.clone());
            connections.spawn(async move {
                answer(stream, peer, router, stop).await;
                drop(slot);
            });
        }
    }
    drop(listener);
    tokio::time::timeout(LINGER, async { while connections.join_next().await.is_some() {} }).await.ok();
}

async fn answer(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().call(request)
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEADERS_LIMIT);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let over = tokio::time::sleep(LIFETIME);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = over => Ok(()),
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "a connection ended");
    }
}
