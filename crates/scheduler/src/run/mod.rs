//! The controller: keeps every shop as its registry says, moves releases, and takes nothing down that a guard holds.
//!
//! ```text
//!  watches ──► State ◄── what we wrote            one Lease a shard: only who holds it writes
//!     │          │
//!     └─► Queue ─┴─► reconcile (32 at a time) ──► server-side apply, Shop status, Events
//!                    rollouts (shard 0)       ──► which release each shop is told
//!                    removal  (shard 0)       ──► shops that left the registry
//! ```

mod agents;
mod conditions;
mod data;
mod events;
mod last_backup;
mod lease;
mod observed;
mod queue;
mod reconcile;
mod removal;
mod rollouts;
mod serve;
mod state;
mod turn;
mod watch;

use crate::{
    api::{ApiError, Cluster, KINDS},
    guard::Limit,
    render::name::spread,
};
use events::Events;
use jiff::SignedDuration;
use lease::{Candidate, Held};
use queue::{Ended, Priority, Queue};
use release::Reason;
use runtime::{Stop, Tasks};
use state::State;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Span, info, warn};

/// The ConfigMap that halts everything while it is there.
pub(crate) const HALT: &str = "longshore-halt";
/// How long what has begun may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(12);
/// Shops are spread over so many slots, and slots over shards.
const SLOTS: u32 = 64;
/// How long one call is tried; after that, the shop waits for its turn, and leaves its place to others.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `run` is told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The scheduler's own namespace: Leases and the andon cord.
    pub(crate) namespace: String,
    /// This process, in Leases and Events.
    pub(crate) identity: String,
    pub(crate) shards: u32,
    /// Shops that are written at the same time.
    pub(crate) at_once: usize,
    pub(crate) listen: SocketAddr,
    /// How many shops may be taken down in an hour.
    pub(crate) limit: Limit,
    /// How long a shop must have been missing before it is taken down.
    pub(crate) grace: SignedDuration,
    /// Whether agents are asked what they run, or pods' readiness is all that counts.
    pub(crate) agents: bool,
}

/// What was done, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) looks: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) deletes: AtomicU64,
    pub(crate) statuses: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) moves: AtomicU64,
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The cluster lacks what is needed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Signals cannot be heard.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
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
            Self::Signals(_) | Self::Task(_) => Reason::Bug,
        }
    }
}

/// Everything that the parts share.
pub(crate) struct Controller {
    pub(crate) cluster: Cluster,
    pub(crate) settings: Settings,
    state: Mutex<State>,
    queue: Mutex<Queue>,
    work: Notify,
    rollouts: Notify,
    /// One for each shard.
    held: Vec<Held>,
    pub(crate) counts: Counts,
    pub(crate) events: Events,
    /// What agents said, by shop.
    reports: Mutex<BTreeMap<String, agents::Report>>,
    /// When each shop was written whole.
    audited: Mutex<HashMap<String, Instant>>,
    /// Shops that are on their way, to which a halt matters at once.
    flying: Mutex<BTreeSet<String>>,
}

impl Controller {
    fn new(cluster: &Cluster, settings: Settings, optional: &BTreeSet<&'static str>) -> Self {
        let unread = ["shops", "classes", "releases", "rollouts", "halt"].into_iter();
        let unread = unread.chain(KINDS.iter().map(|kind| kind.name).filter(|kind| !optional.contains(kind))).collect();
        Self {
            events: Events::new(cluster.client(), &settings.identity),
            cluster: cluster.clone(),
            state: Mutex::new(State { unread, ..State::default() }),
            queue: Mutex::default(),
            work: Notify::new(),
            rollouts: Notify::new(),
            held: (0..settings.shards).map(|_| Held::new()).collect(),
            counts: Counts::default(),
            reports: Mutex::default(),
            audited: Mutex::default(),
            flying: Mutex::default(),
            settings,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look at a shop.
    pub(crate) fn ask(&self, shop: &str, priority: Priority) {
        self.queue().add(shop, priority);
        self.work.notify_one();
    }

    pub(crate) fn forget(&self, shop: &str) {
        self.queue().forget(shop);
    }

    pub(crate) fn wake_rollouts(&self) {
        self.rollouts.notify_one();
    }

    /// A first list came whole.
    pub(crate) fn read(&self, what: &'static str) {
        let mut state = self.lock();
        if state.unread.remove(what) && state.complete() {
            drop(state);
            info!("everything was read");
            self.everything();
        }
    }

    pub(crate) fn complete(&self) -> bool {
        self.lock().complete()
    }

    /// Asks for a look at every shop.
    fn everything(&self) {
        let shops = self.lock().shops();
        let mut queue = self.queue();
        for shop in &shops {
            queue.add(shop, Priority::Slow);
        }
        drop(queue);
        self.work.notify_one();
        self.wake_rollouts();
    }

    pub(crate) fn halted(&self, why: Option<String>) {
        let mut state = self.lock();
        if state.halted == why {
            return;
        }
        warn!(halted = why.as_deref().unwrap_or("no"), "the andon cord");
        state.halted = why;
        drop(state);
        // Agents that are about to switch are told to wait.
        let flying: Vec<_> = self.flying.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        for shop in &flying {
            self.ask(shop, Priority::Urgent);
        }
        self.wake_rollouts();
    }

    fn shard(&self, shop: &str) -> usize {
        (spread(shop, SLOTS) % self.settings.shards) as usize
    }

    /// The connection that writes for a shop, while this process leads its shard.
    pub(crate) fn writer(&self, shop: &str) -> Cluster {
        self.cluster.fenced(self.held[self.shard(shop)].fence())
    }

    /// Whether this process leads the shard that looks at the whole fleet.
    pub(crate) fn leads(&self) -> bool {
        self.held[0].is()
    }
}

/// Runs until a signal comes.
pub(crate) async fn run(cluster: Cluster, settings: Settings) -> Result<(), RunError> {
    let cluster = cluster.patient(PATIENCE);
    let mut optional = BTreeSet::new();
    for kind in KINDS.iter().filter(|kind| kind.optional) {
        if !cluster.has(kind).await? {
            info!(kind = kind.name, "the cluster lacks this kind; shops that ask for it fail");
            optional.insert(kind.name);
        }
    }
    let mut signals = Stop::listen().map_err(RunError::Signals)?;
    let server = serve::Server::bind(settings.listen).await.map_err(|source| RunError::Listen { listen: settings.listen, source })?;
    let controller = Arc::new(Controller::new(&cluster, settings, &optional));
    // Work ends first; watches, leases and health live until it has.
    let (stop, end) = (CancellationToken::new(), CancellationToken::new());
    let mut support = Tasks::<Infallible>::new(end.clone());
    spawn_watches(&mut support, &controller, &optional);
    spawn_leases(&mut support, &controller);
    let shared = Arc::clone(&controller);
    support.spawn("serve", Span::current(), move |stop| async move {
        server.run(shared, stop).await;
        Ok(())
    });
    let mut support = tokio::task::JoinSet::from_iter([support.run(GRACE)]);
    let mut work = Tasks::<Infallible>::new(stop.clone());
    let shared = Arc::clone(&controller);
    work.spawn("reconcile", Span::current(), move |stop| dispatch(shared, stop));
    let shared = Arc::clone(&controller);
    work.spawn("rollouts", Span::current(), move |stop| rollouts::run(shared, stop));
    let shared = Arc::clone(&controller);
    work.spawn("removal", Span::current(), move |stop| removal::run(shared, stop));
    let mut work = tokio::task::JoinSet::from_iter([work.run(GRACE)]);
    let ended = tokio::select! {
        signal = signals.asked() => {
            info!(%signal, "asked to stop");
            Ok(())
        }
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
    give_back(&controller).await;
    Ok(ended?)
}

fn flat(ended: Result<Result<(), runtime::TaskError<Infallible>>, tokio::task::JoinError>) -> Result<(), runtime::TaskError<Infallible>> {
    ended.unwrap_or_else(|panicked| Err(runtime::TaskError::Panicked(panicked)))
}

fn spawn_watches(tasks: &mut Tasks<Infallible>, controller: &Arc<Controller>, optional: &BTreeSet<&'static str>) {
    macro_rules! spawn {
        ($name:literal, $task:expr) => {{
            let shared = Arc::clone(controller);
            tasks.spawn($name, Span::current(), move |stop| async move {
                let task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin($task(shared, stop));
                task.await;
                Ok(())
            });
        }};
    }
    spawn!("watch shops", watch::shops);
    spawn!("watch classes", watch::classes);
    spawn!("watch releases", watch::releases);
    spawn!("watch rollouts", watch::rollouts);
    spawn!("watch halt", watch::halt);
    for kind in KINDS.iter().filter(|kind| !optional.contains(kind.name)) {
        if matches!(kind.name, "Deployment" | "Job" | "CronJob") {
            spawn!("watch workloads", |controller, stop| watch::workloads(controller, kind, stop));
        } else {
            spawn!("watch objects", |controller, stop| watch::objects(controller, kind, stop));
        }
    }
}

fn lease_name(shard: usize, shards: u32) -> String {
    format!("longshore-scheduler-{shard}-of-{shards}")
}

fn spawn_leases(tasks: &mut Tasks<Infallible>, controller: &Arc<Controller>) {
    for (shard, held) in controller.held.iter().enumerate() {
        let candidate = Candidate {
            cluster: controller.cluster.clone(),
            namespace: controller.settings.namespace.clone(),
            name: lease_name(shard, controller.settings.shards),
            identity: controller.settings.identity.clone(),
            held: held.clone(),
        };
        let shared = Arc::clone(controller);
        tasks.spawn("lease", Span::current(), move |stop| async move {
            candidate
                .run(
                    |leads| {
                        if leads {
                            shared.everything();
                        }
                    },
                    stop,
                )
                .await;
            Ok(())
        });
    }
}

async fn give_back(controller: &Controller) {
    for (shard, held) in controller.held.iter().enumerate().filter(|(_, held)| held.is()) {
        held.give_up();
        let (settings, name) = (&controller.settings, lease_name(shard, controller.settings.shards));
        Candidate::give_back(&controller.cluster, &settings.namespace, &name, &settings.identity).await;
    }
}

/// Looks at shops, so many at a time, as long as this process leads their shards.
async fn dispatch(controller: Arc<Controller>, stop: CancellationToken) -> Result<(), Infallible> {
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        while controller.complete()
            && let Some(shop) = next(&controller)
        {
            let shared = Arc::clone(&controller);
            running.spawn(async move {
                let ended = reconcile::look(&shared, &shop).await;
                shared.counts.looks.fetch_add(1, Relaxed);
                if ended == Ended::Failed {
                    shared.counts.failures.fetch_add(1, Relaxed);
                }
                shared.queue().done(&shop, ended, Instant::now());
            });
        }
        let due = controller.queue().next().unwrap_or_else(|| Instant::now() + Duration::from_mins(1));
        tokio::select! {
            () = stop.cancelled() => {}
            () = controller.work.notified() => {}
            () = sleep_until(due) => {}
            Some(_ended) = running.join_next(), if !running.is_empty() => {}
        }
        while running.try_join_next().is_some() {}
    }
    // What was begun is finished: half of a shop is no harm, and a whole one is better.
    if timeout(GRACE.saturating_sub(Duration::from_secs(2)), async { while running.join_next().await.is_some() {} }).await.is_err() {
        warn!(shops = running.len(), "looks cut off");
    }
    Ok(())
}

/// The next shop of a shard that this process leads; those of others are its leader's.
fn next(controller: &Controller) -> Option<String> {
    loop {
        let shop = controller.queue().take(controller.settings.at_once, Instant::now())?;
        if controller.held[controller.shard(&shop)].is() {
            return Some(shop);
        }
        controller.queue().done(&shop, Ended::Settled, Instant::now());
    }
}
