//! Single flight: of all processes on a node, one fetches a chunk, and the others wait for it.
//!
//! A claim is a lock on the chunk's file in `incoming/`. It is asked for without waiting, and
//! nobody who holds one waits for another: so there is no deadlock. The kernel frees it when its
//! holder ends, however it ends, and whoever gets it next truncates what was left in the file. Once
//! the file has the verified bytes, it is renamed to its place.
//!
//! Whoever gets the lock of a file that was renamed or removed since it was opened has no claim,
//! and looks again: the holder before may have published it.

use super::{Cache, CachedChunk, chain};
use crate::disk::DiskError;
use release::Sha256;
use rustix::io::Errno;
use std::{
    fs::File,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tracing::debug;

/// How often a file is opened anew, because it was renamed or removed before we had its lock. Each
/// time somebody else got on.
const TRIES: u32 = 8;

/// What came of asking for a chunk.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// The cache has it.
    Found(CachedChunk),
    /// We are to fetch it.
    Ours(Claim),
    /// Somebody else fetches it.
    Busy,
    /// The cache cannot be written: everybody fetches for themselves.
    Off,
}

/// The duty to fetch a chunk and publish it. Dropped without that, it is free for another process.
#[derive(Debug)]
pub(crate) struct Claim {
    cache: Arc<Cache>,
    file: File,
    name: String,
    published: bool,
}

impl Cache {
    /// Looks for a chunk, and claims it if it is not there and nobody else has claimed it. Never
    /// waits.
    pub(crate) fn claim(self: &Arc<Self>, digest: &Sha256, size: u64) -> Claimed {
        if let Some(held) = self.find(digest, size) {
            return Claimed::Found(held);
        }
        let name = digest.to_string();
        for _ in 0..TRIES {
            if !self.is_writable() {
                return Claimed::Off;
            }
            match self.lock_incoming(&name) {
                Ok(None) => return Claimed::Busy,
                Ok(Some(file)) if self.incoming.is(&name, &file) => {
                    let claim = Claim {
                        cache: Arc::clone(self),
                        file,
                        name,
                        published: false,
                    };
                    // It may have been published between our look and our lock.
                    return self
                        .find(digest, size)
                        .map_or(Claimed::Ours(claim), Claimed::Found);
                }
                Ok(Some(_)) => {}
                Err(error) => self.give_up(&error),
            }
        }
        Claimed::Busy
    }

    /// The locked file of that name in `incoming/`; `None` if somebody else has the lock.
    pub(super) fn lock_incoming(&self, name: &str) -> Result<Option<File>, DiskError> {
        let file = match self.incoming.create(name) {
            // A directory, or a link: nobody's, as we make only files.
            Err(error) if matches!(error.errno(), Some(Errno::ISDIR | Errno::LOOP)) => {
                self.incoming.remove(name)?;
                self.incoming.create(name)?
            }
            other => other?,
        };
        Ok(self.incoming.try_lock(&file, name)?.then_some(file))
    }
}

impl Claim {
    /// Keeps these bytes, which have been verified, for everybody.
    pub(crate) fn publish(self, bytes: &[u8]) {
        self.publish_by(|claim| claim.cache.incoming.fill(&claim.file, &claim.name, bytes));
    }

    /// Keeps the contents of this file, which have been verified, for everybody.
    pub(crate) fn publish_file(self, file: &File) {
        self.publish_by(|claim| claim.cache.incoming.copy(&claim.file, &claim.name, file));
    }

    fn publish_by(mut self, write: impl FnOnce(&Self) -> Result<(), DiskError>) {
        if !self.cache.is_writable() {
            return;
        }
        match write(&self).and_then(|()| {
            self.cache
                .incoming
                .move_to(&self.name, &self.cache.chunks, &self.name)
        }) {
            Ok(()) => {
                self.published = true;
                self.cache.grew.store(true, Relaxed);
            }
            Err(error) => self.cache.give_up(&error),
        }
    }
}

impl Drop for Claim {
    // The name goes while the lock is ours, so that it never is a file that somebody else has
    // claimed since.
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = self.cache.incoming.remove(&self.name)
        {
            debug!(
                chunk = self.name,
                error = %chain(&error),
                "a file stays in the node cache until it is swept"
            );
        }
    }
}
