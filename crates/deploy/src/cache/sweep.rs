//! Making room: what was used longest ago goes first, and what crashes left goes at once.

use super::{Cache, cache_dir::Listed, chain};
use crate::{
    disk::DiskError,
    lock::{Lock, Locking},
};
use std::{collections::BinaryHeap, sync::atomic::Ordering::Relaxed};
use tracing::{info, warn};

impl Cache {
    /// Removes what crashes left in `incoming/`; and where this process added something, brings the
    /// cache below its limit. One process does it at a time, the others leave it to that one.
    pub(crate) fn sweep(&self) {
        let grew = self.grew.swap(false, Relaxed);
        // Nothing was written, so nothing can be in the way, and a look at every file is saved.
        if !self.is_writable() && !grew {
            return;
        }
        if let Err(error) = self.try_sweep(grew) {
            warn!(
                path = %self.path.display(),
                error = %chain(&error),
                "the node cache is not swept"
            );
        }
    }

    fn try_sweep(&self, grew: bool) -> Result<(), DiskError> {
        let Locking::Held(_lock) = Lock::try_lock(&self.path.join("v1/lock"))? else {
            return Ok(());
        };
        let mut left = Vec::new();
        self.incoming.each(|listed| left.push(listed.name))?;
        left.iter().try_for_each(|name| self.remove_left(name))?;
        if grew { self.make_room() } else { Ok(()) }
    }

    /// Removes a file in `incoming/` whose lock nobody holds. Somebody who opened it before sees
    /// that it has lost its name.
    fn remove_left(&self, name: &str) -> Result<(), DiskError> {
        let Ok(file) = self.incoming.open(name) else {
            return Ok(());
        };
        if self.incoming.try_lock(&file, name)? && self.incoming.is(name, &file) {
            self.incoming.remove(name)?;
        }
        Ok(())
    }

    fn make_room(&self) -> Result<(), DiskError> {
        let (mut files, mut bytes) = (0_u64, 0);
        loop {
            let mut oldest = Oldest::default();
            for cache_dir in [&self.chunks, &self.objects] {
                cache_dir.each(|listed| oldest.add(listed))?;
            }
            let mut over = oldest.total.saturating_sub(self.limit);
            if over == 0 || oldest.heap.is_empty() {
                break;
            }
            for Listed { name, size, .. } in oldest.heap.into_sorted_vec() {
                if over == 0 {
                    break;
                }
                // Whoever has it open reads on; whoever comes later fetches it. A digest is no
                // object's name.
                let from = if name.contains('+') {
                    &self.objects
                } else {
                    &self.chunks
                };
                from.remove(&name)?;
                over = over.saturating_sub(size);
                (files, bytes) = (files + 1, bytes + size);
            }
        }
        if files > 0 {
            info!(
                files,
                bytes,
                limit = self.limit,
                "evicted from the node cache what was used longest ago"
            );
        }
        Ok(())
    }
}

/// The files that were used longest ago, a few at a time: a cache may hold hundreds of thousands.
#[derive(Default)]
struct Oldest {
    heap: BinaryHeap<Listed>,
    total: u64,
}

/// How many are remembered at most, in some 150 bytes each.
const OLDEST: usize = 4096;

impl Oldest {
    fn add(&mut self, listed: Listed) {
        self.total += listed.size;
        self.heap.push(listed);
        if self.heap.len() > OLDEST {
            self.heap.pop();
        }
    }
}
