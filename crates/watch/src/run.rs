//! The program: its parts, how they live together, and why it ends.

use crate::{
    collect::{self, Collector, pods::Pods},
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
    store::{Store, StoreError},
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
    /// The address of the API cannot be had.
    #[error("cannot listen on {listen}, as --listen says")]
    Listen {
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
        source: StoreError,
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
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| WatchError::Listen { listen, source })?;
    serve(cluster, settings, listener, stop).await
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
        pace: collect::Pace {
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
    let desk = Desk {
        fleet: Arc::clone(&fleet),
        pods: Arc::clone(&pods),
        board,
        store: store.clone(),
        performance: Arc::clone(&performance),
        collected,
    };

    let mut tasks = Tasks::<Infallible>::new(stop);
    let mut spawn = |name, task: Part| {
        tasks.spawn(name, Span::current(), |stop| {
            let task = task(stop);
            async move {
                task.await;
                Ok(())
            }
        });
    };
    let (of, to) = (cluster.clone(), Arc::clone(&fleet));
    spawn(
        "shops",
        Box::new(|stop| Box::pin(follow::shops(of, to, stop))),
    );
    let (of, to) = (cluster.clone(), Arc::clone(&fleet));
    spawn(
        "classes",
        Box::new(|stop| Box::pin(follow::classes(of, to, stop))),
    );
    let to = Arc::clone(&pods);
    spawn(
        "pods",
        Box::new(|stop| Box::pin(follow::pods(cluster, to, stop))),
    );
    spawn("collect", Box::new(|stop| Box::pin(collector.run(stop))));
    spawn("probe", Box::new(|stop| Box::pin(prober.run(stop))));
    let to = store.clone();
    spawn(
        "record",
        Box::new(|stop| Box::pin(record::run(to, queue, stop))),
    );
    if let Some(place) = settings.edge {
        spawn(
            "edge",
            Box::new(|stop| Box::pin(edge::follow(place, tell, stop))),
        );
    }
    spawn("serve", Box::new(|stop| Box::pin(desk.run(listener, stop))));
    spawn(
        "keep",
        Box::new(|stop| Box::pin(keep::run(store, fleet, pods, performance, stop))),
    );
    spawn(
        "store",
        Box::new(|stop| {
            Box::pin(async move {
                // It ends before, where no database can be had any more.
                stop.run_until_cancelled(closed.wait()).await;
            })
        }),
    );
    info!("watching");
    Ok(tasks.run(GRACE).await?)
}

/// A part of the program.
type Part =
    Box<dyn FnOnce(CancellationToken) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

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
