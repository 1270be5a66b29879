//! The memory that parts may take, and buffers that are used again.
//!
//! Freed buffers of megabytes stay with the allocator, in pieces that the next one does not fit; a pull that allocated one for
//! each part would grow far beyond what it holds. So buffers of a part's full size go round, and never more of them than fit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for, and what the smallest part costs: its bookkeeping is not free either.
const UNIT: u64 = 64 * 1024;

/// Room for the parts of one pull.
#[derive(Debug)]
pub(crate) struct Room {
    permits: Arc<Semaphore>,
    units: u32,
    part: usize,
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Bytes of a part, and the room that they take until they are dropped.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) bytes: Vec<u8>,
    room: Arc<Room>,
    _permits: OwnedSemaphorePermit,
}

impl Room {
    /// Room for `total` bytes in parts of usually `part` bytes.
    pub(crate) fn new(total: u64, part: u64) -> Arc<Self> {
        let units = u32::try_from(total / UNIT).unwrap_or(u32::MAX).max(1);
        let part = usize::try_from(part).unwrap_or(usize::MAX);
        // A u32 of permits is below what a semaphore holds, 2^61.
        Arc::new(Self { permits: Arc::new(Semaphore::new(units as usize)), units, part, spare: Mutex::default() })
    }

    /// How many parts have room at once, at most.
    pub(crate) const fn most_parts(&self) -> usize {
        self.units as usize
    }

    /// Waits for room for a part of `size` bytes, and gives an empty buffer that holds them without growing.
    ///
    /// Takes all of it at once, in the order of the calls, so that two parts never wait for each other.
    pub(crate) async fn take(self: &Arc<Self>, size: u64) -> Option<Space> {
        let size = usize::try_from(size).ok()?;
        // A part over half the usual size gets a usual buffer, and pays for all of it.
        let usual = size <= self.part && size > self.part / 2;
        let capacity = if usual { self.part } else { size };
        let units = u32::try_from((capacity as u64).div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.units);
        let permits = Arc::clone(&self.permits).acquire_many_owned(units).await.ok()?;
        let spare = if usual { lock(&self.spare).pop() } else { None };
        Some(Space { bytes: spare.unwrap_or_else(|| Vec::with_capacity(capacity)), room: Arc::clone(self), _permits: permits })
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() == self.room.part {
            bytes.clear();
            lock(&self.room.spare).push(bytes);
        }
    }
}

/// Locks. A worker that panicked left nothing half-changed that matters: the panic itself ends the pull.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn a_part_waits_until_there_is_room() {
        let room = Room::new(4 * UNIT, 2 * UNIT);
        let (one, other) = (room.take(2 * UNIT).await.unwrap(), room.take(UNIT + 1).await.unwrap());
        assert!(room.take(1).now_or_never().is_none());
        drop(one);
        let small = room.take(1).await.unwrap();
        assert_eq!(small.bytes.capacity(), 1);
        drop((small, other));
    }

    #[tokio::test]
    async fn buffers_go_round_and_are_never_more_than_fit() {
        let room = Room::new(4 * UNIT, 2 * UNIT);
        for _ in 0..100 {
            let spaces = (room.take(2 * UNIT).await.unwrap(), room.take(2 * UNIT - 5).await.unwrap());
            assert!(spaces.0.bytes.is_empty() && spaces.1.bytes.is_empty());
        }
        assert_eq!(lock(&room.spare).len(), 2);
    }

    #[tokio::test]
    async fn a_part_larger_than_all_room_gets_all_of_it() {
        let room = Room::new(4 * UNIT, 2 * UNIT);
        let space = room.take(9 * UNIT).await.unwrap();
        assert!(space.bytes.capacity() as u64 >= 9 * UNIT);
        assert!(room.take(1).now_or_never().is_none());
    }
}
