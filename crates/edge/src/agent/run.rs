//! The agent as a process: watches, keeps, and tells how it is.

use super::{
    caps::{Demand, Governor},
    figures::Figures,
    files::Files,
    haproxy::{Asked, HaProxy, SocketError},
    keeper::{Keeper, KeeperError, Round},
    metrics::metrics,
    prepare::{PrepareError, Trust, prepare},
    reachability::{Reachability, look as look_at},
    shared::Shared,
    snapshot::Locality,
    visits::{Reporter, Reports, last},
    watch::watch,
};
use client::Cluster;
use jiff::Timestamp;
use parking_lot::Mutex;
use runtime::{Page, PageServer, Pages, TaskError, Tasks};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{Span, info, warn};

/// How long changes are gathered: a Deployment that rolls is not a round for each of its pods.
const GATHER: Duration = Duration::from_millis(20);
/// How often it is looked without a reason: HAProxy may have been started anew.
const EVERY: Duration = Duration::from_secs(1);
/// How soon after something that did not work.
const RETRY: Duration = Duration::from_millis(200);
/// How often HAProxy is asked whether it can do what visitors ask for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many answers that takes.
const THREADS: u32 = 4;
/// How often HAProxy is asked for its figures.
const FIGURES_EVERY: Duration = Duration::from_secs(5);
/// How long what has begun may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// What the agent is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory that it shares with HAProxy.
    pub directory: PathBuf,
    /// Where it answers /livez, /readyz, /startupz and /metrics.
    pub listen: SocketAddr,
    /// This replica, as it signs its reports.
    pub identity: String,
    /// Where it is.
    pub place: Locality,
    /// For how many shops HAProxy has room from its start.
    pub room: u32,
    /// Whom HAProxy believes more than a stranger.
    pub trust: Trust,
}

/// Why the agent ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// HAProxy's directory.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The address is taken, or not this machine's.
    #[error("cannot listen at {address}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A task.
    #[error(transparent)]
    Task(#[from] TaskError<Infallible>),
}

/// Keeps the HAProxy of a directory until it is asked to stop.
///
/// # Errors
///
/// The directory cannot be written, or the address is taken.
pub async fn run(
    cluster: Cluster,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    let mut files = Files::new(settings.directory.clone()).map_err(PrepareError::Files)?;
    prepare(&mut files, &settings.trust)?;
    let certificates = files.known_certificates();
    let keeper = Keeper::new(files, settings.place.clone(), settings.room);
    let address = settings.listen;
    let server = PageServer::bind(address)
        .await
        .map_err(|source| AgentError::Listen { address, source })?;
    let shared = Arc::new(Shared {
        watched: Arc::default(),
        figures: Figures::default(),
        caps: Mutex::default(),
        visits: Mutex::default(),
        haproxy: HaProxy::new(settings.directory),
    });
    shared.watched.model().keep(certificates);
    let mut tasks = Tasks::<Infallible>::new(stop);
    let reporter = Reporter::new(cluster.clone(), settings.identity);
    let reporting = Arc::clone(&shared);
    tasks.spawn("report", Span::current(), |stop| async move {
        report(&reporter, &reporting, &stop).await;
        Ok(())
    });
    let watched = Arc::clone(&shared.watched);
    tasks.spawn("watch", Span::current(), |stop| async move {
        watch(&cluster, &watched, &stop).await;
        Ok(())
    });
    let keeping = Arc::clone(&shared);
    tasks.spawn("keep", Span::current(), |stop| async move {
        keep(keeper, &keeping, &stop).await;
        Ok(())
    });
    let governing = Arc::clone(&shared);
    tasks.spawn("govern", Span::current(), |stop| async move {
        govern(&governing, &stop).await;
        Ok(())
    });
    let counting = Arc::clone(&shared);
    tasks.spawn("count", Span::current(), |stop| async move {
        count(&counting, &stop).await;
        Ok(())
    });
    tasks.spawn("serve", Span::current(), |stop| async move {
        server.run(pages(shared), stop).await;
        Ok(())
    });
    Ok(tasks.run(GRACE).await?)
}

async fn keep(mut keeper: Keeper, shared: &Shared, stop: &CancellationToken) {
    let mut pause = EVERY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.watched.changed.notified() => sleep(GATHER).await,
            () = sleep(pause) => {}
        }
        // Half of what there is would take the other half away from HAProxy.
        if !shared.watched.unread().is_empty() {
            continue;
        }
        keeper.caps = shared.caps.lock().clone();
        let prepared = keeper.prepare(&mut shared.watched.model());
        let told = match prepared {
            Ok(wanted) => {
                shared.figures.wrote();
                keeper.apply(wanted).await
            }
            Err(error) => Err(error),
        };
        shared.figures.keeper(keeper.spare(), keeper.reloads);
        pause = judge(&told, shared);
    }
}

/// Says what came of a round, and when the next one is.
fn judge(told: &Result<Round, KeeperError>, shared: &Shared) -> Duration {
    let was_equal = shared.figures.round(told.as_ref().ok());
    match told {
        Ok(round) if round.again => RETRY,
        Ok(round) => {
            if round.done > 0 {
                info!(changes = round.done, "HAProxy is as it should be");
            }
            EVERY
        }
        Err(error) => {
            // While HAProxy starts, that is so.
            if was_equal {
                warn!(error = %runtime::Chain(error), "HAProxy is not as it should be");
            }
            RETRY
        }
    }
}

/// Looks whether HAProxy has more to do than it can, and who gets how much of it then.
async fn govern(shared: &Shared, stop: &CancellationToken) {
    let mut governor = Governor::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(LOOK_EVERY) => {}
        }
        // One that does not answer is started anew.
        let Ok(look) = look(shared).await else {
            continue;
        };
        let (idle, demands) = look;
        let caps = governor.look(idle, &demands);
        let mut known = shared.caps.lock();
        if *known != caps {
            if known.is_empty() || caps.is_empty() {
                info!(idle, shops = caps.len(), "overload begins or ends");
            }
            *known = caps;
            shared.watched.changed.notify_one();
        }
    }
}

async fn look(shared: &Shared) -> Result<(u32, Vec<Demand>), SocketError> {
    // Each answer is of the thread that gives it.
    let mut idle = 0;
    for _ in 0..THREADS {
        idle += shared.haproxy.worker().await?.idle;
    }
    let asked = shared.haproxy.asked().await?;
    let ages = asked.iter().map(|(shop, asked)| (shop.clone(), asked.age));
    *shared.visits.lock() = last(ages, Instant::now());
    let model = shared.watched.model();
    let demand = |(shop, Asked { asked, passed, .. }): (String, Asked)| Demand {
        weight: model.shop(&shop).map_or(1, |known| known.weight),
        shop,
        asked,
        passed,
    };
    Ok((idle / THREADS, asked.into_iter().map(demand).collect()))
}

/// Tells the scheduler of visitors, until this process ends.
async fn report(reporter: &Reporter, shared: &Shared, stop: &CancellationToken) {
    let mut reports = Reports::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(LOOK_EVERY) => {}
        }
        let now = Instant::now();
        let due = reports.due(&shared.watched.model(), &shared.visits.lock(), now);
        let Some(seconds) = due else { continue };
        match reporter.write(seconds, Timestamp::now()).await {
            Ok(()) => reports.wrote(now),
            // Shops stay as they are, and their visitors wait.
            Err(error) => warn!(error = %runtime::Chain(&error), "visitors are not reported"),
        }
    }
    // One that is left is forgotten after an hour, in which no shop is scaled to zero.
    if reports.wrote_any()
        && let Err(error) = reporter.leave().await
    {
        warn!(error = %runtime::Chain(&error), "the last report stays");
    }
}

async fn count(shared: &Shared, stop: &CancellationToken) {
    let mut reachability = Reachability::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(FIGURES_EVERY) => {}
        }
        // Without HAProxy there are none.
        if let Ok(stat) = shared.haproxy.ask("show stat -1 2 -1").await
            && let Ok(slots) = shared.haproxy.ask("show map slots.map").await
        {
            let failures = shared.figures.stat(&stat, &slots);
            reach(shared, &mut reachability, failures).await;
        }
    }
}

/// Has HAProxy leave pods alone that take no connections, and give up what they still have.
async fn reach(shared: &Shared, known: &mut Reachability, failures: BTreeMap<String, u64>) {
    let suspects = known.suspects(failures, &shared.watched.model());
    let before = known.unreachable();
    let given_up = known.looked(look_at(suspects).await);
    let now = known.unreachable();
    for (shop, pod) in now.difference(&before) {
        warn!(
            shop,
            pod, "pod takes no connections, and gets no visitors until it does"
        );
    }
    for (shop, pod) in before.difference(&now) {
        info!(shop, pod, "pod takes connections again, or is gone");
    }
    if now != before {
        shared.watched.model().unreachable(now);
        shared.watched.changed.notify_one();
    }
    for (shop, pod) in given_up {
        if let Err(error) = shared.haproxy.give_up(&shop, &pod).await {
            warn!(shop, pod, error = %runtime::Chain(&error), "its requests are not given up");
        }
    }
}

fn pages(shared: Arc<Shared>) -> Pages {
    Arc::new(move |path| match path {
        "/livez" => Page::Text("ok\n".to_owned()),
        // HAProxy can begin.
        "/startupz" if shared.figures.was_written() => Page::Text("ok\n".to_owned()),
        "/startupz" => Page::Unavailable("HAProxy's files are not written yet\n".to_owned()),
        "/readyz" => {
            let unread = shared.watched.unread();
            if !unread.is_empty() {
                return Page::Unavailable(format!("not read yet: {}\n", unread.join(", ")));
            }
            if !shared.figures.was_equal() {
                return Page::Unavailable("HAProxy was not told everything yet\n".to_owned());
            }
            Page::Text("ok\n".to_owned())
        }
        "/metrics" => Page::Metrics(metrics(&shared)),
        _ => Page::Missing("there is /livez, /readyz, /startupz and /metrics\n"),
    })
}
