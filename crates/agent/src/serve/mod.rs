//! The HTTP server for health, metrics and status: small answers from memory, whoever asks and
//! however slowly.
//!
//! | path | answer |
//! |---|---|
//! | `/livez` | 200 while the agent's own tasks go round, else 503 |
//! | `/readyz`, `/startupz` | 200 where the policy passes, else 503 with the checks that fail; `?verbose`: all; `Accept: application/json` |
//! | `/metrics` | `OpenMetrics` |
//! | `/status` | JSON, the whole [`Snapshot`] |
//!
//! Every connection has an end: a header must come whole within [`HEADER_TIMEOUT`], from the
//! connection's start or from the last answer on; nothing is open for longer than
//! [`CONNECTION_TIMEOUT`]. With [`CONNECTIONS`] open at one of its doors, a new one takes the place
//! of the oldest of the peer that has the most, so that idle ones never keep a probe out: a probe
//! is over in milliseconds. The shop's own containers have a door of their own.

mod door;
mod heartbeat;
mod routes;

pub use heartbeat::{Heartbeat, Heartbeats, livez};

use crate::{
    metrics::Metrics,
    status::{Policy, Snapshot},
};
use axum::Router;
use door::{Door, Pace, Side};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use release::Reason;
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How long a client may take for a request's header, and be idle between requests.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be open: a client that does not read its answer is cut then.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_mins(1);
/// How long open connections may take to end after the stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections at once at each door. Each reads into a buffer of up to [`HEADER_LIMIT`], so a flood
/// costs little memory.
pub const CONNECTIONS: usize = 64;
/// A request's line and header in bytes: the least that hyper can be set to. Bodies are never read.
pub const HEADER_LIMIT: usize = 8 << 10;
/// How long to wait where the process has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be bound.
    #[error(
        "cannot listen on {listen}, as LONGSHORE_LISTEN says{}",
        low(listen, source)
    )]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What the kernel's "permission denied" means.
fn low(listen: &SocketAddr, source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::PermissionDenied && listen.port() < 1024 {
        "; ports below 1024 take the capability NET_BIND_SERVICE: add it to the container, whose \
         image has to have it on the file of longshore-agent where the user is not root (a copy \
         may have lost it)"
    } else {
        ""
    }
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
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    doors: Vec<Door>,
    router: Router,
}

impl Server {
    /// Listens on `listen`; from here on, connections wait for [`Server::run`].
    ///
    /// # Errors
    ///
    /// The address is taken, is not this host's, or its port needs a privilege.
    pub fn bind(listen: SocketAddr, state: State) -> Result<Self, ServeError> {
        let server = Self {
            doors: door::open(listen)?,
            router: routes::router(Arc::new(state)),
        };
        info!(
            address = %server.address().unwrap_or(listen),
            doors = server.doors.len(),
            "health and metrics served"
        );
        Ok(server)
    }

    /// If it listens, with the port that the kernel chose for port 0.
    ///
    /// # Errors
    ///
    /// The kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.doors
            .first()
            .ok_or(io::ErrorKind::NotConnected)?
            .listener
            .local_addr()
    }

    /// Answers until `stop` is cancelled, and at most [`DRAIN_TIMEOUT`] longer. Cancel it last:
    /// until then `/readyz` says that the agent is shutting down. No client and no lack of
    /// descriptors ends it.
    pub async fn run(self, stop: CancellationToken) {
        let mut doors = JoinSet::new();
        for door in self.doors {
            doors.spawn(answer(door, self.router.clone(), stop.clone()));
        }
        while doors.join_next().await.is_some() {}
    }
}

async fn answer(door: Door, router: Router, stop: CancellationToken) {
    let Door { listener, side } = door;
    let (mut tasks, mut open, mut pace, mut warned) =
        (JoinSet::new(), Open::default(), Pace::new(side), false);
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
                open.make_room();
                open.0.push((
                    peer.ip(),
                    tasks.spawn(connection(stream, peer, side, router.clone(), stop.clone())),
                ));
                warned = false;
                if stop.run_until_cancelled(pace.next()).await.is_none() {
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

/// The open connections of one door, oldest first.
#[derive(Default)]
struct Open(Vec<(IpAddr, AbortHandle)>);

impl Open {
    fn make_room(&mut self) {
        self.0.retain(|(_, connection)| !connection.is_finished());
        if self.0.len() >= CONNECTIONS {
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

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    side: Side,
    router: Router,
    stop: CancellationToken,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_LIMIT)
        // One request each, as connections from inside are counted and requests are not.
        .keep_alive(side == Side::Outside)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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
