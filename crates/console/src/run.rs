//! The program: its parts, how they live together, and why it ends.

use crate::{
    begun::Begun,
    desk::Desk,
    follow,
    guard::Guard,
    health,
    impersonation::{self, ImpersonationError},
    metrics::Figures,
    person::{Crowd, People, Person},
    registry::Registry,
    session::SESSION,
    settings::Mode,
    web,
};
use api::{Release, Rollout, Shop, ShopClass};
use client::{ApiError, Cluster};
use hyper_util::service::TowerToHyperService;
use release::Reason;
use runtime::{
    PageServer, TaskError, Tasks,
    connections::{Limits, serve_within},
};
use std::{convert::Infallible, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{Span, info};

/// How long what has begun may take once it is to stop: a Shop that is changed is read and written,
/// each within [`PATIENCE`](crate::command::PATIENCE). A pod has 30 seconds.
const GRACE: Duration = Duration::from_secs(22);

/// A page that is open has a connection, for as long as a session lasts; behind the edge all are of
/// one peer. A header has a cookie of 4 KiB.
const LIMITS: Limits = Limits {
    connections: 2048,
    lifetime: Duration::from_secs(SESSION.as_secs().unsigned_abs()),
    buffer: 32 << 10,
};

/// Why the program did not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address cannot be had.
    #[error("cannot listen on {listen}, as --port or --listen says")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The API server does not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It may act as nobody.
    #[error(transparent)]
    Impersonation(#[from] ImpersonationError),
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
            Self::Impersonation(error) => error.reason(),
            Self::Task(_) => Reason::Bug,
        }
    }
}

type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves until `stop`, pages at the first address, and health and metrics at the second one, if
/// there is one; `opened` is told the address for the person's browser. `namespace` is that of the
/// scheduler.
///
/// # Errors
///
/// If the address cannot be had, if the API server does not say who this is or lets it act as
/// nobody, or if a part ends.
pub(crate) async fn run(
    cluster: Cluster,
    (listen, health): (SocketAddr, Option<SocketAddr>),
    mode: Mode,
    namespace: &str,
    stop: CancellationToken,
    opened: impl FnOnce(&str),
) -> Result<(), ConsoleError> {
    let failed = |source| ConsoleError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let figures = Arc::<Figures>::default();
    let (guard, people, login) = match mode {
        Mode::Laptop => {
            let person = Person::new(cluster.clone(), namespace).await?;
            info!(person = person.name, "everything is done as this person");
            let guard = Guard::new(listener.local_addr().map_err(failed)?);
            (guard, People::One(person), None)
        }
        Mode::Login(login, origin, keys) => {
            figures.acts(impersonation::check(&cluster).await?);
            let people = People::Many(Crowd::new(cluster.clone(), namespace));
            (Guard::of_login(origin, keys), people, Some(*login))
        }
    };
    let guard = Arc::new(guard);
    let registry = Arc::new(Registry::default());
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
    let halt = follow::halt(cluster.clone(), to, namespace.clone(), at);
    spawn("halt", Box::pin(halt));
    if let Some(listen) = health {
        let failed = |source| ConsoleError::Listen { listen, source };
        let server = PageServer::bind(listen).await.map_err(failed)?;
        let pages = health::pages(Arc::clone(&registry), Arc::clone(&figures));
        spawn("health", Box::pin(server.run(pages, stop.clone())));
    }
    let begun = Begun::default();
    spawn("begun", Box::pin(begun.clone().ended(stop.clone())));
    let desk = Desk {
        registry,
        figures,
        guard,
        people,
        login,
        own: cluster,
        namespace,
        begun,
        stop: stop.clone(),
    };
    let service = TowerToHyperService::new(web::routes(desk));
    let served = serve_within(listener, service, LIMITS, stop);
    spawn("web", Box::pin(served));
    Ok(tasks.run(GRACE).await?)
}
