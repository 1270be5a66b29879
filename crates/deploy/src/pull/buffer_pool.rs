//! The memory that pieces may take, and buffers that are used again.
//!
//! Freed buffers of megabytes stay with the allocator, in holes that the next one does not fit; a
//! pull that allocated one for each piece would grow far beyond what it holds. So buffers come in
//! few sizes and go round, and never more of them than fit.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for, and what the smallest piece costs: its bookkeeping is not free
/// either.
const UNIT: usize = 64 * 1024;

/// Room for the pieces of one pull.
#[derive(Debug)]
pub(crate) struct BufferPool {
    permits: Arc<Semaphore>,
    units: u32,
    stock: Mutex<Stock>,
}

/// Bytes of a piece, and the room that they take until they are dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) bytes: Vec<u8>,
    buffers: Arc<BufferPool>,
    _permits: OwnedSemaphorePermit,
}

// Buffers that nobody uses, and the capacity of those and the used ones together.
#[derive(Debug, Default)]
struct Stock {
    spare: Vec<Vec<u8>>,
    held: usize,
}

impl BufferPool {
    /// Room for `total` bytes.
    pub(crate) fn new(total: u64) -> Arc<Self> {
        let units = u32::try_from(total / UNIT as u64)
            .unwrap_or(u32::MAX)
            .max(1);
        // A u32 of permits is below what a semaphore holds, 2^61.
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(units as usize)),
            units,
            stock: Mutex::default(),
        })
    }

    /// How many pieces have room at once, at most.
    pub(crate) const fn most_pieces(&self) -> usize {
        self.units as usize
    }

    /// Waits for room for a piece of `size` bytes, and gives an empty buffer that holds them
    /// without growing.
    ///
    /// Takes all of it at once, in the order of the calls, so that two pieces never wait for each
    /// other.
    pub(crate) async fn take(self: &Arc<Self>, size: u64) -> Option<Buffer> {
        let capacity = usize::try_from(size)
            .ok()?
            .max(UNIT)
            .checked_next_power_of_two()?;
        let units = u32::try_from(capacity / UNIT)
            .unwrap_or(u32::MAX)
            .min(self.units);
        let permits = Arc::clone(&self.permits)
            .acquire_many_owned(units)
            .await
            .ok()?;
        let bytes = self.stock.lock().take(capacity, self.units as usize * UNIT);
        Some(Buffer {
            bytes,
            buffers: Arc::clone(self),
            _permits: permits,
        })
    }
}

impl Stock {
    fn take(&mut self, capacity: usize, total: usize) -> Vec<u8> {
        if let Some(at) = self
            .spare
            .iter()
            .position(|spare| spare.capacity() == capacity)
        {
            return self.spare.swap_remove(at);
        }
        while self.held + capacity > total
            && let Some(spare) = self.spare.pop()
        {
            self.held -= spare.capacity();
        }
        let bytes = Vec::with_capacity(capacity);
        self.held += bytes.capacity();
        bytes
    }
}

impl Drop for Buffer {
    // Runs before the permits are given back, so that whoever gets them finds the buffer.
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.buffers.stock.lock().spare.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const SIZE: u64 = UNIT as u64;

    fn held(buffers: &BufferPool) -> (usize, usize) {
        let stock = buffers.stock.lock();
        (stock.spare.len(), stock.held / UNIT)
    }

    #[tokio::test]
    async fn a_piece_waits_until_there_is_room() {
        let buffers = BufferPool::new(4 * SIZE);
        let (one, other) = (
            buffers.take(2 * SIZE).await.unwrap(),
            buffers.take(SIZE + 1).await.unwrap(),
        );
        assert!(buffers.take(1).now_or_never().is_none());
        drop(one);
        let small = buffers.take(1).await.unwrap();
        assert_eq!(small.bytes.capacity(), UNIT);
        drop((small, other));
    }

    #[tokio::test]
    async fn buffers_go_round_and_are_never_more_than_fit() {
        let buffers = BufferPool::new(4 * SIZE);
        for _ in 0..100 {
            let spaces = (
                buffers.take(2 * SIZE).await.unwrap(),
                buffers.take(2 * SIZE - 5).await.unwrap(),
            );
            assert!(spaces.0.bytes.is_empty() && spaces.1.bytes.is_empty());
        }
        assert_eq!(held(&buffers), (2, 4));
        drop((
            buffers.take(1).await.unwrap(),
            buffers.take(1).await.unwrap(),
        ));
        assert_eq!(
            held(&buffers),
            (3, 4),
            "one buffer made way for two smaller ones"
        );
    }

    #[tokio::test]
    async fn a_piece_larger_than_all_room_gets_all_of_it() {
        let buffers = BufferPool::new(4 * SIZE);
        let buffer = buffers.take(9 * SIZE).await.unwrap();
        assert!(buffer.bytes.capacity() >= 9 * UNIT);
        assert!(buffers.take(1).now_or_never().is_none());
    }
}
