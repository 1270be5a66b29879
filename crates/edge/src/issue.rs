//! `longshore-edge issue`: a certificate for each host, by ACME.
//!
//! ```text
//!  edge-00…63 ──► hosts ──► plan ──► precheck ──► limits ──► acme ──► certificates-00…ff
//!  (scheduler)              who is   DNS, CAA,    of the CA   order    Secrets: PEM
//!                           due      our nonce                         ConfigMaps: records
//! ```
//!
//! One process leads, by a Lease. Hosts are dealt with side by side: one that fails leaves its
//! place and backs off, and costs others nothing. What is remembered of each is in the cluster, so
//! that another process goes on where this one ended: nothing is ordered again that waits, an order
//! on its way is finished, and the limits of the CA are kept.
//!
//! It needs, in the namespace of the edge: of `ConfigMaps` and Secrets list, watch, create and
//! patch, and of Secrets get; of Leases get, create and update. In the namespace `edge-acme`, of
//! Secrets create, and of two of them get and patch.
//!
//! | file | gives |
//! |---|---|
//! | `hosts`, `plan`, `limits`, `problem` | decisions, without IO |
//! | `precheck` | what is checked before the CA is asked |
//! | `http`, `acme` | the CA |
//! | `watch`, `store` | the cluster |
//! | `lead`, `host` | the work of who leads, and of one host |
//! | `figures`, `metrics` | what of it is counted, and served |

mod acme;
mod figures;
mod host;
mod hosts;
mod http;
mod lead;
mod limits;
mod metrics;
mod plan;
mod precheck;
mod problem;
mod settings;
mod store;
mod watch;

pub use metrics::{dashboard, reference};

pub use settings::{ExternalAccount, NonceCheck, Pace, Settings};

use api::edge::NAMESPACE;
use client::{
    Cluster,
    lease::{Candidate, Leadership},
};
use release::Reason;
use runtime::{PageServer, TaskError, Tasks, more_descriptors};
use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::watch as latest, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Span;

/// The Lease of who leads.
pub const LEASE: &str = "longshore-edge-issue";
/// How long what has begun may take once it is to stop: an order goes on in the next process.
const GRACE: Duration = Duration::from_secs(10);
/// Descriptors that are enough for 256 hosts at once.
const DESCRIPTORS: u64 = 8192;
/// How long one call of the API server is tried.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the issuer did not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The file with the CA's own root cannot be used.
    #[error("the file {} with the roots of the CA cannot be used: {why}", path.display())]
    Bundle {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// TLS cannot be had.
    #[error("TLS cannot be had: {0}")]
    Tls(String),
    /// No name server is known.
    #[error(transparent)]
    Dns(#[from] dns::NoResolver),
    /// The address of health and metrics cannot be had.
    #[error("cannot listen on {listen}, as --listen says")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The URL of the CA's directory is none.
    #[error("{0:?} is no directory of a CA; expected a URL that begins with https://")]
    Directory(String),
    /// A part ended.
    #[error("a part of the issuer ended")]
    Task(#[from] TaskError<Infallible>),
}

impl IssueError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Bundle { .. } | Self::Dns(_) | Self::Listen { .. } | Self::Directory(_) => {
                Reason::Config
            }
            Self::Tls(_) | Self::Task(_) => Reason::Bug,
        }
    }
}

/// Gets certificates, whenever this process leads, until `stop`.
///
/// # Errors
///
/// Where a setting is not usable, or a part ended that should not.
pub async fn run(
    cluster: Cluster,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), IssueError> {
    if !settings.directory.starts_with("https://") {
        return Err(IssueError::Directory(settings.directory));
    }
    more_descriptors(DESCRIPTORS);
    let cluster = cluster.patient(PATIENCE);
    let http = http::Http::new(&settings)?;
    let dns = dns::Dns::new(settings.dns)?;
    let listen = settings.listen;
    let server = PageServer::bind(listen)
        .await
        .map_err(|source| IssueError::Listen { listen, source })?;
    let held = Leadership::default();
    let (leads, led) = latest::channel(false);
    let cache = Arc::new(watch::WatchCache::default());
    let candidate = Candidate {
        cluster: cluster.clone(),
        namespace: NAMESPACE.to_owned(),
        name: LEASE.to_owned(),
        identity: settings.identity.clone(),
        held: held.clone(),
    };
    let shared = host::Shared::new(&cluster, settings, http, dns, held.clone());
    let identity = shared.settings.identity.clone();
    // Work ends first; the watches and the Lease live until it has.
    let end = CancellationToken::new();
    let mut support = Tasks::<Infallible>::new(end.clone());
    let (api, watched) = (cluster.clone(), Arc::clone(&cache));
    support.spawn("watch maps", Span::current(), move |stop| async move {
        watch::maps(api, watched, stop).await;
        Ok(())
    });
    let (api, watched) = (cluster.clone(), Arc::clone(&cache));
    support.spawn("watch brought", Span::current(), move |stop| async move {
        watch::brought(api, watched, stop).await;
        Ok(())
    });
    let (api, watched) = (cluster.clone(), Arc::clone(&cache));
    support.spawn("watch stored", Span::current(), move |stop| async move {
        watch::stored(api, watched, stop).await;
        Ok(())
    });
    support.spawn("lease", Span::current(), move |stop| async move {
        let tell = |now| {
            leads.send_replace(now);
        };
        candidate.run(tell, stop).await;
        Ok(())
    });
    let pages = metrics::pages(Arc::clone(&shared), Arc::clone(&cache), held.clone());
    support.spawn("serve", Span::current(), move |stop| async move {
        server.run(pages, stop).await;
        Ok(())
    });
    let mut support = JoinSet::from_iter([support.run(GRACE)]);
    let over = stop.child_token();
    let mut work = Tasks::<Infallible>::new(over.clone());
    work.spawn("lead", Span::current(), move |stop| async move {
        lead::run(shared, cache, led, stop).await;
        Ok(())
    });
    let mut work = JoinSet::from_iter([work.run(GRACE)]);
    let ended = tokio::select! {
        Some(ended) = work.join_next() => flat(ended),
        Some(ended) = support.join_next() => flat(ended),
    };
    over.cancel();
    while let Some(ended) = work.join_next().await {
        flat(ended)?;
    }
    end.cancel();
    while let Some(ended) = support.join_next().await {
        flat(ended)?;
    }
    if held.is() {
        held.give_up();
        Candidate::give_back(&cluster, NAMESPACE, LEASE, &identity).await;
    }
    Ok(ended?)
}

fn flat(
    ended: Result<Result<(), TaskError<Infallible>>, tokio::task::JoinError>,
) -> Result<(), TaskError<Infallible>> {
    ended.unwrap_or_else(|panicked| Err(TaskError::Panicked(panicked)))
}
