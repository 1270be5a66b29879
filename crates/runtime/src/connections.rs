//! The connections of one listener: each has an end, and none keeps another one out.
//!
//! A header must come whole within [`HEADER_TIMEOUT`], from the connection's start or from the last
//! answer on; nothing is open for longer than [`CONNECTION_TIMEOUT`]. With [`CONNECTIONS`] open, a
//! new one takes the place of the oldest of the peer that has the most, so that idle ones never
//! keep a probe out: a probe is over in milliseconds.

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::Service,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    collections::HashMap,
    error::Error,
    future::ready,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How long a client may take for a request's header, and be idle between requests.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be open: a client that does not read its answer is cut then.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_mins(1);
/// How long open connections may take to end after the stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections at once. Each reads into a buffer of up to [`HEADER_LIMIT`], so a flood
/// costs little memory.
pub const CONNECTIONS: usize = 64;
/// A request's line and header in bytes: the least that hyper can be set to. Bodies are never read.
pub const HEADER_LIMIT: usize = 8 << 10;
/// How long to wait where the process has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// How long one may be open.
    pub lifetime: Duration,
    /// Bytes of a request's line and header, and of what waits to be read or written.
    pub buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            lifetime: CONNECTION_TIMEOUT,
            buffer: HEADER_LIMIT,
        }
    }
}

/// How many requests a connection may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// One, where connections are counted and requests are not.
    One,
    /// Any number, one after the other.
    Many,
}

/// Answers by `service` until `stop`, and at most [`DRAIN_TIMEOUT`] longer. `pause` says how long
/// the next connection waits after one was accepted. No client and no lack of descriptors ends it.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    requests: Requests,
    pause: impl FnMut() -> Option<Duration>,
    stop: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let plain = |stream| ready(Ok(stream));
    serve_through(listener, plain, service, requests, pause, stop).await;
}

/// The same with other limits, for any number of requests.
pub async fn serve_within<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    stop: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let plain = |stream| ready(Ok(stream));
    accept(
        listener,
        plain,
        service,
        (Requests::Many, limits),
        || None,
        stop,
    )
    .await;
}

/// The same, after a handshake, such as that of TLS, which may take [`HEADER_TIMEOUT`]. Where it
/// fails, the connection ends.
pub async fn serve_through<H, F, I, S, B>(
    listener: TcpListener,
    handshake: H,
    service: S,
    requests: Requests,
    pause: impl FnMut() -> Option<Duration>,
    stop: CancellationToken,
) where
    H: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<I>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let bounds = (requests, Limits::default());
    accept(listener, handshake, service, bounds, pause, stop).await;
}

async fn accept<H, F, I, S, B>(
    listener: TcpListener,
    handshake: H,
    service: S,
    (requests, limits): (Requests, Limits),
    mut pause: impl FnMut() -> Option<Duration>,
    stop: CancellationToken,
) where
    H: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<I>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut tasks, mut open, mut warned) = (JoinSet::new(), Open::default(), false);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_ended) = tasks.join_next() => continue,
        };
        // Also here: where connections come without a pause, the branch above is never reached.
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                open.make_room(limits.connections);
                open.0.push((
                    peer.ip(),
                    tasks.spawn(connection(
                        handshake(stream),
                        peer,
                        service.clone(),
                        (requests, limits),
                        stop.clone(),
                    )),
                ));
                warned = false;
                if let Some(pause) = pause()
                    && stop.run_until_cancelled(sleep(pause)).await.is_none()
                {
                    break;
                }
            }
            // The client is gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Once, not ten times a second.
                if !warned {
                    warn!(%error, "connection not accepted");
                }
                warned = true;
                open.cut_one();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, async {
        while tasks.join_next().await.is_some() {}
    })
    .await
    .is_err()
    {
        debug!(connections = tasks.len(), "connections cut");
    }
}

/// The open connections of a listener, oldest first.
#[derive(Default)]
struct Open(Vec<(IpAddr, AbortHandle)>);

impl Open {
    fn make_room(&mut self, connections: usize) {
        self.0.retain(|(_, connection)| !connection.is_finished());
        if self.0.len() >= connections {
            self.cut_one();
        }
    }

    /// The oldest of the peer that has the most.
    fn cut_one(&mut self) {
        let mut each = HashMap::<IpAddr, usize>::new();
        for (peer, _) in &self.0 {
            *each.entry(*peer).or_default() += 1;
        }
        let most = each.values().copied().max().unwrap_or_default();
        if let Some(index) = self.0.iter().position(|(peer, _)| each[peer] == most) {
            self.0.remove(index).1.abort();
        }
    }
}

async fn connection<I, S, B>(
    handshake: impl Future<Output = io::Result<I>>,
    peer: SocketAddr,
    service: S,
    (requests, limits): (Requests, Limits),
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let stream = match timeout(HEADER_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            debug!(%peer, %error, "no handshake");
            return;
        }
        Err(_elapsed) => {
            debug!(%peer, "no handshake in time");
            return;
        }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(limits.buffer)
        .keep_alive(requests == Requests::Many)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut asked = false;
    let served = timeout(limits.lifetime, async {
        loop {
            tokio::select! {
                ended = connection.as_mut() => return ended,
                () = stop.cancelled(), if !asked => {
                    asked = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    });
    // What a client does wrong is no news of ours.
    match served.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%peer, %error, "connection ended"),
        Err(_elapsed) => debug!(%peer, "connection cut after its time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_peer_that_has_the_most_connections_loses_its_oldest() {
        let mut tasks = JoinSet::new();
        let mut open = Open::default();
        let peers: Vec<IpAddr> = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.2"]
            .map(|peer| peer.parse().unwrap())
            .into();
        for peer in &peers {
            open.0
                .push((*peer, tasks.spawn(std::future::pending::<()>())));
        }
        open.cut_one();
        assert_eq!(
            open.0.iter().map(|(peer, _)| *peer).collect::<Vec<_>>(),
            [peers[0], peers[2], peers[3]]
        );
        open.cut_one();
        assert_eq!(
            open.0.iter().map(|(peer, _)| *peer).collect::<Vec<_>>(),
            [peers[2], peers[3]]
        );
    }
}
