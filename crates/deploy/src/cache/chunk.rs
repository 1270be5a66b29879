//! What the cache holds by digest, and what becomes of it when it turns out to be something else.

use super::{Cache, cache_dir::CacheDir, chain, is_out_of_descriptors};
use release::Sha256;
use rustix::{fs::FileType, io::Errno};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tracing::{debug, warn};

/// A file of the cache, open: it stays readable also when it is evicted meanwhile.
///
/// Nobody has looked at its contents yet.
#[derive(Debug)]
pub(crate) struct CachedChunk {
    cache: Arc<Cache>,
    file: File,
    digest: Sha256,
    size: u64,
}

/// What became of a file that the cache was to lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// It is gone: the cache may be asked for the chunk again.
    Gone,
    /// It stays, because the cache cannot be changed.
    Stays,
}

impl Cache {
    /// The file of `digest`, if there is one of that size. Anything else in its place is
    /// evicted.
    pub(crate) fn find(self: &Arc<Self>, digest: &Sha256, size: u64) -> Option<CachedChunk> {
        let name = digest.to_string();
        let file = match self.chunks.open(&name) {
            Ok(file) => file,
            Err(Errno::NOENT) => return None,
            Err(error) if is_out_of_descriptors(error) => return None,
            Err(error) => {
                self.evict(
                    &name,
                    None,
                    if error == Errno::LOOP {
                        "it is a link"
                    } else {
                        "it cannot be opened"
                    },
                );
                return None;
            }
        };
        let problem = match rustix::fs::fstat(&file) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile => {
                "it is not a file"
            }
            Ok(found) if u64::try_from(found.st_size) != Ok(size) => {
                "its size is not the signed one"
            }
            Ok(_) => {
                return Some(CachedChunk {
                    cache: Arc::clone(self),
                    file,
                    digest: *digest,
                    size,
                });
            }
            Err(_) => "it cannot be looked at",
        };
        self.evict(&name, Some(&file), problem);
        None
    }

    /// Removes the damaged `name`; only as long as it is `file`, if that is given, as somebody
    /// may have put a good one there.
    fn evict(&self, name: &str, file: Option<&File>, problem: &str) -> bool {
        if file.is_some_and(|file| !self.chunks.is(name, file)) {
            return true;
        }
        self.damaged.fetch_add(1, Relaxed);
        match self.chunks.remove(name) {
            Ok(()) => {
                warn!(
                    chunk = name,
                    problem, "evicted from the node cache, as it is damaged"
                );
                true
            }
            Err(error) => {
                warn!(
                    chunk = name,
                    problem,
                    error = %chain(&error),
                    "damaged in the node cache, and stays there"
                );
                false
            }
        }
    }
}

impl CachedChunk {
    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Appends all of it to `buffer`.
    pub(crate) fn read(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let start = buffer.len();
        buffer.resize(
            start + usize::try_from(self.size).map_err(io::Error::other)?,
            0,
        );
        self.file.read_exact_at(&mut buffer[start..], 0)
    }

    /// Its contents were verified and used: it becomes the last to be evicted for want of space.
    pub(crate) fn served(&self) {
        // A cache that cannot be written to serves all the same.
        if let Err(error) = CacheDir::touch(&self.file) {
            debug!(
                chunk = %self.digest,
                error = %io::Error::from(error),
                "the time of the last use is not noted"
            );
        }
    }

    /// Evicts it, because its contents are not those of its name.
    pub(crate) fn evict(&self, problem: &str) -> Eviction {
        let name = self.digest.to_string();
        if self.cache.evict(&name, Some(&self.file), problem) {
            Eviction::Gone
        } else {
            Eviction::Stays
        }
    }
}
