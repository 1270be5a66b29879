//! How far a pull is, and what it cost in the end.

use super::Origin;
use super::timings::{Stages, Work};
use release::{Sequence, Sha256};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use tracing::info;

/// How far a pull is. Both totals are known once the manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Chunks that are in the staged tree, linked ones among them.
    pub chunks: u64,
    /// Chunks of the release.
    pub chunks_total: u64,
    /// Compressed bytes of those that are in the staged tree.
    pub bytes: u64,
    /// Compressed bytes of the release.
    pub bytes_total: u64,
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The sequence that is active now.
    pub sequence: Sequence,
    /// Its manifest.
    pub manifest: Sha256,
    /// What it took.
    pub outcome: PullOutcome,
    /// Who offered it.
    pub origin: Origin,
    /// What it cost.
    pub figures: Figures,
}

/// What it took to make the release active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullOutcome {
    /// A tree was made.
    Fresh,
    /// The tree was there: nothing was downloaded.
    AlreadyComplete,
    /// It was active.
    AlreadyActive,
}

impl PullOutcome {
    /// A word for logs: `fresh`, `already-complete` or `already-active`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::AlreadyComplete => "already-complete",
            Self::AlreadyActive => "already-active",
        }
    }
}

/// What a pull cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Regular files of the tree that was made.
    pub files: u64,
    /// Bytes in those.
    pub bytes: u64,
    /// Files that were linked from the tree before.
    pub reused_files: u64,
    /// Bytes in those.
    pub reused_bytes: u64,
    /// Chunks that came from the node's cache.
    pub cached_chunks: u64,
    /// Compressed bytes of those.
    pub cached_bytes: u64,
    /// Files of the node's cache that were damaged, and so evicted and fetched again.
    pub cache_damaged: u64,
    /// Bytes received from the store, abandoned attempts included.
    pub downloaded_bytes: u64,
    /// Requests sent to the store, retries included.
    pub requests: u64,
    /// Requests that were sent again or resumed.
    pub retries: u64,
    /// Time that requests took, summed over those in flight together.
    pub network: Duration,
    /// Where the time went, one stage after the other.
    pub stages: Stages,
    /// What the threads that unpack did meanwhile.
    pub work: Work,
    /// From the call to its return.
    pub total: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    chunks: AtomicU64,
    chunks_total: AtomicU64,
    bytes: AtomicU64,
    bytes_total: AtomicU64,
    cached_chunks: AtomicU64,
    cached_bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn expect(&self, manifest: &release::Manifest) {
        let chunks: usize = manifest
            .modules
            .iter()
            .map(|module| module.chunks.len())
            .sum();
        self.chunks_total.store(chunks as u64, Relaxed);
        self.bytes_total.store(
            manifest.modules.iter().map(|module| module.size).sum(),
            Relaxed,
        );
    }

    pub(crate) fn done(&self, chunk: &release::Chunk) {
        self.chunks.fetch_add(1, Relaxed);
        self.bytes.fetch_add(chunk.size, Relaxed);
    }

    /// The chunk came from the node's cache; [`Self::done`] counts it, too.
    pub(crate) fn cached(&self, chunk: &release::Chunk) {
        self.cached_chunks.fetch_add(1, Relaxed);
        self.cached_bytes.fetch_add(chunk.size, Relaxed);
    }

    /// Chunks that came from the node's cache, and their compressed bytes.
    pub(crate) fn cached_so_far(&self) -> (u64, u64) {
        (
            self.cached_chunks.load(Relaxed),
            self.cached_bytes.load(Relaxed),
        )
    }

    pub(crate) fn now(&self) -> Progress {
        Progress {
            chunks: self.chunks.load(Relaxed),
            chunks_total: self.chunks_total.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            bytes_total: self.bytes_total.load(Relaxed),
        }
    }
}

/// Tells the progress as a log event: what a process without a terminal gives to
/// [`pull`](super::pull()).
pub fn log_progress(progress: Progress) {
    let Progress {
        chunks,
        chunks_total,
        bytes,
        bytes_total,
    } = progress;
    info!(chunks, chunks_total, bytes, bytes_total, "pulling");
}
