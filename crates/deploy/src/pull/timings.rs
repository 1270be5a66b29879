//! Where a pull's time goes, so that a person can tell which part of a machine to make faster.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// Time of each stage of a pull, by the clock on the wall. Zero for those that were not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// Until the release was accepted: lock and sweep of the root, release object, trust roots.
    pub offer: Duration,
    /// Until the manifest was read and verified.
    pub manifest: Duration,
    /// Until what did not change was linked from the active tree; removing older trees is part of
    /// it.
    pub reuse: Duration,
    /// Until the rest was downloaded, verified and unpacked, which happens at the same time.
    pub transfer: Duration,
    /// Until links, directories' times and writable directories were made.
    pub finish: Duration,
    /// Until all of it was durable and had its name.
    pub durable: Duration,
    /// Until `current` pointed at it and older trees were gone.
    pub activate: Duration,
}

/// What the threads that unpack did while chunks came, each time summed over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Threads.
    pub workers: u32,
    /// Time without anything to do: the network did not bring it yet.
    pub idle: Duration,
    /// Time with something to do; the two following are part of it, and the rest went into reading
    /// entries and creating files.
    pub busy: Duration,
    /// SHA-256.
    pub verify: Duration,
    /// Zstandard, except where a large file was decompressed while it was written.
    pub decompress: Duration,
}

/// What kept a transfer from being faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The network or the store: workers had nothing to do most of the time.
    Network,
    /// The processor: most of the work was SHA-256 and Zstandard.
    Processor,
    /// The file system: most of the work was creating files.
    Files,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => {
                "the network or the store is the limit: workers waited for bytes most of the time"
            }
            Self::Processor => {
                "the processor is the limit: hashing and decompressing took most of the work"
            }
            Self::Files => "the file system is the limit: creating files took most of the work",
        })
    }
}

impl Stages {
    /// Each stage with the word for it, in order.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Duration); 7] {
        let Self {
            offer,
            manifest,
            reuse,
            transfer,
            finish,
            durable,
            activate,
        } = *self;
        [
            ("offer", offer),
            ("manifest", manifest),
            ("reuse", reuse),
            ("transfer", transfer),
            ("finish", finish),
            ("durable", durable),
            ("activate", activate),
        ]
    }
}

impl Work {
    /// What kept the transfer from being faster; `None` if nothing was transferred.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        if self.busy.is_zero() {
            None
        } else if self.idle > self.busy {
            Some(Limit::Network)
        } else if self.verify + self.decompress > self.write() {
            Some(Limit::Processor)
        } else {
            Some(Limit::Files)
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.workers += other.workers;
        self.idle += other.idle;
        self.busy += other.busy;
        self.verify += other.verify;
        self.decompress += other.decompress;
    }

    /// Reading entries and creating files.
    #[must_use]
    pub fn write(&self) -> Duration {
        self.busy.saturating_sub(self.verify + self.decompress)
    }
}

/// Takes the time of one stage after the other.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the last lap, or the start.
    pub(crate) fn lap(&mut self) -> Duration {
        let (before, now) = (self.0, Instant::now());
        self.0 = now;
        now - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_took_most() {
        let limit = |idle, busy, verify, decompress| {
            let [idle, busy, verify, decompress] =
                [idle, busy, verify, decompress].map(Duration::from_millis);
            Work {
                workers: 2,
                idle,
                busy,
                verify,
                decompress,
            }
            .limit()
        };
        assert_eq!(limit(9, 0, 0, 0), None);
        assert_eq!(limit(9, 8, 1, 6), Some(Limit::Network));
        assert_eq!(limit(8, 9, 2, 3), Some(Limit::Processor));
        assert_eq!(limit(8, 9, 1, 3), Some(Limit::Files));
    }

    #[test]
    fn work_of_several_threads_is_summed() {
        let one = Work {
            workers: 1,
            idle: Duration::from_secs(1),
            busy: Duration::from_secs(4),
            verify: Duration::from_secs(1),
            ..Work::default()
        };
        let mut all = one;
        all.add(&one);
        assert_eq!(
            (all.workers, all.idle, all.busy, all.write()),
            (
                2,
                Duration::from_secs(2),
                Duration::from_secs(8),
                Duration::from_secs(6)
            )
        );
    }
}
