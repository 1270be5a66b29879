//! Why `longshore-agent` ended.

use crate::serve::ServeError;
use mounts::{MountError, MountsFileError};
use php::PhpError;
use release::Reason;
use runtime::{
    ArgumentError, ConfigError, Panicked, TaskError, TrustFileError, threads::StartError,
};
use std::{io, path::PathBuf};
use store::{Location, StoreError};

/// Why `longshore-agent` ended before it was asked to, or not as it should.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// An argument that is not known.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// What follows `log` is neither a level nor a process.
    #[error("{0:?} is neither debug nor configured, nor the number of a process")]
    Loudness(String),
    /// Nobody hears that the log is to say more.
    #[error("process {process} is no longshore-agent, or not one of ours")]
    NoAgent {
        /// Which.
        process: String,
        /// Why.
        source: io::Error,
    },
    /// The environment is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that a variable names cannot be read.
    #[error("cannot read {}, which {variable} names", path.display())]
    File {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file gives no trust root.
    #[error(transparent)]
    Trust(#[from] TrustFileError),
    /// The file does not say what to mount.
    #[error("{}, which LONGSHORE_MOUNTS names, cannot be followed", path.display())]
    Mounts {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MountsFileError,
    },
    /// The helper script for php-fpm cannot be put into the release root.
    #[error(transparent)]
    Php(#[from] PhpError),
    /// The store cannot be opened.
    #[error("cannot open the store {location}")]
    Store {
        /// Where it should be.
        location: Location,
        /// Why.
        source: StoreError,
    },
    /// A task ended, and so all of them.
    #[error(transparent)]
    Task(#[from] TaskError<TaskFailure>),
    /// The system gave too few threads, or no event loop.
    #[error("cannot start")]
    Threads(#[from] StartError),
    /// The system gave no signal handlers.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// Standard output was closed while `--help` or `--version` wrote to it.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// We are wrong.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// Why one task ended.
#[derive(Debug, thiserror::Error)]
pub enum TaskFailure {
    /// Nothing can be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Mounts cannot be kept.
    #[error(transparent)]
    Mounts(#[from] MountError),
}

impl AgentError {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Threads(error) => error.reason(),
            Self::Loudness(_)
            | Self::NoAgent { .. }
            | Self::File { .. }
            | Self::Task(TaskError::Failed {
                source: TaskFailure::Serve(_),
                ..
            }) => Reason::Config,
            Self::Config(error) => error.reason(),
            Self::Argument(error) => error.reason(),
            Self::Trust(error) => error.reason(),
            Self::Mounts { source, .. } => source.reason(),
            Self::Store { source, .. } => source.reason(),
            Self::Task(TaskError::Failed {
                source: TaskFailure::Mounts(error),
                ..
            }) => error.reason(),
            // The nearest of sysexits: EX_IOERR, the system refused us something that every process
            // may have.
            Self::Start(_) | Self::Output(_) | Self::Php(_) => Reason::Disk,
            Self::Task(TaskError::Overran(_)) => Reason::Deadline,
            Self::Task(TaskError::Panicked(_) | TaskError::Ended(_)) => Reason::Bug,
            Self::Panicked(error) => error.reason(),
        }
    }
}
