//! How much of a shop's logs a pod passes on. Pure.

use std::time::{Duration, Instant};

/// What is passed on in a minute.
const LINES: u32 = 3000;
const BYTES: u64 = 4 << 20;
const MINUTE: Duration = Duration::from_mins(1);

/// What is left of a minute, and what was dropped in it.
#[derive(Debug)]
pub(super) struct Budget {
    began: Instant,
    lines: u32,
    bytes: u64,
    dropped: u64,
}

impl Budget {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            began: now,
            lines: LINES,
            bytes: BYTES,
            dropped: 0,
        }
    }

    /// Begins the next minute where this one is over, and says how many bytes were dropped in it,
    /// where any were.
    pub(super) fn turn(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.began) < MINUTE {
            return None;
        }
        let dropped = self.untold();
        *self = Self::new(now);
        dropped
    }

    /// How many bytes were dropped so far in this minute, if any were.
    pub(super) fn untold(&self) -> Option<u64> {
        (self.dropped > 0).then_some(self.dropped)
    }

    /// Whether anything more is passed on in this minute.
    pub(super) const fn is_open(&self) -> bool {
        self.lines > 0 && self.bytes > 0
    }

    /// Whether a text of `bytes` is passed on; else it counts as dropped.
    pub(super) const fn admits(&mut self, bytes: u64) -> bool {
        if self.lines == 0 || self.bytes < bytes {
            // Nothing smaller after it either: what is left out is one piece.
            self.lines = 0;
            self.dropped = self.dropped.saturating_add(bytes);
            return false;
        }
        self.lines -= 1;
        self.bytes -= bytes;
        true
    }

    /// Counts bytes that nobody read.
    pub(super) const fn dropped(&mut self, bytes: u64) {
        self.dropped = self.dropped.saturating_add(bytes);
    }

    /// When there is something to tell although nothing is written any more.
    pub(super) fn due(&self) -> Option<Instant> {
        self.untold().map(|_| self.began + MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_its_lines_and_its_bytes() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert!((0..LINES).all(|_| budget.admits(1)) && budget.due().is_none());
        assert!(!budget.admits(7) && !budget.is_open());
        budget.dropped(3);
        assert_eq!(
            (budget.turn(start + MINUTE / 2), budget.due()),
            (None, Some(start + MINUTE))
        );
        assert_eq!(
            (budget.turn(start + MINUTE), budget.turn(start + MINUTE)),
            (Some(10), None)
        );
        assert!(budget.is_open() && budget.admits(BYTES));
        assert!(!budget.is_open() && !budget.admits(1));
    }

    #[test]
    fn nothing_follows_what_was_too_much() {
        let mut budget = Budget::new(Instant::now());
        assert!(!budget.admits(BYTES + 1) && !budget.admits(1));
    }
}
