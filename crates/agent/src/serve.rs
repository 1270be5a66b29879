//! The HTTP server for health, metrics and status: small answers from memory, whoever asks and
//! however slowly.
//!
//! - `/livez`: 200 while the agent's own tasks make progress, otherwise 503.
//! - `/readyz`, `/startupz`: 200 if the policy passes, otherwise 503 with the checks that fail;
//!   with `?verbose` all checks; also as `Accept: application/json`.
//! - `/metrics`: `OpenMetrics`.
//! - `/requests`: JSON, [`observe::requests::Page`]; 404 where nginx tells nothing.
//! - `/status`: JSON, the whole [`Snapshot`].
//! - `/errors?since=CURSOR`: JSON, [`observe::page::Page`].
//!
//! [`runtime::connections`] says when connections end. Requests of the shop's own containers come
//! in by a door of their own.

mod door;
mod heartbeat;
mod routes;

pub use heartbeat::{Heartbeat, Heartbeats, livez};

use crate::{
    errors::Errors,
    metrics::Metrics,
    requests,
    status::{ReadinessPolicy, Snapshot},
};
use axum::Router;
use door::{Door, Pace, Side};
use hyper_util::service::TowerToHyperService;
use release::Reason;
use runtime::connections::{Requests, serve};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

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
    pub policy: ReadinessPolicy,
    /// Of every task that must go round.
    pub heartbeats: Heartbeats,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How fast the shop answers, if that is known.
    pub requests: Option<requests::Requests>,
    /// What went wrong in the shop.
    pub errors: Arc<Errors>,
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

    /// Answers until `stop` is cancelled, and at most
    /// [`DRAIN_TIMEOUT`](runtime::connections::DRAIN_TIMEOUT) longer. Cancel it last: until then
    /// `/readyz` says that the agent is shutting down. No client and no lack of descriptors ends
    /// it.
    pub async fn run(self, stop: CancellationToken) {
        let mut doors = JoinSet::new();
        for door in self.doors {
            doors.spawn(answer(door, self.router.clone(), stop.clone()));
        }
        while doors.join_next().await.is_some() {}
    }
}

async fn answer(door: Door, router: Router, stop: CancellationToken) {
    let requests = match door.side {
        // As its connections are counted, and requests are not.
        Side::Inside => Requests::One,
        Side::Outside => Requests::Many,
    };
    let mut pace = Pace::new(door.side);
    let router = TowerToHyperService::new(router);
    serve(door.listener, router, requests, || pace.next(), stop).await;
}
