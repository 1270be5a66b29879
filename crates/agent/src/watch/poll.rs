//! How long to wait before the next look at the sources. Pure.

use std::time::Duration;

/// The longest wait while looks fail, unless the interval itself is longer.
const LONGEST: Duration = Duration::from_mins(5);

/// The interval, and how many looks in a row failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    interval: Duration,
    failures: u32,
}

impl Poll {
    /// Looks every `interval` while all is well.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self {
            interval,
            failures: 0,
        }
    }

    /// Counts a look that came to an end.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Counts a look that did not.
    pub const fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// The next wait; `random` is in 0..1. A fleet that was started together must not ask together:
    /// up to a fifth less than the interval while all is well, so that what is published is seen
    /// within it; after failures, anything from half to all of twice as long as before.
    #[must_use]
    pub fn wait(&self, random: f64) -> Duration {
        if self.failures == 0 {
            return self.interval.mul_f64(0.2f64.mul_add(random, 0.8));
        }
        let longest = LONGEST.max(self.interval);
        let longest = release::backoff(self.interval, self.failures, longest);
        longest.mul_f64(0.5f64.mul_add(random, 0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INTERVAL: Duration = Duration::from_secs(15);

    #[test]
    fn failures_double_the_wait_and_success_ends_that() {
        let mut poll = Poll::new(INTERVAL);
        let mut waits = Vec::new();
        for _ in 0..7 {
            waits.push(poll.wait(1.0).as_secs());
            poll.failed();
        }
        assert_eq!(waits, [15, 30, 60, 120, 240, 300, 300]);
        poll.succeeded();
        assert_eq!(poll.wait(0.0), INTERVAL.mul_f64(0.8));
    }

    proptest! {
        #[test]
        fn a_wait_is_never_over_in_no_time_nor_endless(
            failures in 0u32..100,
            random in 0.0f64..1.0,
            seconds in 1u64..4000,
        ) {
            let mut poll = Poll::new(Duration::from_secs(seconds));
            (0..failures).for_each(|_| poll.failed());
            let (wait, interval) = (poll.wait(random), Duration::from_secs(seconds));
            prop_assert!(wait >= interval.mul_f64(0.5) && wait <= LONGEST.max(interval));
            // What is published is seen within the interval, at no more than five looks in four of
            // them.
            prop_assert!(failures > 0 || (wait >= interval.mul_f64(0.8) && wait <= interval));
        }
    }
}
