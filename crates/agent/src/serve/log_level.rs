//! The log filter, changed while the agent runs.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// What sets the filter of the process; an error says what was expected.
pub type SetLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// The log filter and how to change it.
#[derive(Clone)]
pub struct LogLevel {
    current: Arc<Mutex<String>>,
    set: SetLevel,
}

impl LogLevel {
    /// The filter is `current` and `set` changes it, without waiting for anything.
    #[must_use]
    pub fn new(current: String, set: SetLevel) -> Self {
        Self { current: Arc::new(Mutex::new(current)), set }
    }

    pub(super) fn current(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, level: &str) -> Result<(), String> {
        // Held over the call, so that what is shown is what was set last.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (self.set)(level)?;
        level.clone_into(&mut current);
        Ok(())
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevel").field("current", &self.current()).finish_non_exhaustive()
    }
}
