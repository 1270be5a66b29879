//! How often and how long: probes, deadlines, and the waits between attempts.

use std::time::Duration;

/// The times of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often a mount is probed; each wait is up to a quarter shorter or longer, so that pods
    /// do not probe in step.
    pub probe_every: Duration,
    /// From how long an answer counts as slow.
    pub slow: Duration,
    /// From when on none counts as hung.
    pub probe_within: Duration,
    /// How long mounting may take, once the server's address is known.
    pub mount_within: Duration,
    /// The longest wait between attempts to mount.
    pub retry_at_most: Duration,
    /// How long unmounting may take when the supervisor is stopped; afterwards what is still
    /// mounted stays.
    pub unmount_within: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            // A child costs about 2 ms of a core: 0.02 % of one for each mount.
            probe_every: seconds(10),
            slow: seconds(1),
            probe_within: seconds(5),
            // The client itself gives up a connection after 60 s (timeo), but another attempt may
            // find a server that is back.
            mount_within: seconds(30),
            retry_at_most: seconds(30),
            // Of the 30 s that Kubernetes grants by default, most are for the shop's last requests.
            unmount_within: seconds(8),
        }
    }
}

impl Timing {
    /// How long to wait for the next probe, for a random `fraction` of one.
    pub(crate) fn pause(&self, fraction: f64) -> Duration {
        self.probe_every.mul_f64(0.75 + fraction / 2.0)
    }

    /// How long to wait after the `failed`th attempt in a row: doubled each time, and at least half
    /// of that.
    pub(crate) fn backoff(&self, failed: u32, fraction: f64) -> Duration {
        const FIRST: Duration = Duration::from_millis(500);
        let step = release::backoff(FIRST, failed, self.retry_at_most);
        step.mul_f64(0.5 + fraction / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_differ() {
        let timing = Timing::default();
        assert_eq!(timing.backoff(0, 1.0), Duration::from_millis(500));
        assert_eq!(timing.backoff(3, 0.0), Duration::from_secs(2));
        for failed in [6, 40, u32::MAX] {
            assert_eq!(
                (timing.backoff(failed, 0.0), timing.backoff(failed, 1.0)),
                (timing.retry_at_most / 2, timing.retry_at_most)
            );
        }
        assert_eq!(
            (timing.pause(0.0), timing.pause(1.0)),
            (Duration::from_millis(7500), Duration::from_millis(12500))
        );
    }
}
