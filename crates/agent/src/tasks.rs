//! The tasks that an agent is made of, and what each of them is given.

use crate::{
    Config, TaskFailure,
    activate::{Activator, Sources},
    board::Board,
    error::AgentError,
    errors::Errors,
    logs::Logs,
    loudness::Loudness,
    page,
    pod::Pod,
    requests::{Listening, REQUESTS, Requests, ask_workers},
    serve::{Heartbeats, Server, State},
    status::StoreUse,
    storage::{self, Storage},
    tamper::Guard,
    watch::{self, Wake},
};
use deploy::pull::{Follower, Settings, Source};
use jiff::Timestamp;
use php::Pool;
use release::{TrustRoot, Verified};
use runtime::Tasks;
use std::{path::PathBuf, sync::Arc, time::Duration};
use store::ObjectStore;
use tokio_util::sync::CancellationToken;
use tracing::{info_span, warn};

/// How often the agent's loop gives a sign of life, and its counts of the store reach `/metrics`:
/// below every scrape interval, and few of the wakes that an idle agent costs.
const BEAT: Duration = Duration::from_secs(5);

/// How long it may give none: longer than any pause of a busy node.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) fn tasks(
    config: Config,
    store: &Arc<dyn ObjectStore>,
    trust: &Verified<TrustRoot>,
    board: &Board,
    stop: CancellationToken,
) -> Result<Tasks<TaskFailure>, AgentError> {
    let follower = |source: &Source| {
        let settings = Settings {
            channel: config.pull.channel.clone(),
            root: config.pull.root.clone(),
            trust: trust.clone(),
            source: source.clone(),
            floor: config.pull.floor,
            trust_floor: config.pull.trust_floor,
            places: config.places.clone(),
            cache: config.cache.clone(),
            memory: config.pull.memory,
            deadline: config.pull.deadline,
            now: Timestamp::now(),
        };
        Follower::new(settings, Arc::clone(store))
    };
    let mut followers = config.sources.iter().map(follower);
    // The configuration has at least one.
    let first = followers
        .next()
        .unwrap_or_else(|| follower(&Source::Channel));
    let mounts = config
        .mounts
        .as_deref()
        .map(|path| storage::read(path, config.pod_name.as_deref()))
        .transpose()?;
    let (pod, wake) = (
        Pod::new(&config.pull.root, config.pod.clone(), logs(&config))?,
        Wake::default(),
    );
    let pool = pod.pool();
    let guard = Guard {
        root: config.pull.root.clone(),
        follower: follower(&Source::Channel),
        php: pod.pool(),
        pace: config.scan,
        board: board.clone(),
    };
    let engine = Activator::new(
        config.pull.root.clone(),
        Sources::new(first, followers.collect()),
        pod,
        config.control.clone(),
        board.clone(),
        wake.clone(),
    );
    let files = files(&config);
    let (mut tasks, mut heartbeats) = (Tasks::new(stop), Heartbeats::new());
    // Whoever asks is answered for as long as something is worked on: each of these tasks holds a
    // part of the guard.
    let last = CancellationToken::new();
    let at_work = Arc::new(last.clone().drop_guard());
    if !files.is_empty() {
        let (wake, heartbeat) = (wake.clone(), heartbeats.task("watch", watch::ROUND));
        tasks.spawn("watch", info_span!("watch"), |stop| async move {
            watch::watch(files, wake, heartbeat, stop).await;
            Ok(())
        });
    }
    let in_use = CancellationToken::new();
    if let Some(file) = mounts {
        let storage = Storage::new(file, config.grace, board.clone(), wake.clone());
        let (in_use, at_work) = (in_use.clone(), Arc::clone(&at_work));
        tasks.spawn("storage", info_span!("storage"), |stop| async move {
            let ended = storage.run(stop, in_use).await;
            drop(at_work);
            ended
        });
    }
    let used = (in_use.drop_guard(), Arc::clone(&at_work));
    tasks.spawn_local("activate", info_span!("activate"), |stop| async move {
        engine.run(config.poll, stop).await;
        drop(used);
        Ok(())
    });
    tasks.spawn_local("guard", info_span!("guard"), |stop| async move {
        guard.run(stop).await;
        drop(at_work);
        Ok(())
    });
    let requests = requests(&mut tasks, &config, board, pool);
    let errors = Errors::new(config.shop.clone(), board.clone());
    observe(&mut tasks, &mut heartbeats, &config, board, &errors)?;
    beat(&mut tasks, &mut heartbeats, store, board, last.clone());
    let serving = State {
        snapshot: board.watch(),
        policy: config.ready,
        heartbeats,
        metrics: board.metrics(),
        requests,
        errors,
    };
    let listen = config.listen;
    tasks.spawn("serve", info_span!("serve"), move |_at_once| async move {
        Server::bind(listen, serving)?.run(last).await;
        Ok(())
    });
    Ok(tasks)
}

/// What looks and tells, and changes nothing: the page, the shop's logs, and how much is logged.
fn observe(
    tasks: &mut Tasks<TaskFailure>,
    heartbeats: &mut Heartbeats,
    config: &Config,
    board: &Board,
    errors: &Arc<Errors>,
) -> Result<(), AgentError> {
    if let Some(probe) = config.pod.probe.clone() {
        let (board, heartbeat) = (board.clone(), heartbeats.task("page", page::ROUND));
        tasks.spawn("page", info_span!("page"), |stop| async move {
            page::ask(probe, board, heartbeat, stop).await;
            Ok(())
        });
    }
    let are_followed = !config.logs.is_empty() || config.pod_logs.is_some();
    if are_followed && let Some(logs) = logs(config).begin(Arc::clone(errors)) {
        tasks.spawn("logs", info_span!("logs"), |stop| async move {
            logs.run(stop).await;
            Ok(())
        });
    }
    let loudness = Loudness::listen(config.pull.log.clone()).map_err(AgentError::Start)?;
    tasks.spawn("loudness", info_span!("loudness"), |stop| async move {
        loudness.run(stop).await;
        Ok(())
    });
    Ok(())
}

/// Counts how fast the shop answers, if nginx is told to say so.
fn requests(
    tasks: &mut Tasks<TaskFailure>,
    config: &Config,
    board: &Board,
    pool: Option<Pool>,
) -> Option<Requests> {
    let path = config.pod_logs.as_ref()?.join(REQUESTS);
    let requests = Requests::new(&format!("{:016x}", rand::random::<u64>()));
    let (counts, root) = (requests.clone(), &config.pull.root);
    // Figures are no reason to keep a shop from serving.
    let listening = Listening::bind(&path, counts, board.clone(), root)
        .inspect_err(|error| {
            warn!(path = %path.display(), %error, "requests are not counted: cannot listen there");
        })
        .ok()?;
    tasks.spawn("requests", info_span!("requests"), |stop| async move {
        listening.run(stop).await;
        Ok(())
    });
    if let (Some(pool), Some(most)) = (pool, config.workers) {
        let (requests, metrics) = (requests.clone(), board.metrics());
        tasks.spawn("workers", info_span!("workers"), move |stop| async move {
            ask_workers(pool, most, requests, metrics, stop).await;
            Ok(())
        });
    }
    Some(requests)
}

/// The agent's sign of life, and its counts of the store, until `until`.
fn beat(
    tasks: &mut Tasks<TaskFailure>,
    heartbeats: &mut Heartbeats,
    store: &Arc<dyn ObjectStore>,
    board: &Board,
    until: CancellationToken,
) {
    let (heartbeat, counted, asked) = (
        heartbeats.task("loop", SILENCE),
        board.clone(),
        Arc::clone(store),
    );
    tasks.spawn("beat", info_span!("beat"), |_at_once| async move {
        while until
            .run_until_cancelled(tokio::time::sleep(BEAT))
            .await
            .is_some()
        {
            heartbeat.beat();
            let stats = asked.stats();
            let (requests, retries, received_bytes) =
                (stats.requests(), stats.retries(), stats.received());
            counted.asked_of_store(StoreUse {
                requests,
                retries,
                received_bytes,
            });
        }
        Ok(())
    });
}

/// What others replace.
fn files(config: &Config) -> Vec<PathBuf> {
    let files = config.sources.iter().filter_map(|source| match source {
        Source::File(path) | Source::Start(path) => Some(path.clone()),
        Source::Channel | Source::Chosen(_) => None,
    });
    files.chain(config.control.clone()).collect()
}

fn logs(config: &Config) -> Logs {
    Logs {
        root: config.pull.root.clone(),
        writable: config.places.writable.clone(),
        paths: config.logs.clone(),
        pod: config.pod_logs.clone(),
    }
}
