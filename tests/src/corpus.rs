//! Real PHP sources: Debian's PHP applications and libraries as the modules of one shop.

use crate::interrupt::{Interrupt, Interrupted};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io,
    path::Path,
    process::{Command, ExitStatus},
    thread,
    time::Duration,
};

/// What makes the shop; it keeps what it downloaded.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/corpus");
/// The module in which demo and benchmarks play a developer's change: a thousand files of one
/// library.
pub const CHANGED: &str = "symfony";

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// 30 modules, 25,000 files.
    Shop,
    /// `MediaWiki`'s parts besides: 36 modules, 48,000 files.
    More,
}

/// Why there are no sources.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The script cannot be run.
    #[error("cannot run {SCRIPT}")]
    Script(#[from] io::Error),
    /// It said on standard error why it failed.
    #[error("{SCRIPT} ended with {0}")]
    Failed(ExitStatus),
    /// Somebody asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Fills the empty directory with a shop: `longshore.toml`, and one directory for each module below
/// `src`.
///
/// The first call downloads about 90 MB of packages (Debian 12; 37 MB more for [`Extent::More`])
/// and takes half a minute; later ones only unpack.
///
/// # Errors
///
/// The packages are not to be had, the disk refuses, or somebody asked to stop.
pub fn fill(directory: &Path, extent: Extent, interrupt: &Interrupt) -> Result<(), CorpusError> {
    let mut script = Command::new(SCRIPT);
    script
        .arg(directory)
        .args((extent == Extent::More).then_some("more"));
    let mut script = script.spawn()?;
    loop {
        if let Some(status) = script.try_wait()? {
            interrupt.check()?;
            return if status.success() {
                Ok(())
            } else {
                Err(CorpusError::Failed(status))
            };
        }
        if let Err(interrupted) = interrupt.check() {
            // Not SIGKILL: the script has a directory of its own to remove.
            if let Some(pid) = i32::try_from(script.id()).ok().and_then(Pid::from_raw) {
                kill_process(pid, Signal::TERM).map_err(io::Error::from)?;
            }
            script.wait()?;
            return Err(interrupted.into());
        }
        thread::sleep(Duration::from_millis(10));
    }
}
