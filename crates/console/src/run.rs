//! The program: its parts, how they live together, and why it ends.

use crate::{
    desk::Desk, follow, guard::Guard, health, metrics::Figures, person::Person, registry::Registry,
    web,
};
use api::{Release, Rollout, Shop, ShopClass};
use client::{ApiError, Cluster};
use release::Reason;
use runtime::{PageServer, TaskError, Tasks};
use std::{convert::Infallible, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{Span, info, warn};

/// How long what has begun may take once it is to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Why the program did not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address cannot be had.
    #[error("cannot listen on {listen}, as --listen says")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The API server does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A part ended.
    #[error("a part of the program ended")]
    Task(#[from] TaskError<Infallible>),
}

impl ConsoleError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Listen { .. } => Reason::Config,
            Self::Api(error) => error.reason(),
            Self::Task(_) => Reason::Bug,
        }
    }
}

type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves until `stop`; `opened` is told the address for the person's browser. `health` is where
/// health and metrics are asked for, if they are. `namespace` is that of the scheduler.
///
/// # Errors
///
/// If the address cannot be had, if the API server does not say who this is, or if a part ends.
pub(crate) async fn run(
    cluster: Cluster,
    listen: SocketAddr,
    health: Option<SocketAddr>,
    namespace: &str,
    stop: CancellationToken,
    opened: impl FnOnce(&str),
) -> Result<(), ConsoleError> {
    let failed = |source| ConsoleError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let guard = Arc::new(Guard::new(listener.local_addr().map_err(failed)?));
    let figures = Arc::<Figures>::default();
    let person = Person::of(cluster.clone(), namespace).await?;
    let registry = Arc::new(Registry::default());
    info!(person = person.name, "everything is done as this person");
    opened(&guard.address());

    let mut tasks = Tasks::<Infallible>::new(stop.clone());
    let mut spawn = |name, part: Part| {
        tasks.spawn(name, Span::current(), |_| async move {
            part.await;
            Ok(())
        });
    };
    let (of, to, at) = (cluster.clone(), Arc::clone(&registry), stop.clone());
    spawn("shops", Box::pin(follow::kind::<Shop>(of, to, at)));
    let (of, to, at) = (cluster.clone(), Arc::clone(&registry), stop.clone());
    spawn("classes", Box::pin(follow::kind::<ShopClass>(of, to, at)));
    let (of, to, at) = (cluster.clone(), Arc::clone(&registry), stop.clone());
    spawn("releases", Box::pin(follow::kind::<Release>(of, to, at)));
    let (of, to, at) = (cluster.clone(), Arc::clone(&registry), stop.clone());
    spawn("rollouts", Box::pin(follow::kind::<Rollout>(of, to, at)));
    let (to, at, namespace) = (Arc::clone(&registry), stop.clone(), namespace.to_owned());
    let halt = follow::halt(cluster, to, namespace.clone(), at);
    spawn("halt", Box::pin(halt));
    if let Some(listen) = health {
        let failed = |source| ConsoleError::Listen { listen, source };
        let server = PageServer::bind(listen).await.map_err(failed)?;
        let pages = health::pages(Arc::clone(&registry), Arc::clone(&figures));
        spawn("health", Box::pin(server.run(pages, stop.clone())));
    }
    let desk = Desk {
        registry,
        figures,
        guard,
        person,
        namespace,
        stop: stop.clone(),
    };
    let served = async move {
        let serve = axum::serve(listener, web::routes(desk));
        let ended = serve.with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = ended {
            warn!(%error, "no longer served");
        }
    };
    spawn("web", Box::pin(served));
    Ok(tasks.run(GRACE).await?)
}
