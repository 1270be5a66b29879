//! Why a chunk is not unpacked.

use crate::problem::Problem;
use release::{Reason, Sha256, TreeError};
use std::{io, path::PathBuf};

/// Why a chunk is not in the tree. The tree is then to be thrown away: what was in front of the
/// refusal is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The bytes are not those that were signed.
    #[error("chunk {signed}: the digest of the bytes is {received}")]
    Digest {
        /// The digest that was signed.
        signed: Sha256,
        /// The digest of the bytes.
        received: Sha256,
    },
    /// A chunk as a whole is not what a tarball may hold.
    #[error("chunk {chunk} {problem}")]
    Chunk {
        /// Its digest.
        chunk: Sha256,
        /// The rest of the sentence.
        problem: String,
        /// Which rule it breaks.
        reason: Reason,
    },
    /// An entry is not what a tarball may hold.
    #[error("entry {entry:?} {problem}")]
    Entry {
        /// Its path, as far as it is known.
        entry: String,
        /// The rest of the sentence.
        problem: String,
        /// Which rule it breaks.
        reason: Reason,
    },
    /// The local disk refused.
    #[error("cannot {action} {}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl UnpackError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Digest { .. } => Reason::Digest,
            Self::Chunk { reason, .. } | Self::Entry { reason, .. } => *reason,
            Self::Disk { .. } => Reason::Disk,
        }
    }

    pub(super) fn chunk(chunk: &Sha256, problem: Problem) -> Self {
        Self::Chunk {
            chunk: *chunk,
            problem: problem.text.to_owned(),
            reason: problem.reason,
        }
    }

    pub(super) fn entry(entry: &str, problem: Problem) -> Self {
        Self::Entry {
            entry: entry.to_owned(),
            problem: problem.text.to_owned(),
            reason: problem.reason,
        }
    }
}

impl From<TreeError> for UnpackError {
    fn from(error: TreeError) -> Self {
        Self::Entry {
            problem: error.problem(),
            reason: error.reason(),
            entry: error.path,
        }
    }
}
