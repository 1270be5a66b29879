//! Why `longshore-init` did not put the release in force on the disk.

use deploy::pull::PullError;
use release::Reason;
use runtime::{ArgumentError, ConfigError, Panicked, TrustFileError, threads::StartError};
use std::io;
use store::{Location, StoreError};

/// Why `longshore-init` did not put the release in force on the disk. Whatever it was, `current` is
/// as it was before.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// An argument that is not known.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The environment is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file gives no trust root.
    #[error(transparent)]
    Trust(#[from] TrustFileError),
    /// The store cannot be opened.
    #[error("cannot open the store {location}")]
    Store {
        /// Where it should be.
        location: Location,
        /// Why.
        source: StoreError,
    },
    /// The pull failed.
    #[error(transparent)]
    Pull(#[from] PullError),
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

impl InitError {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Argument(error) => error.reason(),
            Self::Trust(error) => error.reason(),
            Self::Config(error) => error.reason(),
            Self::Store { source, .. } => source.reason(),
            Self::Pull(error) => error.reason(),
            Self::Threads(error) => error.reason(),
            // The nearest of sysexits: EX_IOERR, the system refused us something that every process
            // may have.
            Self::Start(_) | Self::Output(_) => Reason::Disk,
            Self::Panicked(error) => error.reason(),
        }
    }
}
