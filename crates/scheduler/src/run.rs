//! The controller: keeps every shop as its registry says, moves releases, and takes nothing down
//! that a guard holds.
//!
//! ```text
//!  watches ──► State ◄── what we wrote            one Lease: only who holds it writes
//!     │          │
//!     └─► queue ─┴─► reconcile (8 at a time)  ──► server-side apply, Shop status, Events
//!                    rollouts                 ──► which release each shop is assigned
//!                    removal                  ──► shops that left the registry
//!                    edge                     ──► the maps of the edge
//!                    proof                    ──► whose hosts are, by DNS: Shop status
//!                    class_status             ──► builds, and the status of classes and releases
//! ```

mod agents;
mod audit;
mod builds;
mod class_status;
mod connections;
mod controller;
mod dispatch;
mod edge;
mod halt;
mod last_backup;
pub(crate) mod metrics;
mod proof;
mod reconcile;
mod removal;
mod reports;
mod rollouts;
mod serve;
mod start;
#[cfg(test)]
mod testing;
mod to_zero;
mod watch;

use client::lease::{Candidate, Leadership};
use client::{ApiError, Cluster, KINDS, ReconcileEnd};
pub(crate) use controller::Controller;
use jiff::SignedDuration;
use plan::guard::Limit;
use release::Reason;
use render::edge::PlatformHost;
use runtime::{PageServer, Tasks};
use std::{collections::BTreeSet, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tracing::{Span, info};

/// How long what has begun may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(12);
/// How long one call is tried; after that, the shop waits for its turn, and leaves its place to
/// others.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `run` is told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The scheduler's own namespace: the Lease and the halt.
    pub(crate) namespace: String,
    /// This process, in the Lease and in Events.
    pub(crate) identity: String,
    /// Shops that are written at the same time.
    pub(crate) at_once: usize,
    pub(crate) listen: SocketAddr,
    /// How many shops may be taken down in an hour.
    pub(crate) limit: Limit,
    /// How long a shop must have been missing before it is taken down.
    pub(crate) grace: SignedDuration,
    /// Whether agents are asked what they run, or pods' readiness is all that counts.
    pub(crate) agents: bool,
    /// The name server for proofs of domains; otherwise those of `/etc/resolv.conf`.
    pub(crate) dns: Option<SocketAddr>,
    /// Hosts that the edge leads to the platform's own pods.
    pub(crate) platform_hosts: Vec<PlatformHost>,
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The cluster lacks what is needed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The address of health and metrics cannot be had.
    #[error("cannot listen on {listen}, as --listen says")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A part ended.
    #[error("a part of the controller ended")]
    Task(#[from] runtime::TaskError<Infallible>),
}

impl RunError {
    /// The stable reason code.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Api(error) => error.reason(),
            Self::Listen { .. } => Reason::Config,
            Self::Task(_) => Reason::Bug,
        }
    }
}

/// Runs until it is asked to stop.
pub(crate) async fn run(
    cluster: Cluster,
    settings: Settings,
    asked: CancellationToken,
) -> Result<(), RunError> {
    let cluster = cluster.patient(PATIENCE);
    let Some(optional) = asked.run_until_cancelled(missing(&cluster)).await else {
        return Ok(());
    };
    let optional = optional?;
    let server = PageServer::bind(settings.listen)
        .await
        .map_err(|source| RunError::Listen {
            listen: settings.listen,
            source,
        })?;
    let controller = Arc::new(Controller::new(&cluster, settings, &optional));
    // Work ends first; watches, the Lease and health live until it has.
    let (stop, end) = (CancellationToken::new(), CancellationToken::new());
    let mut support = Tasks::<Infallible>::new(end.clone());
    start::watches(&mut support, &controller, &optional);
    start::lease(&mut support, &controller);
    let shared = Arc::clone(&controller);
    support.spawn("serve", Span::current(), move |stop| async move {
        server.run(serve::pages(shared), stop).await;
        Ok(())
    });
    let mut support = tokio::task::JoinSet::from_iter([support.run(GRACE)]);
    let mut work = Tasks::<Infallible>::new(stop.clone());
    let shared = Arc::clone(&controller);
    work.spawn("reconcile", Span::current(), move |stop| {
        dispatch::run(shared, stop)
    });
    let shared = Arc::clone(&controller);
    work.spawn("rollouts", Span::current(), move |stop| {
        rollouts::run(shared, stop)
    });
    let shared = Arc::clone(&controller);
    work.spawn("removal", Span::current(), move |stop| {
        removal::run(shared, stop)
    });
    let shared = Arc::clone(&controller);
    work.spawn("edge", Span::current(), move |stop| edge::run(shared, stop));
    let shared = Arc::clone(&controller);
    work.spawn("proof", Span::current(), move |stop| {
        proof::run(shared, stop)
    });
    let shared = Arc::clone(&controller);
    work.spawn("class-status", Span::current(), move |stop| {
        class_status::run(shared, stop)
    });
    let mut work = tokio::task::JoinSet::from_iter([work.run(GRACE)]);
    let ended = tokio::select! {
        () = asked.cancelled() => Ok(()),
        Some(ended) = support.join_next() => flat(ended),
        Some(ended) = work.join_next() => flat(ended),
    };
    stop.cancel();
    while let Some(ended) = work.join_next().await {
        flat(ended)?;
    }
    end.cancel();
    while let Some(ended) = support.join_next().await {
        flat(ended)?;
    }
    start::give_back(&controller).await;
    Ok(ended?)
}

/// The kinds that this cluster lacks.
async fn missing(cluster: &Cluster) -> Result<BTreeSet<&'static str>, ApiError> {
    let mut missing = BTreeSet::new();
    for kind in KINDS.iter().filter(|kind| kind.optional) {
        if !cluster.has(kind).await? {
            info!(
                kind = kind.name,
                "the cluster lacks this kind; shops that ask for it fail"
            );
            missing.insert(kind.name);
        }
    }
    Ok(missing)
}

fn flat(
    ended: Result<Result<(), runtime::TaskError<Infallible>>, tokio::task::JoinError>,
) -> Result<(), runtime::TaskError<Infallible>> {
    ended.unwrap_or_else(|panicked| Err(runtime::TaskError::Panicked(panicked)))
}
