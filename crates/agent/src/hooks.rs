//! An operator's programs before and after a switch.

use release::{Sequence, Sha256};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};
use tracing::info;

/// What of a hook's output is kept for the log, in bytes: its end, as errors come last.
const OUTPUT_LIMIT: usize = 4096;
/// Where hooks look for programs: as in Debian, without anybody's additions.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program and how long it may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its path.
    pub program: PathBuf,
    /// It is killed after this.
    pub timeout: Duration,
}

/// The switch that a hook is told of.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// `before` or `after`.
    pub when: &'static str,
    /// The sequence that becomes or became active.
    pub sequence: Sequence,
    /// Its manifest.
    pub manifest: Sha256,
    /// Its tree.
    pub tree: &'a Path,
}

/// Why a hook did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The program cannot be started.
    #[error("cannot start {}", .0.display())]
    Start(PathBuf, #[source] io::Error),
    /// It said no.
    #[error("{} ended with {status}: {output}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// It was killed.
    #[error("{} was killed after {timeout:?}", program.display())]
    Overran {
        /// The program.
        program: PathBuf,
        /// How long it had.
        timeout: Duration,
    },
}

impl Hook {
    /// Runs it with four variables and `PATH`, nothing else of our environment, as it may hold credentials.
    ///
    /// Where this future is dropped, the program and its children are killed.
    ///
    /// # Errors
    ///
    /// [`HookError`]; by then nothing of it runs any more.
    pub async fn run(&self, occasion: Occasion<'_>) -> Result<(), HookError> {
        let start = |error| HookError::Start(self.program.clone(), error);
        let mut child = Command::new(&self.program)
            .env_clear()
            .env("PATH", PATH)
            .env("LONGSHORE_HOOK", occasion.when)
            .env("LONGSHORE_SEQUENCE", occasion.sequence.to_string())
            .env("LONGSHORE_MANIFEST", occasion.manifest.to_string())
            .env("LONGSHORE_TREE", occasion.tree)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that what it started ends with it.
            .process_group(0)
            .spawn()
            .map_err(start)?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async { tokio::join!(child.wait(), tail(stdout), tail(stderr)) };
        let ended = tokio::time::timeout(self.timeout, work).await;
        drop(group);
        let Ok((status, stdout, stderr)) = ended else {
            return Err(HookError::Overran { program: self.program.clone(), timeout: self.timeout });
        };
        let (status, output) = (status.map_err(start)?, format!("{stdout}{stderr}").trim().to_owned());
        info!(hook = occasion.when, program = %self.program.display(), %status, output, "hook ended");
        if status.success() { Ok(()) } else { Err(HookError::Failed { program: self.program.clone(), status, output }) }
    }
}

// Kills what is left of a group of processes.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // It fails where nothing is left, which is what is wanted.
        if let Some(group) = self.0 {
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// Reads to the end, and gives the last bytes as text.
async fn tail(stream: Option<impl AsyncRead + Unpin>) -> String {
    let (Some(mut stream), mut kept, mut buffer) = (stream, Vec::new(), [0; 1024]) else { return String::new() };
    while let Ok(1..) = stream.read(&mut buffer).await.inspect(|&length| {
        kept.extend_from_slice(&buffer[..length]);
        let over = kept.len().saturating_sub(OUTPUT_LIMIT);
        kept.drain(..over);
    }) {}
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test prepares what is on the disk")]

    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Instant};

    async fn run(script: &str, timeout: Duration) -> Result<(), HookError> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("hook");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let tree = Path::new("/srv/shop/releases/0123456789abcdef");
        let occasion = Occasion { when: "before", sequence: Sequence::try_from(7_u64).unwrap(), manifest: Sha256::of(b"m"), tree };
        Hook { program, timeout }.run(occasion).await
    }

    #[tokio::test]
    async fn it_knows_the_switch_and_nothing_of_our_environment() {
        let checks = r#"test "$LONGSHORE_HOOK $LONGSHORE_SEQUENCE" = "before 7" && test -n "$LONGSHORE_MANIFEST" && test -z "$HOME$CARGO""#;
        run(checks, Duration::from_secs(10)).await.unwrap();
    }

    #[tokio::test]
    async fn a_failure_has_its_status_and_last_words() {
        let error = run("seq 1 5000; echo the database is locked >&2; exit 3", Duration::from_secs(10)).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("the database is locked") && error.len() < 9000, "{error}");
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_its_children() {
        let start = Instant::now();
        let error = run("sleep 60 & sleep 60", Duration::from_millis(200)).await.unwrap_err();
        assert!(matches!(error, HookError::Overran { .. }) && start.elapsed() < Duration::from_secs(10), "{error}");
    }
}
