//! A pace in bytes a second.

use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How far behind its pace a bucket may catch up: timers are a millisecond late, and a writer that
/// lost that would never reach its rate.
const CATCH_UP: Duration = Duration::from_millis(10);
/// A pace is kept in steps this long, so that it looks even to a reader that measures seconds.
const STEPS_PER_SECOND: u64 = 50;
/// The largest step, in bytes, so that connections which share a pace take turns.
const STEP_LIMIT: u64 = 1 << 20;

/// One pace, shared by any number of writers; without a rate it never makes anyone wait.
#[derive(Debug)]
pub(super) struct Throttle {
    rate: AtomicU64,
    free: Mutex<Instant>,
}

impl Throttle {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self {
            rate: AtomicU64::new(rate.unwrap_or_default()),
            free: Mutex::new(Instant::now()),
        }
    }

    /// Changes the pace, also of those that wait.
    pub(super) fn set(&self, rate: Option<u64>) {
        self.rate.store(rate.unwrap_or_default(), Ordering::Relaxed);
        *self.free.lock() = Instant::now();
    }

    /// How many bytes may go at once; `None` is any number.
    pub(super) fn step(&self) -> Option<u64> {
        match self.rate.load(Ordering::Relaxed) {
            0 => None,
            rate => Some((rate / STEPS_PER_SECOND).clamp(1, STEP_LIMIT)),
        }
    }

    /// When the next bytes may go; `None` is now.
    pub(super) fn wait(&self) -> Option<Instant> {
        self.step()?;
        let free = *self.free.lock();
        (free > Instant::now()).then_some(free)
    }

    /// Notes that so many bytes went.
    pub(super) fn charge(&self, bytes: usize) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return;
        }
        let mut free = self.free.lock();
        let from = Instant::now()
            .checked_sub(CATCH_UP)
            .map_or(*free, |earliest| (*free).max(earliest));
        *free = from + cost(bytes as u64, rate);
    }
}

/// How long so many bytes take; a rate of zero counts as one byte a second.
pub(super) fn cost(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_rate_nobody_waits() {
        let throttle = Throttle::new(None);
        throttle.charge(1 << 30);
        assert_eq!((throttle.step(), throttle.wait()), (None, None));
    }

    #[test]
    fn a_second_of_bytes_is_waited_for_about_a_second() {
        let throttle = Throttle::new(Some(1000));
        throttle.charge(1000);
        let wait = throttle.wait().unwrap() - Instant::now();
        assert!(
            (Duration::from_millis(900)..=Duration::from_secs(1)).contains(&wait),
            "{wait:?}"
        );
    }

    #[test]
    fn a_new_rate_frees_those_that_wait() {
        let throttle = Throttle::new(Some(1));
        throttle.charge(1000);
        throttle.set(None);
        assert_eq!(throttle.wait(), None);
    }
}
