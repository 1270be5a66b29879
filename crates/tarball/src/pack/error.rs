//! Why a directory is not packed.

use crate::problem::Problem;
use release::{PathError, Reason, RelativePath};
use std::{io, path::PathBuf};

/// Why a directory cannot become a tarball.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// A pattern of paths to exclude is malformed.
    #[error("exclude {pattern:?}: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The directory itself cannot be opened.
    #[error("cannot open directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something below it cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name cannot be stored.
    #[error("cannot pack {}", directory.display())]
    Name {
        /// The directory that was scanned.
        directory: PathBuf,
        /// Which path, and which rule it breaks.
        source: PathError,
    },
    /// An entry is nothing that a tarball may hold.
    #[error("{path} {problem}")]
    Refused {
        /// Where it is.
        path: RelativePath,
        /// The rest of the sentence.
        problem: &'static str,
        /// Which rule it breaks.
        reason: Reason,
    },
}

impl ScanError {
    pub(super) fn refused(path: &RelativePath, problem: Problem) -> Self {
        Self::Refused {
            path: path.clone(),
            problem: problem.text,
            reason: problem.reason,
        }
    }

    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Pattern { .. } | Self::Directory { .. } => Reason::Config,
            Self::Read { .. } => Reason::Disk,
            Self::Name { source, .. } => source.reason(),
            Self::Refused { reason, .. } => *reason,
        }
    }
}

/// Why packing stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The compression level is not one of 1 to 19.
    #[error("compression level {0} is not one of 1 to 19")]
    Level(i32),
    /// A file is not what it was when its directory was scanned.
    #[error("{} changed while it was packed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// zstd failed.
    #[error("cannot compress")]
    Compress(#[source] io::Error),
    /// A packing thread is gone, which is a bug.
    #[error("a packing thread stopped")]
    Stopped,
    /// The tarball cannot be written.
    #[error("cannot write the tarball")]
    Write(#[source] io::Error),
}

impl PackError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Level(_) => Reason::Config,
            Self::Changed { .. } => Reason::Conflict,
            Self::Read { .. } | Self::Write(_) => Reason::Disk,
            Self::Compress(_) | Self::Stopped => Reason::Bug,
        }
    }
}
