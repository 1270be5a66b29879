//! Making room: what was used longest ago goes first, and what crashes left goes at once.

use super::{Cache, chain, shelf::Shelf};
use crate::{
    disk::DiskError,
    lock::{Asked, Lock},
};
use std::sync::atomic::Ordering::Relaxed;
use tracing::{info, warn};

impl Cache {
    /// Removes what crashes left in `incoming/`; and where this process added something, brings the cache below its limit. One process
    /// does it at a time, the others leave it to that one.
    pub(crate) fn sweep(&self) {
        let grew = self.grew.swap(false, Relaxed);
        // Nothing was written, so nothing can be in the way, and a look at every file is saved.
        if !self.is_writable() && !grew {
            return;
        }
        if let Err(error) = self.try_sweep(grew) {
            warn!(path = %self.path.display(), error = %chain(&error), "the node cache is not swept");
        }
    }

    fn try_sweep(&self, grew: bool) -> Result<(), DiskError> {
        let Asked::Held(_lock) = Lock::ask(&self.path.join("v1/lock"))? else { return Ok(()) };
        for left in self.incoming.list()? {
            self.remove_left(&left.name)?;
        }
        if grew { self.make_room() } else { Ok(()) }
    }

    /// Removes a file in `incoming/` whose lock nobody holds. Somebody who opened it before sees that it has lost its name.
    fn remove_left(&self, name: &str) -> Result<(), DiskError> {
        let Ok(file) = self.incoming.open(name) else { return Ok(()) };
        if self.incoming.lock(&file, name)? && self.incoming.is(name, &file) {
            self.incoming.remove(name)?;
        }
        Ok(())
    }

    fn make_room(&self) -> Result<(), DiskError> {
        let mut found: Vec<(&Shelf, _)> = Vec::new();
        for shelf in [&self.chunks, &self.objects] {
            found.extend(shelf.list()?.into_iter().map(|listed| (shelf, listed)));
        }
        let mut total: u64 = found.iter().map(|(_, listed)| listed.size).sum();
        if total <= self.limit {
            return Ok(());
        }
        found.sort_unstable_by_key(|(_, listed)| listed.used);
        let (mut files, mut bytes) = (0_u64, 0);
        for (shelf, listed) in found {
            if total <= self.limit {
                break;
            }
            // Whoever has it open reads on; whoever comes later fetches it.
            shelf.remove(&listed.name)?;
            total -= listed.size;
            files += 1;
            bytes += listed.size;
        }
        info!(files, bytes, total, limit = self.limit, "evicted from the node cache what was used longest ago");
        Ok(())
    }
}
