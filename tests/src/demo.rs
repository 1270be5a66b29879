//! The main job on real PHP sources, told step by step: publish, pull, change, roll back, and what
//! an attacker meets.

mod stage;
mod story;

use crate::{
    corpus::CorpusError,
    interrupt::{Interrupt, Interrupted},
};
use std::{
    io::{self, Write as _},
    time::Instant,
};

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There are no sources.
    #[error("no PHP sources")]
    Corpus(#[from] CorpusError),
    /// A program did not do what the story tells.
    #[error("{line}\nended with {ended}, expected {expected}; it said:\n{said}")]
    Program {
        /// Its command line.
        line: String,
        /// How it ended.
        ended: String,
        /// How it should have.
        expected: String,
        /// What it wrote.
        said: String,
    },
    /// What was done is not what should have been.
    #[error("{0}")]
    Result(String),
    /// The scratch directory, the server or the screen.
    #[error("cannot go on")]
    Io(#[from] io::Error),
    /// Somebody asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Plays the story on standard output; everything that it made is gone when it returns.
///
/// # Errors
///
/// Something did not go as told; the error has what the program in question wrote.
pub fn play() -> Result<(), DemoError> {
    let begin = Instant::now();
    let table = {
        let mut stage = stage::Stage::set(Interrupt::listen()?)?;
        story::tell(&mut stage)?;
        stage.table()
    };
    writeln!(
        io::stdout(),
        "\n{table}\n\n{:.0} s in all. Server, keys, sources and pods are removed.",
        begin.elapsed().as_secs_f64()
    )?;
    Ok(())
}
