//! Until when everything that is asked of a store must be done.

use crate::Options;
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// A time limit for a piece of work, which begins anew with the next one.
#[derive(Debug)]
pub(crate) struct Deadline {
    limit: Duration,
    until: Mutex<Instant>,
}

impl Deadline {
    /// The first piece of work begins now.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            limit: options.deadline,
            until: Mutex::new(Instant::now() + options.deadline),
        }
    }

    /// The next piece of work begins now.
    pub(crate) fn begin(&self) {
        *self.until.lock() = Instant::now() + self.limit;
    }

    pub(crate) fn until(&self) -> Instant {
        *self.until.lock()
    }

    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }
}
