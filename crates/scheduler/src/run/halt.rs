//! The halt: a ConfigMap that exists, or does not.
//!
//! Every process reads it every two seconds, and does not watch it: a connection that is half open
//! looks like a halt that nobody asked for. A process that has not read it for [`FRESH`] moves no
//! shop and begins no migration, because nobody knows whether it may.

mod follow;

pub(super) use follow::follow;

use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long what was read counts. With the time that one request may take, a halt is obeyed within
/// 10 s, or no API server is there to write to.
const FRESH: Duration = Duration::from_secs(6);

/// Whether the halt is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HaltState {
    InForce,
    Lifted,
}

/// When the halt was last read, and what it was then.
#[derive(Debug, Clone, Default)]
pub(super) struct Halt(Arc<Mutex<Option<(Instant, HaltState)>>>);

impl Halt {
    /// Whether what is known of it still counts.
    pub(super) fn fresh(&self) -> bool {
        self.known().is_some()
    }

    /// Whether shops may be moved: it is not in force, and that is known.
    pub(super) fn lets(&self) -> bool {
        self.known() == Some(HaltState::Lifted)
    }

    fn known(&self) -> Option<HaltState> {
        let read = *self.0.lock();
        read.filter(|(at, _)| at.elapsed() < FRESH)
            .map(|(_, state)| state)
    }

    /// Notes what was read.
    pub(super) fn read(&self, at: Instant, state: HaltState) {
        *self.0.lock() = Some((at, state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_read_counts_for_six_seconds_and_nothing_counts_before() {
        let halt = Halt::default();
        assert!(!halt.fresh() && !halt.lets());
        halt.read(Instant::now(), HaltState::InForce);
        assert!(halt.fresh() && !halt.lets());
        halt.read(Instant::now(), HaltState::Lifted);
        assert!(halt.fresh() && halt.lets());
        tokio::time::advance(FRESH).await;
        assert!(!halt.fresh() && !halt.lets());
    }
}
