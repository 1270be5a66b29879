//! `longshore-agent`: lives beside a shop, and keeps it on the newest release that works.
//!
//! ```text
//!                 ┌─ watch ───── files of the release object and of operators ──┐ wakes
//!  variables ──►  ├─ activate ── follow, stage, gate, warm, switch, probe ◄─────┤      first to end
//!                 ├─ storage ─── mounts, adopts, probes the shop's storage ──────┘      ends all
//!                 ├─ guard ───── files of the running tree that change
//!                 ├─ logs ────── what the shop writes into var/log and var/report
//!                 ├─ beat ────── the sign of life
//!                 ├─ loudness ── signals that ask for more in the log
//!                 └─ serve ───── /livez /readyz /startupz /status /metrics
//!                        ▲
//!                      board: one value that all of them write and the server reads
//! ```
//!
//! On SIGTERM it is not ready any more, ends what it does at the next point where that is safe,
//! unmounts, and exits inside `LONGSHORE_GRACE`. What it was doing is on the disk, and the next
//! start goes on from there. Beat and serve end last: until the storage is away, `/readyz` says
//! that the agent is shutting down and `/livez` that it is alive.

pub mod activate;
pub mod board;
mod config;
pub mod control;
mod error;
pub mod gate;
pub mod hooks;
mod identity;
pub mod logs;
pub mod loudness;
pub mod metrics;
pub mod page;
pub mod pod;
pub mod serve;
pub mod status;
pub mod storage;
pub mod tamper;
pub mod watch;

pub use config::Config;
pub use error::{AgentError, TaskFailure};

use activate::{Engine, Sources};
use board::Board;
use deploy::pull::{Follower, Settings, Source};
use jiff::Timestamp;
use logs::Logs;
use loudness::Loudness;
use pod::Pod;
use release::{TrustRoot, Verified};
use runtime::{
    Env, Report, Stop, TERMINATION_LOG, TaskError, Tasks, caught, help,
    telemetry::{self, Format},
    threads,
    variable::{self, Program},
};
use rustix::process::setpriority_process;
use serve::{Heartbeats, Server, State};
use status::StoreUse;
use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use storage::Storage;
use store::{ObjectStore, Options};
use tamper::Guard;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, info_span};
use watch::Wake;

const NAME: &str = "longshore-agent";
/// How often the agent's loop gives a sign of life, and its counts of the store reach `/metrics`:
/// below every scrape interval, and few of the wakes that an idle agent costs.
const BEAT: Duration = Duration::from_secs(5);
/// How long it may give none: longer than any pause of a busy node.
const SILENCE: Duration = Duration::from_secs(30);
/// How nice threads are that work on disks: the least. The kernel derives the priority of their
/// input and output from it, so that staging a release takes what the shop leaves.
const NICE: i32 = 19;

/// Threads that wait for disks, beside the first: one each for a pull, for what that reads from a
/// store on a disk or looks up, for the scan, and for all that is short.
const THREADS: usize = 4;

const USAGE: &str = "\
Keeps the shop in this pod on the newest release that works, and tells Kubernetes and Prometheus \
     how it is.

Usage: longshore-agent
       longshore-agent log debug | configured [PROCESS]     asks \
     the agent that runs, process 1 of its container, for more in its log, or as configured
       longshore-agent \
     --help | --version

Settings come from the environment; those of longshore-init mean the same here. \
     A pod that follows a channel and looks at its front page:

  LONGSHORE_STORE=s3://releases/prod \
     LONGSHORE_CHANNEL=shops/acme LONGSHORE_ROOT=/srv/shop \\
  LONGSHORE_TRUST=/etc/longshore/1.root.json \
     LONGSHORE_PHP=/run/php/php8.2-fpm.sock LONGSHORE_PROBE=http://127.0.0.1:8080/ longshore-agent

What \
     it does now, and why not something newer: curl http://127.0.0.1:9808/status
Every failure ends with one line that has a reason code; /dev/termination-log gets the same where \
     it exists.

";

/// Runs the program and gives its exit code; what went wrong is on standard error by then.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>, env: Env) -> ExitCode {
    let mut arguments = arguments.into_iter().peekable();
    if arguments
        .next_if(|argument| argument == storage::CHILD)
        .is_some()
    {
        return mounts::child_main(&arguments.next().unwrap_or_default());
    }
    let log = arguments
        .next_if(|argument| argument == loudness::COMMAND)
        .is_some();
    let format = env
        .peek(&variable::LOG_FORMAT)
        .unwrap_or_else(Format::of_stderr);
    let result = caught(|| {
        if log {
            loudness::ask(arguments.map(|argument| argument.to_string_lossy().into_owned()))
        } else {
            main(arguments, env)
        }
    })
    .unwrap_or_else(|panicked| Err(panicked.into()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Report::new(NAME, format, TERMINATION_LOG).failure(&error, error.reason()),
    }
}

fn main(arguments: impl IntoIterator<Item = OsString>, env: Env) -> Result<(), AgentError> {
    if let Some(text) = answer(arguments)? {
        return io::stdout()
            .write_all(text.as_bytes())
            .map_err(AgentError::Output);
    }
    let config = Config::from_env(env)?;
    telemetry::start(&config.log, config.format);
    // One thread for everything that waits; what works on disks has threads of its own, which give
    // way to the shop.
    let runtime = threads::start(THREADS, give_way)?;
    let result = LocalSet::new().block_on(&runtime, live(config));
    // A call that hangs must not keep a process that was asked to end.
    runtime.shutdown_background();
    result
}

fn give_way() {
    // On Linux this is the calling thread's own; where it is not allowed, work is only less polite.
    if let Err(error) = setpriority_process(None, NICE) {
        debug!(%error, "a thread keeps its priority");
    }
}

/// What the arguments ask for instead of a run, if anything.
fn answer(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<String>, AgentError> {
    let mut answer = None;
    for argument in arguments {
        answer = match argument.to_str() {
            Some("--help" | "-h") => Some(format!("{USAGE}{}", help(Program::Agent))),
            Some("--version" | "-V") => Some(format!("{NAME} {}\n", env!("CARGO_PKG_VERSION"))),
            _ => {
                return Err(AgentError::Argument(
                    argument.to_string_lossy().into_owned(),
                ));
            }
        };
    }
    Ok(answer)
}

async fn live(config: Config) -> Result<(), AgentError> {
    let mut asked = Stop::listen().map_err(AgentError::Start)?;
    let trust = read_trust(&config)?;
    let options = Options {
        deadline: config.deadline,
        ..Options::default()
    };
    let store = tokio::select! {
        opened = store::open(&config.store, &options) => {
            opened.map_err(|source| AgentError::Store { location: config.store.clone(), source })?
        }
        _ = asked.asked() => return Ok(()),
    };
    info!(store = %config.store, channel = %config.channel, root = %config.root.display(), "agent started");
    let (board, stop) = (
        Board::new(config.channel.clone(), Timestamp::now()),
        CancellationToken::new(),
    );
    let grace = config.grace;
    let tasks = tasks(config, &store, &trust, &board, stop.clone())?;
    let signalled = async {
        let signal = asked.asked().await;
        info!(%signal, "asked to stop");
        board.stopping();
        stop.cancel();
        // The tasks decide when it is over.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = tasks.run(grace) => ended.or_else(overran),
        () = signalled => Ok(()),
    }
}

/// A task that did not end in time was asked to; what it did is on the disk and goes on at the next
/// start.
fn overran(error: TaskError<TaskFailure>) -> Result<(), AgentError> {
    match error {
        TaskError::Overran(_) => Ok(()),
        error => Err(error.into()),
    }
}

fn tasks(
    config: Config,
    store: &Arc<dyn ObjectStore>,
    trust: &Verified<TrustRoot>,
    board: &Board,
    stop: CancellationToken,
) -> Result<Tasks<TaskFailure>, AgentError> {
    let follower = |source: &Source| {
        let settings = Settings {
            channel: config.channel.clone(),
            root: config.root.clone(),
            trust: trust.clone(),
            source: source.clone(),
            floor: config.floor,
            trust_floor: config.trust_floor,
            places: config.places.clone(),
            cache: config.cache.clone(),
            memory: config.memory,
            deadline: config.deadline,
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
        Pod::new(&config.root, config.pod.clone(), logs(&config))?,
        Wake::default(),
    );
    let guard = Guard {
        root: config.root.clone(),
        follower: follower(&Source::Channel),
        php: pod.pool(),
        pace: config.scan,
        board: board.clone(),
    };
    let engine = Engine::new(
        config.root.clone(),
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
    if let Some(probe) = config.pod.probe.clone() {
        let (board, heartbeat) = (board.clone(), heartbeats.task("page", page::ROUND));
        tasks.spawn("page", info_span!("page"), |stop| async move {
            page::ask(probe, board, heartbeat, stop).await;
            Ok(())
        });
    }
    tasks.spawn_local("guard", info_span!("guard"), |stop| async move {
        guard.run(stop).await;
        drop(at_work);
        Ok(())
    });
    let (heartbeat, counted, asked) = (
        heartbeats.task("loop", SILENCE),
        board.clone(),
        Arc::clone(store),
    );
    let until = last.clone();
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
    if !config.logs.is_empty()
        && let Some(logs) = logs(&config).begin()
    {
        tasks.spawn("logs", info_span!("logs"), |stop| async move {
            logs.run(stop).await;
            Ok(())
        });
    }
    let loudness = Loudness::listen(config.log).map_err(AgentError::Start)?;
    tasks.spawn("loudness", info_span!("loudness"), |stop| async move {
        loudness.run(stop).await;
        Ok(())
    });
    let serving = State {
        snapshot: board.watch(),
        policy: config.ready,
        heartbeats,
        metrics: board.metrics(),
    };
    let listen = config.listen;
    tasks.spawn("serve", info_span!("serve"), move |_at_once| async move {
        Server::bind(listen, serving)?.run(last).await;
        Ok(())
    });
    Ok(tasks)
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
        root: config.root.clone(),
        writable: config.places.writable.clone(),
        paths: config.logs.clone(),
    }
}

fn read_trust(config: &Config) -> Result<Verified<TrustRoot>, AgentError> {
    let path = &config.trust;
    let mut bytes = Vec::new();
    // Never many more bytes than a trust root may have: its parser refuses those.
    let read = File::open(path).and_then(|file| {
        file.take(release::limits::ENVELOPE_LIMIT as u64 + 1)
            .read_to_end(&mut bytes)
    });
    read.map_err(|source| AgentError::File {
        variable: variable::TRUST.name,
        path: path.clone(),
        source,
    })?;
    TrustRoot::from_trusted(&bytes).map_err(|source| AgentError::Trust {
        path: path.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::Reason;

    fn asked(arguments: &[&str]) -> Result<Option<String>, AgentError> {
        answer(arguments.iter().map(OsString::from))
    }

    #[test]
    fn help_teaches_every_variable_and_exit_code() {
        let help = asked(&["--help"]).unwrap().unwrap();
        for variable in variable::ALL
            .iter()
            .filter(|variable| variable.read_by.contains(&Program::Agent))
        {
            assert!(
                help.contains(variable.name) && help.contains(variable.meaning),
                "{}",
                variable.name
            );
        }
    }

    #[test]
    fn an_argument_is_never_ignored() {
        assert!(asked(&[]).unwrap().is_none());
        assert_eq!(
            asked(&["--help", "run"]).unwrap_err().reason(),
            Reason::Config
        );
    }
}
