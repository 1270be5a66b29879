//! Why the release root is not usable, or not to be changed.

use crate::{disk::DiskError, places::Conflict, state::StateError};
use release::{Reason, Sha256};
use std::{io, path::PathBuf};

/// Why a release root cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The path does not start at the top.
    #[error("release root {} is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// The path is something else than a directory.
    #[error("release root {} is not a directory", .0.display())]
    NotDirectory(PathBuf),
    /// Two places of the pod are within one another.
    #[error(transparent)]
    Within(#[from] Conflict),
    /// Another process holds the lock.
    #[error(
        "release root {} is in use{}",
        path.display(),
        holder.map_or_else(String::new, |pid| format!(" by process {pid}"))
    )]
    Busy {
        /// The root.
        path: PathBuf,
        /// The process that holds it, by its own container's counting.
        holder: Option<u32>,
    },
    /// What the root remembers cannot be read.
    #[error("{}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: StateError,
    },
    /// A release was to become active that is not on the disk.
    #[error("manifest {0} has no complete tree")]
    Incomplete(Sha256),
    /// The local disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl RootError {
    /// The stable reason: `workspace`, `busy`, `state`, `disk` or `bug`.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Relative(_) | Self::NotDirectory(_) | Self::Within(_) => Reason::Workspace,
            Self::Busy { .. } => Reason::Busy,
            Self::State { source, .. } => source.reason(),
            Self::Incomplete(_) => Reason::Bug,
            Self::Disk(error) => error.reason(),
        }
    }

    /// Whether the disk has no space or no inodes left, or not for us.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Disk(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}
