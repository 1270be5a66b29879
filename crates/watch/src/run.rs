//! The program: its parts, how they live together, and why it ends.

use crate::{
    collect::{self, Collector, pods::Pods},
    custom_metrics::CustomMetrics,
    fleet::Fleet,
    follow, keep,
    performance::Performance,
    probe::{
        Prober,
        board::Board,
        edge,
        places::Places,
        record,
        trust::{Trust, TrustError},
    },
    serve::Desk,
    settings::{Outside, Settings},
    store::{DatabaseError, Store},
};
use client::Cluster;
use parking_lot::Mutex;
use release::Reason;
use runtime::{TaskError, Tasks, more_descriptors};
use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch as latest},
};
use tokio_util::sync::CancellationToken;
use tracing::{Span, info};

/// How long what has begun may take once it is to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Descriptors that are enough for all that is asked at once.
const DESCRIPTORS: u64 = 8192;

/// Why the program did not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The file with further roots cannot be used.
    #[error("the file {} with roots of certificates cannot be used: {why}", path.display())]
    Authority {
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
    /// The address of the API, or of custom metrics, cannot be had.
    #[error("cannot listen on {listen}, as --{flag} says")]
    Listen {
        /// Which flag says so.
        flag: &'static str,
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be had.
    #[error("cannot use the database in {}, as --data says", data.display())]
    Store {
        /// Where.
        data: PathBuf,
        /// Why.
        source: DatabaseError,
    },
    /// A part ended.
    #[error("a part of the program ended")]
    Task(#[from] TaskError<Infallible>),
}

impl WatchError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Authority { .. } | Self::Dns(_) | Self::Listen { .. } => Reason::Config,
            Self::Store { .. } => Reason::Disk,
            Self::Tls(_) | Self::Task(_) => Reason::Bug,
        }
    }
}

/// Watches until `stop`.
///
/// # Errors
///
/// Where a setting is not usable, or a part ended that should not.
pub(crate) async fn run(
    cluster: Cluster,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), WatchError> {
    let listen = settings.listen;
    let listener = bind("listen", listen).await?;
    serve(cluster, settings, listener, stop).await
}

async fn bind(flag: &'static str, listen: SocketAddr) -> Result<TcpListener, WatchError> {
    let failed = |source| WatchError::Listen {
        flag,
        listen,
        source,
    };
    TcpListener::bind(listen).await.map_err(failed)
}

/// Watches until `stop`, and answers at this listener.
///
/// # Errors
///
/// Where a setting is not usable, or a part ended that should not.
pub async fn serve(
    cluster: Cluster,
    settings: Settings,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), WatchError> {
    more_descriptors(DESCRIPTORS);
    let trust = trust(&settings)?;
    let dns = dns(&settings)?;
    let data = settings.data.clone();
    let (store, closed) = Store::open(settings.data, settings.store_limit)
        .await
        .map_err(|source| WatchError::Store { data, source })?;
    let (fleet, pods) = (
        Arc::new(Mutex::new(Fleet::default())),
        Arc::new(Pods::default()),
    );
    let performance = Arc::new(Mutex::new(Performance::default()));
    let (board, collected) = (Arc::new(Mutex::new(Board::default())), Arc::default());
    let (records, queue) = mpsc::channel(record::QUEUE);
    let (tell, edge) = latest::channel(Err("the edge is not looked up yet".to_owned()));
    let edge = settings.edge.is_some().then_some(edge);
    let places = Places::new(trust, edge, dns, settings.outside_port, settings.pace);
    let collector = Collector {
        pods: Arc::clone(&pods),
        fleet: Arc::clone(&fleet),
        store: store.clone(),
        performance: Arc::clone(&performance),
        counts: Arc::clone(&collected),
        polling: collect::Polling {
            port: settings.agent_port,
            every: settings.pace.collect,
            deadline: settings.pace.agent_deadline,
        },
    };
    let prober = Prober {
        places: Arc::new(places),
        fleet: Arc::clone(&fleet),
        board: Arc::clone(&board),
        store: store.clone(),
        records,
    };
    let custom = match settings.custom_metrics {
        None => None,
        Some(told) => {
            let listener = bind("custom-metrics", told.listen).await?;
            let metrics = CustomMetrics {
                pods: Arc::clone(&pods),
                fleet: Arc::clone(&fleet),
                performance: Arc::clone(&performance),
                counts: Arc::default(),
            };
            Some((metrics, listener, told.certificate))
        }
    };
    let desk = Desk {
        fleet: Arc::clone(&fleet),
        pods: Arc::clone(&pods),
        board,
        store: store.clone(),
        performance: Arc::clone(&performance),
        collected,
        custom_metrics: custom.as_ref().map(|it| Arc::clone(&it.0.counts)),
    };

    let mut parts = Parts(Tasks::new(stop));
    let (of, to) = (cluster.clone(), Arc::clone(&fleet));
    parts.spawn("shops", |stop| follow::shops(of, to, stop));
    let (of, to) = (cluster.clone(), Arc::clone(&fleet));
    parts.spawn("classes", |stop| follow::classes(of, to, stop));
    let (of, to) = (cluster.clone(), Arc::clone(&pods));
    parts.spawn("pods", |stop| follow::pods(of, to, stop));
    parts.spawn("collect", |stop| collector.run(stop));
    parts.spawn("probe", |stop| prober.run(stop));
    let to = store.clone();
    parts.spawn("record", |stop| record::run(to, queue, stop));
    if let Some(place) = settings.edge {
        parts.spawn("edge", |stop| edge::follow(place, tell, stop));
    }
    if let Some((metrics, listener, certificate)) = custom {
        parts.spawn("custom metrics", |stop| {
            metrics.run(listener, cluster, certificate, stop)
        });
    }
    parts.spawn("serve", |stop| desk.run(listener, stop));
    parts.spawn("keep", |stop| {
        keep::run(store, fleet, pods, performance, stop)
    });
    parts.spawn("store", |stop| async move {
        // It ends before, where no database can be had any more.
        stop.run_until_cancelled(closed.wait()).await;
    });
    info!("watching");
    Ok(parts.0.run(GRACE).await?)
}

/// The parts of the program.
struct Parts(Tasks<Infallible>);

impl Parts {
    fn spawn<F>(&mut self, name: &'static str, part: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(name, Span::current(), |stop| {
            let part = part(stop);
            async move {
                part.await;
                Ok(())
            }
        });
    }
}

fn dns(settings: &Settings) -> Result<Option<dns::Dns>, dns::NoResolver> {
    match settings.outside {
        Outside::Probed => Ok(Some(dns::Dns::new(settings.dns)?)),
        Outside::LeftOut => Ok(None),
    }
}

fn trust(settings: &Settings) -> Result<Trust, WatchError> {
    Trust::new(settings.authority.as_deref()).map_err(|error| match error {
        TrustError::File(why) => WatchError::Authority {
            path: settings.authority.clone().unwrap_or_default(),
            why,
        },
        TrustError::Tls(why) => WatchError::Tls(why),
    })
}
