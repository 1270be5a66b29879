//! Where results go: one value on standard output, as text for a person or as JSON for a machine.

use crate::CommandError;
use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, Write},
};

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Output {
    /// For a person.
    #[default]
    Text,
    /// One JSON value; progress on standard error is JSON lines then.
    Json,
}

impl Output {
    /// Writes `result` to standard output.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written. A reader that went away (`| head`) is not an error.
    pub(crate) fn show<T: Serialize + Display>(self, result: &T) -> Result<(), CommandError> {
        let text = match self {
            Self::Text => result.to_string(),
            Self::Json => serde_json::to_string_pretty(result)
                .map_err(|error| CommandError::Output(error.into()))?,
        };
        write_out(format!("{}\n", text.trim_end()).as_bytes())
    }
}

/// Writes raw bytes to standard output.
///
/// # Errors
///
/// As [`Output::show`].
pub(crate) fn write_out(bytes: &[u8]) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(CommandError::Output),
    }
}
