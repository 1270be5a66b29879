//! How much is logged, changed while the agent runs: by two signals, which only root and the
//! agent's own user can send, and only from a place that sees its process. The shop's containers do
//! not. No signal makes it say less than it is configured to.

use crate::AgentError;
use runtime::{
    Setting as _,
    telemetry::{self, Filter},
};
use rustix::process::{Pid, Signal as Number, kill_process};
use std::{fs, io};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The first argument of a call that sends the signal: `longshore-agent log debug`. The image has
/// no other program that could.
pub const COMMAND: &str = "log";
/// What follows it: more is logged, or what the configuration says.
const WORDS: [(&str, Number); 2] = [("debug", Number::USR1), ("configured", Number::USR2)];
/// As Linux shortens it, which it is just not long enough for.
const COMM: &str = "longshore-agent";

/// Asks the agent of this container, or the process that is named, for more or less in its log.
///
/// # Errors
///
/// The arguments say neither, or no agent is there.
pub fn ask(mut arguments: impl Iterator<Item = String>) -> Result<(), AgentError> {
    let (word, process) = (arguments.next().unwrap_or_default(), arguments.next());
    let signal = WORDS
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, signal)| *signal)
        .ok_or(AgentError::Loudness(word))?;
    let pid = process.as_deref().unwrap_or("1");
    let process = pid
        .parse()
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| AgentError::Loudness(pid.to_owned()))?;
    let called =
        fs::read_to_string(format!("/proc/{}/comm", process.as_raw_nonzero())).unwrap_or_default();
    let sent = if called.trim() == COMM {
        kill_process(process, signal).map_err(io::Error::from)
    } else {
        Err(io::ErrorKind::NotFound.into())
    };
    sent.map_err(|source| AgentError::NoAgent {
        process: pid.to_owned(),
        source,
    })
}

/// A listener for the two signals.
#[derive(Debug)]
pub struct Loudness {
    debug: Signal,
    configured: Signal,
    filter: Filter,
}

impl Loudness {
    /// Listens from now on; `filter` is what the configuration says.
    ///
    /// # Errors
    ///
    /// The handlers cannot be installed.
    pub fn listen(filter: Filter) -> io::Result<Self> {
        Ok(Self {
            debug: signal(SignalKind::user_defined1())?,
            configured: signal(SignalKind::user_defined2())?,
            filter,
        })
    }

    /// Does as they say, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let filter = tokio::select! {
                () = stop.cancelled() => return,
                _ = self.debug.recv() => Filter::read("debug").unwrap_or_else(|| self.filter.clone()),
                _ = self.configured.recv() => self.filter.clone(),
            };
            if telemetry::change(&filter) {
                info!(level = %filter, "log level set");
            }
        }
    }
}
