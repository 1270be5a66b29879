//! What a store did so far, in figures.

use jiff::SignedDuration;
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Counters of one store, from its opening on. They only grow.
#[derive(Debug, Default)]
pub struct Stats {
    requests: AtomicU64,
    retries: AtomicU64,
    throttled: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    network: AtomicU64,
    ahead: Mutex<Option<SignedDuration>>,
}

impl Stats {
    /// Requests sent, retries among them. For a directory: calls.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Requests that were sent again, or resumed, after a failure.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// Answers that asked us to slow down.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Relaxed)
    }

    /// Bytes of bodies received, those of abandoned attempts included.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes of objects sent, each attempt counted.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Time spent waiting for the store, summed over requests: with 8 in flight it grows by up to 8
    /// s in one second.
    #[must_use]
    pub fn network(&self) -> Duration {
        Duration::from_nanos(self.network.load(Relaxed))
    }

    /// How far our clock is ahead of the store's, as its answers say; by up to a second less than
    /// that, and by what an answer took. The least of all answers counts: one may have been late,
    /// or come from a cache.
    #[must_use]
    pub fn ahead(&self) -> Option<SignedDuration> {
        *self.ahead.lock()
    }

    pub(crate) fn record_ahead(&self, ahead: SignedDuration) {
        let mut least = self.ahead.lock();
        *least = Some(least.map_or(ahead, |least| least.min(ahead)));
    }

    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn throttle(&self) {
        self.throttled.fetch_add(1, Relaxed);
    }

    pub(crate) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn send(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn wait(&self, time: Duration) {
        // 2^64 ns are 584 years.
        self.network
            .fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}
