//! Visitors that ask one after another, and what came of it.

use crate::process::{Outcome, Running};

/// h2load, while it runs.
#[derive(Debug)]
pub struct Load(Running);

/// What h2load counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Those that ended.
    pub all: u64,
    /// Those of them that were not answered with 2xx.
    pub failed: u64,
    /// Those of the failed that met the end of their connection. A browser asks again on another
    /// one (RFC 9113, 6.8); h2load does not.
    pub ended: u64,
}

impl Load {
    /// One that was started.
    #[must_use]
    pub const fn new(running: Running) -> Self {
        Self(running)
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// It does not say what came of its requests, or made none.
    #[must_use]
    #[track_caller]
    pub fn requests(self) -> Requests {
        let outcome = self.0.wait();
        let [failed, ended, good] = [" failed", " errored", " 2xx"].map(|it| figure(&outcome, it));
        let bad = [" 3xx", " 4xx", " 5xx"].map(|it| figure(&outcome, it));
        // What failed for its status may be counted as failed, too.
        let failed = failed.max(bad.iter().sum::<u64>() + ended);
        assert!(good > 0, "{outcome:#?}");
        let all = good + failed;
        Requests { all, failed, ended }
    }

    /// Every request was answered as it should be.
    ///
    /// # Panics
    ///
    /// One was not.
    #[track_caller]
    pub fn whole(self) {
        let requests = self.requests();
        assert_eq!(requests.failed, 0, "{requests:?}");
    }

    /// However they were answered.
    pub fn end(self) {
        drop(self.0.wait());
    }
}

/// The number before a word.
#[track_caller]
fn figure(outcome: &Outcome, word: &str) -> u64 {
    let before = outcome.stdout.split(word).next();
    let digits = before.and_then(|before| before.rsplit(|it: char| !it.is_ascii_digit()).next());
    let number = digits.and_then(|digits| digits.parse().ok());
    number.unwrap_or_else(|| panic!("{word}: {outcome:#?}"))
}
