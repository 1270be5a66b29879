//! `longshore-agent`: runs beside a shop, and keeps it on the newest release that works.
//!
//! ```text
//!                 ┌─ watch ───── files of the release object and of operators ──┐ wakes
//!  variables ──►  ├─ activate ── follow, stage, gate, warm, switch, probe ◄─────┤     first to end
//!                 ├─ storage ─── mounts, adopts, probes the shop's storage ──────┘     ends all
//!                 ├─ guard ───── files of the running tree that change
//!                 ├─ logs ────── errors, in the logs of PHP, nginx and the shop
//!                 ├─ requests ── how fast the shop answers, and how many workers are busy
//!                 ├─ beat ────── the sign of life
//!                 ├─ loudness ── signals that ask for more in the log
//!                 └─ serve ───── /livez /readyz /startupz /status /errors /requests /metrics
//!                        ▲
//!                      board: one value that all of them write and the server reads
//! ```
//!
//! On SIGTERM the agent is no longer ready, stops its work at the next safe point, unmounts, and
//! exits within `LONGSHORE_GRACE`. Its state is on the disk, and the next start goes on from there.
//! Beat and serve end last: until the storage is unmounted, `/readyz` says that the agent is
//! shutting down and `/livez` that it is alive.

pub mod activate;
pub mod board;
mod config;
pub mod control;
mod error;
pub mod errors;
pub mod gate;
pub mod hooks;
mod identity;
pub mod logs;
pub mod loudness;
pub mod metrics;
pub mod page;
pub mod pod;
pub mod requests;
pub mod serve;
pub mod status;
pub mod storage;
pub mod tamper;
mod tasks;
mod usage;
pub mod watch;

pub use config::Config;
pub use error::{AgentError, TaskFailure};

use board::Board;
use jiff::Timestamp;
use runtime::{
    Env, FailureReport, Stop, TERMINATION_LOG, TaskError, answer, caught, read_trust,
    telemetry::{self, Format},
    threads,
    variable::{self, Program},
};
use rustix::process::setpriority_process;
use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
};
use store::Options;
use tasks::tasks;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};
use usage::USAGE;

const NAME: &str = "longshore-agent";
/// How nice threads are that work on disks: the least. The kernel derives the priority of their
/// input and output from it, so that staging a release takes what the shop leaves.
const NICE: i32 = 19;

/// Threads that wait for disks, beside the first: one each for a pull, for what that reads from a
/// store on a disk or looks up, for the scan, and for all that is short.
const THREADS: usize = 4;

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
        .unwrap_or_else(Format::from_stderr);
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
        Err(error) => {
            FailureReport::new(NAME, format, TERMINATION_LOG).failure(&error, error.reason())
        }
    }
}

fn main(arguments: impl IntoIterator<Item = OsString>, env: Env) -> Result<(), AgentError> {
    if let Some(text) = answer(Program::Agent, USAGE, env!("CARGO_PKG_VERSION"), arguments)? {
        return io::stdout()
            .write_all(text.as_bytes())
            .map_err(AgentError::Output);
    }
    let config = Config::from_env(env)?;
    telemetry::start(&config.pull.log, config.pull.format);
    // One thread for everything that waits; what works on disks has threads of its own, which give
    // way to the shop.
    let runtime = threads::start(THREADS, give_way)?;
    let result = LocalSet::new().block_on(&runtime, live(config));
    // A call that hangs must not keep a process that was asked to end.
    runtime.shutdown_background();
    result
}

fn give_way() {
    // On Linux this is the calling thread's own; if it is not allowed, work is only less polite.
    if let Err(error) = setpriority_process(None, NICE) {
        debug!(%error, "a thread keeps its priority");
    }
}

async fn live(config: Config) -> Result<(), AgentError> {
    let mut asked = Stop::listen().map_err(AgentError::Start)?;
    let trust = read_trust(&config.pull.trust)?;
    let options = Options {
        deadline: config.pull.deadline,
        ..Options::default()
    };
    let store = tokio::select! {
        opened = store::open(&config.pull.store, &options) => {
            opened.map_err(|source| AgentError::Store { location: config.pull.store.clone(), source })?
        }
        _ = asked.asked() => return Ok(()),
    };
    info!(
        store = %config.pull.store,
        channel = %config.pull.channel,
        root = %config.pull.root.display(),
        "agent started"
    );
    let (board, stop) = (
        Board::new(config.pull.channel.clone(), Timestamp::now()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_teaches_every_variable() {
        let help = USAGE.to_owned() + &runtime::help(Program::Agent);
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
}
