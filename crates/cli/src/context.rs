//! What every command gets: one time, one way to show results, one way to show progress.

use crate::{CommandError, Output, Progress};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// What every command gets.
#[derive(Debug)]
pub(crate) struct Context {
    /// How results are written.
    pub output: Output,
    /// Who watches.
    pub progress: Arc<Progress>,
    /// The one time of this run.
    pub now: Timestamp,
}

impl Context {
    /// The time that is `duration` after now.
    ///
    /// # Errors
    ///
    /// If that is beyond the calendar.
    pub(crate) fn after(&self, duration: SignedDuration) -> Result<Timestamp, CommandError> {
        self.now.checked_add(duration).map_err(|_| {
            CommandError::Usage(format!("{duration:#} after now is beyond the calendar"))
        })
    }

    /// The time that is `duration` before now.
    ///
    /// # Errors
    ///
    /// If that is beyond the calendar.
    pub(crate) fn before(&self, duration: SignedDuration) -> Result<Timestamp, CommandError> {
        self.now.checked_sub(duration).map_err(|_| {
            CommandError::Usage(format!("{duration:#} before now is beyond the calendar"))
        })
    }
}
