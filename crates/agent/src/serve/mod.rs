//! The HTTP server for health, metrics and status: small answers from memory, whoever asks and however slowly.
//!
//! | path | answer |
//! |---|---|
//! | `/livez` | 200 while the agent's own tasks go round, else 503 |
//! | `/readyz`, `/startupz` | 200 where the policy passes, else 503 with the checks that fail; `?verbose`: all; `Accept: application/json` |
//! | `/metrics` | `OpenMetrics` |
//! | `/status` | JSON, the whole [`Snapshot`] |
//! | `/debug/log-level` | GET and PUT of the log filter, by loopback peers only |
//!
//! Every connection has an end: a header must come whole within [`HEADER_TIMEOUT`], from the connection's start or from the last answer
//! on; a request takes at most [`REQUEST_TIMEOUT`]; nothing is open for longer than [`CONNECTION_TIMEOUT`]. With [`CONNECTIONS`]
//! open, a new one takes the place of the oldest, so that idle ones never keep a probe out: a probe is over in milliseconds.

mod heartbeat;
mod log_level;
mod routes;

pub use heartbeat::{Heartbeat, Heartbeats, livez};
pub use log_level::{LogLevel, SetLevel};

use crate::{
    metrics::Metrics,
    status::{Policy, Snapshot},
};
use axum::{
    Router,
    http::{Request, Response, StatusCode},
};
use http_body_util::Limited;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use release::Reason;
use routes::Peer;
use std::{collections::VecDeque, convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How long a client may take for a request's header, and be idle between requests.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take once its header is there, its body included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be open: a client that does not read its answer is cut then.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_mins(1);
/// How long open connections may take to end after the stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections at once. Each reads into a buffer of up to [`HEADER_LIMIT`], so a flood costs little memory.
pub const CONNECTIONS: usize = 64;
/// A request's line and header in bytes: the least that hyper can be set to.
pub const HEADER_LIMIT: usize = 8 << 10;
/// A request's body in bytes; the longest that is expected is a log filter.
pub const BODY_LIMIT: usize = 1 << 10;
/// How long to wait where the process has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be bound.
    #[error("cannot listen on {listen}, as LONGSHORE_LISTEN says")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl ServeError {
    /// The stable code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Listen { .. } => Reason::Config,
        }
    }
}

/// What the answers are made of.
#[derive(Debug)]
pub struct State {
    /// What the agent knows about itself.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// What a pod needs to be ready.
    pub policy: Policy,
    /// Of every task that must go round.
    pub heartbeats: Heartbeats,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The log filter.
    pub log: LogLevel,
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    router: Router,
}

impl Server {
    /// Listens on `listen`; from here on, connections wait for [`Server::run`].
    ///
    /// # Errors
    ///
    /// The address is taken, is not this host's, or its port needs a privilege.
    pub async fn bind(listen: SocketAddr, state: State) -> Result<Self, ServeError> {
        let listener = TcpListener::bind(listen).await.map_err(|source| ServeError::Listen { listen, source })?;
        info!(address = %listener.local_addr().unwrap_or(listen), "health and metrics served");
        Ok(Self { listener, router: routes::router(Arc::new(state)) })
    }

    /// Where it listens, with the port that the kernel chose for port 0.
    ///
    /// # Errors
    ///
    /// The kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop` is cancelled, and at most [`DRAIN_TIMEOUT`] longer. Cancel it last: until then `/readyz` says that the agent is
    /// shutting down. No client and no lack of descriptors ends it.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut open = VecDeque::<AbortHandle>::with_capacity(CONNECTIONS);
        let mut warned = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
                Some(_ended) = tasks.join_next() => continue,
            };
            // Also here: where connections come without a pause, the branch above is never reached.
            while tasks.try_join_next().is_some() {}
            open.retain(|connection| !connection.is_finished());
            match accepted {
                Ok((stream, peer)) => {
                    if open.len() >= CONNECTIONS
                        && let Some(oldest) = open.pop_front()
                    {
                        oldest.abort();
                    }
                    open.push_back(tasks.spawn(connection(stream, peer, self.router.clone(), stop.clone())));
                    warned = false;
                }
                // The client is gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Once, not ten times a second.
                    if !warned {
                        warn!(%error, "connection not accepted");
                    }
                    warned = true;
                    if let Some(oldest) = open.pop_front() {
                        oldest.abort();
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        if timeout(DRAIN_TIMEOUT, async { while tasks.join_next().await.is_some() {} }).await.is_err() {
            debug!(connections = tasks.len(), "connections cut");
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    let service = service_fn(move |request| respond(router.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut asked = false;
    let served = timeout(CONNECTION_TIMEOUT, async {
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

async fn respond(router: Router, peer: SocketAddr, request: Request<Incoming>) -> Result<Response<axum::body::Body>, Infallible> {
    let mut request = request.map(|body| axum::body::Body::new(Limited::new(body, BODY_LIMIT)));
    request.extensions_mut().insert(Peer(peer));
    let answer = timeout(REQUEST_TIMEOUT, TowerToHyperService::new(router).call(request));
    answer.await.unwrap_or_else(|_elapsed| {
        let mut response = Response::new(axum::body::Body::from("the request took too long\n"));
        *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
        Ok(response)
    })
}
