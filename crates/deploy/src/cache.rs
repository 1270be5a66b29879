//! The node cache: chunks, manifests and the last release objects, kept for the other pods of a
//! node.
//!
//! ```text
//!  <cache>/                       mode 0700, ours
//!  <cache>/v1/chunks/<sha256>     a chunk's compressed bytes, or a manifest               chunk
//!  <cache>/v1/incoming/<sha256>   one that a process fetches now, which holds its lock     claim
//!  <cache>/v1/objects/<store>+…   release objects and trust roots of a store, by key      object
//!  <cache>/v1/lock                one process makes room at a time                         sweep
//! ```
//!
//! No reader trusts the cache. Chunks and manifests are named by their digest, and each use
//! verifies them. Release objects and trust roots go through signatures and policy as if the store
//! had sent them. So the cache needs no sync to the disk: if a crash of the node damages an entry,
//! its next reader notices, removes it and fetches it again.
//!
//! No call of this module fails a pull, unless others can write to the directory. If the cache
//! cannot be written, the module logs that once, and the pull goes on without it.
//!
//! `docs/formats/node-cache.md` specifies all of it.

mod cache_dir;
mod chunk;
mod claim;
mod object;
mod sweep;
#[cfg(test)]
mod tests;

pub(crate) use chunk::{CachedChunk, Eviction};
pub(crate) use claim::{Claim, Claimed};
pub(crate) use object::Remembered;

use crate::disk::DiskError;
use cache_dir::CacheDir;
use rustix::io::Errno;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};
use tracing::warn;

/// Bytes that a cache holds if nobody says otherwise: 20 GiB, some 200 releases of 100 MB.
pub const LIMIT: u64 = 20 << 30;

/// Where the cache is, and how large it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The directory, an absolute path; made if it is missing.
    pub directory: PathBuf,
    /// Bytes that it may hold when a pull ends.
    pub limit: u64,
}

/// A directory that must not be used as a cache.
#[derive(Debug, thiserror::Error)]
#[error("node cache {} {problem}", path.display())]
pub struct CacheError {
    path: PathBuf,
    problem: String,
}

impl CacheError {
    /// The stable reason: `cache`.
    #[must_use]
    pub const fn reason(&self) -> release::Reason {
        release::Reason::Cache
    }
}

/// An open cache.
#[derive(Debug)]
pub(crate) struct Cache {
    path: PathBuf,
    limit: u64,
    chunks: CacheDir,
    incoming: CacheDir,
    objects: CacheDir,
    // Until the first call fails that would write.
    writable: AtomicBool,
    grew: AtomicBool,
    damaged: AtomicU64,
}

impl Cache {
    /// Opens the cache, which is made if it is missing; `None`, with a warning, if the disk
    /// does not let us.
    ///
    /// # Errors
    ///
    /// A directory that is a link, belongs to somebody else, or is open to others.
    pub(crate) fn open(settings: &Settings) -> Result<Option<Arc<Self>>, CacheError> {
        // Without a slash at the end, with which the kernel would follow a link there.
        let path: &Path = &settings.directory.components().collect::<PathBuf>();
        match Self::try_open(path, settings.limit) {
            Ok(cache) => Ok(Some(Arc::new(cache))),
            Err(Trouble::Unsafe(error)) => Err(error),
            Err(Trouble::Disk(error)) => {
                warn!(path = %path.display(), error = %chain(&error), "the node cache is not used");
                Ok(None)
            }
        }
    }

    fn try_open(path: &Path, limit: u64) -> Result<Self, Trouble> {
        let top = CacheDir::top(path)?;
        let version = top.below("v1")?;
        Ok(Self {
            path: path.to_owned(),
            limit,
            chunks: version.below("chunks")?,
            incoming: version.below("incoming")?,
            objects: version.below("objects")?,
            writable: AtomicBool::new(true),
            grew: AtomicBool::new(false),
            damaged: AtomicU64::new(0),
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many damaged files were met so far.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Relaxed)
    }

    /// Writes nothing more: the disk is needed for what is being pulled.
    pub(crate) fn spare_the_disk(&self) {
        if self.writable.swap(false, Relaxed) {
            warn!(
                path = %self.path.display(),
                "nothing is written to the node cache, as its disk has room for the release only"
            );
        }
    }

    fn is_writable(&self) -> bool {
        self.writable.load(Relaxed)
    }

    /// Stops writing, and says so once.
    fn give_up(&self, error: &DiskError) {
        if self.writable.swap(false, Relaxed) {
            warn!(
                path = %self.path.display(),
                error = %chain(error),
                "nothing more is written to the node cache"
            );
        }
    }
}

/// Why a cache did not open.
enum Trouble {
    Unsafe(CacheError),
    Disk(DiskError),
}

impl Trouble {
    fn refuse(path: &Path, problem: impl Into<String>) -> Self {
        Self::Unsafe(CacheError {
            path: path.to_owned(),
            problem: problem.into(),
        })
    }
}

impl From<DiskError> for Trouble {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// An error and what the operating system said, for a log event.
fn chain(error: &DiskError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Whether the system has no descriptor left, which says nothing about the file.
fn is_out_of_descriptors(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE)
}

/// An error number as what a failpoint gives, too.
fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
