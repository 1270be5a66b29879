//! How long a call that failed waits.

use std::time::Duration;

/// The wait after a failure that `failed` others came before: `first`, doubled with each of them,
/// `longest` at most. It is the same for everybody: callers spread it, each for a reason of its
/// own.
#[must_use]
pub fn backoff(first: Duration, failed: u32, longest: Duration) -> Duration {
    // 2^16 times the shortest `first` there is, 100 ms, is nearly two hours.
    first.saturating_mul(1 << failed.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_its_bound() {
        let seconds = |failed| backoff(Duration::from_secs(1), failed, Duration::from_secs(30));
        let waits = [0, 1, 2, 4, 5, u32::MAX].map(|failed| seconds(failed).as_secs());
        assert_eq!(waits, [1, 2, 4, 16, 30, 30]);
    }
}
