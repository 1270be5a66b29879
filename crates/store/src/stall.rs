//! When bytes come too slowly.

use std::time::Duration;

/// Measures how fast bytes come, over the time spent waiting for them only: a reader that is busy
/// elsewhere does not make its source slow.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    floor: u64,
    window: Duration,
    waited: Duration,
    bytes: u64,
}

/// Bytes came more slowly than the floor over a whole window.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Meter {
    pub(crate) fn new(floor: u64, window: Duration) -> Self {
        Self {
            floor,
            window,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// How much longer the next bytes may take before [`Meter::waited`] judges the window.
    pub(crate) fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// `bytes` came (0: none did) after waiting for `time`.
    pub(crate) fn waited(&mut self, time: Duration, bytes: usize) -> Result<(), TooSlow> {
        self.waited += time;
        self.bytes += bytes as u64;
        if self.waited < self.window {
            return Ok(());
        }
        let least = u128::from(self.floor) * self.waited.as_millis() / 1000;
        if u128::from(self.bytes) < least {
            return Err(TooSlow);
        }
        self.waited = Duration::ZERO;
        self.bytes = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_for_a_window_is_too_slow() {
        let mut meter = Meter::new(100, 10 * SECOND);
        assert_eq!(meter.waited(9 * SECOND, 0), Ok(()));
        assert_eq!(meter.left(), SECOND);
        assert_eq!(meter.waited(SECOND, 0), Err(TooSlow));
    }

    #[test]
    fn a_trickle_is_too_slow_and_the_floor_is_not() {
        let mut trickle = Meter::new(100, 10 * SECOND);
        let mut steady = trickle.clone();
        let slow = (0..20)
            .map(|_| trickle.waited(SECOND, 99))
            .find(Result::is_err);
        assert_eq!(slow, Some(Err(TooSlow)));
        assert!((0..100).all(|_| steady.waited(SECOND, 100).is_ok()));
    }

    #[test]
    fn a_burst_does_not_excuse_silence_for_longer_than_its_window() {
        let mut meter = Meter::new(100, 10 * SECOND);
        assert_eq!(meter.waited(10 * SECOND, 1 << 20), Ok(()));
        assert_eq!(meter.waited(10 * SECOND, 0), Err(TooSlow));
    }
}
