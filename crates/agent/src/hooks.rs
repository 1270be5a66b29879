//! An operator's programs before and after a switch.

use parking_lot::Mutex;
use release::{Sequence, Sha256};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    pin::pin,
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
/// How long what a hook wrote may take to come once it has ended.
const DRAIN: Duration = Duration::from_millis(500);
/// Bytes of a first line that names an interpreter: the kernel reads no more.
const SHEBANG: u64 = 256;
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
    #[error(
        "cannot start {}{}",
        program.display(),
        hint.as_ref().map_or_else(String::new, |hint| format!(": {hint}"))
    )]
    Start {
        /// The program.
        program: PathBuf,
        /// What is wrong with the file, if that can be seen.
        hint: Option<String>,
        /// What the kernel said.
        source: io::Error,
    },
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
    /// Runs it with four variables and `PATH`, nothing else of our environment, as it may hold
    /// credentials.
    ///
    /// If this future is dropped, the program and its children are killed.
    ///
    /// # Errors
    ///
    /// [`HookError`]; by then nothing of it runs any more.
    pub async fn run(&self, occasion: Occasion<'_>) -> Result<(), HookError> {
        let start = |source| HookError::Start {
            program: self.program.clone(),
            hint: hint(&self.program),
            source,
        };
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
            // A group of its own, so that what it started ends with it, also what it left in the
            // background.
            .process_group(0)
            .spawn()
            .map_err(start)?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (said, complained) = (Mutex::default(), Mutex::default());
        let mut read = pin!(async { tokio::join!(tail(stdout, &said), tail(stderr, &complained)) });
        let mut open = true;
        let work = async {
            loop {
                tokio::select! {
                    status = child.wait() => return status,
                    // Read all the while, as a pipe that is full stops who writes.
                    _ended = &mut read, if open => open = false,
                }
            }
        };
        let status = tokio::time::timeout(self.timeout, work).await;
        // With what it left in the background, which holds its output open.
        drop(group);
        if open {
            // Who left the group may hold it open for ever, and has nothing to say to us.
            drop(tokio::time::timeout(DRAIN, read).await);
        }
        let Ok(status) = status else {
            return Err(HookError::Overran {
                program: self.program.clone(),
                timeout: self.timeout,
            });
        };
        let (status, output) = (
            status.map_err(start)?,
            format!("{}{}", text(&said), text(&complained))
                .trim()
                .to_owned(),
        );
        info!(
            hook = occasion.when,
            program = %self.program.display(),
            %status,
            output,
            "hook ended"
        );
        if status.success() {
            Ok(())
        } else {
            Err(HookError::Failed {
                program: self.program.clone(),
                status,
                output,
            })
        }
    }
}

// Kills what is left of a group of processes.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // It fails if nothing is left, which is what is wanted.
        if let Some(group) = self.0 {
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// Reads to the end, and keeps the last bytes.
async fn tail(stream: Option<impl AsyncRead + Unpin>, kept: &Mutex<Vec<u8>>) {
    let (Some(mut stream), mut buffer) = (stream, [0; 1024]) else {
        return;
    };
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let mut kept = kept.lock();
        kept.extend_from_slice(&buffer[..length]);
        let over = kept.len().saturating_sub(OUTPUT_LIMIT);
        kept.drain(..over);
    }
}

fn text(kept: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&kept.lock()).into_owned()
}

/// What is wrong with a program that the kernel does not start, as it says of all of these "no such
/// file" or "permission denied".
fn hint(program: &Path) -> Option<String> {
    let found = program.metadata().ok()?;
    if !found.is_file() {
        return Some("it is no file".to_owned());
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o111 == 0 {
        return Some(format!(
            "its mode is {mode:04o}, and nobody may execute it; for a ConfigMap set defaultMode: \
             0755"
        ));
    }
    let mut head = Vec::new();
    File::open(program)
        .ok()?
        .take(SHEBANG)
        .read_to_end(&mut head)
        .ok()?;
    let Some(line) = head.strip_prefix(b"#!") else {
        return (!head.starts_with(b"\x7fELF"))
            .then(|| "it is a script without a first line such as #!/bin/sh".to_owned());
    };
    let line =
        String::from_utf8_lossy(line.split(|byte| *byte == b'\n').next().unwrap_or_default())
            .into_owned();
    if line.ends_with('\r') {
        return Some(
            "its lines end with CRLF, as an editor on Windows writes them, so that its \
             interpreter is not found; save it with LF"
                .to_owned(),
        );
    }
    let interpreter = line.split_whitespace().next().unwrap_or_default();
    (!Path::new(interpreter).exists()).then(|| {
        format!(
            "its interpreter {interpreter:?} is not there: the hook runs in the agent's own \
             container"
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;
    use std::{fs, time::Instant};

    async fn run(script: &str, timeout: Duration) -> Result<(), HookError> {
        run_file(&format!("#!/bin/sh\n{script}\n"), 0o755, timeout).await
    }

    async fn run_file(text: &str, mode: u32, timeout: Duration) -> Result<(), HookError> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("hook");
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        let tree = Path::new("/srv/shop/releases/0123456789abcdef");
        let occasion = Occasion {
            when: "before",
            sequence: Sequence::try_from(7_u64).unwrap(),
            manifest: Sha256::digest(b"m"),
            tree,
        };
        Hook { program, timeout }.run(occasion).await
    }

    #[tokio::test]
    async fn one_that_leaves_children_has_done_its_work_and_they_end_with_it() {
        for left in ["sleep 60 &", "setsid sleep 2 &"] {
            let start = Instant::now();
            run(left, Duration::from_secs(20)).await.unwrap();
            assert!(
                start.elapsed() < Duration::from_millis(1900),
                "{left}: {:?}",
                start.elapsed()
            );
        }
        run("head -c 3000000 /dev/zero", Duration::from_secs(20))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn one_that_cannot_be_started_says_what_is_wrong_with_the_file() {
        for (text, mode, words) in [
            ("#!/bin/sh\nexit 0\n", 0o644, "mode is 0644"),
            ("#!/bin/sh\r\nexit 0\r\n", 0o755, "CRLF"),
            ("exit 0\n", 0o755, "without a first line such as #!/bin/sh"),
            (
                "#!/opt/none/bash\nexit 0\n",
                0o755,
                "its interpreter \"/opt/none/bash\" is not there",
            ),
        ] {
            let error = run_file(text, mode, Duration::from_secs(10))
                .await
                .unwrap_err();
            assert!(
                matches!(&error, HookError::Start { .. }) && error.to_string().contains(words),
                "{error}"
            );
        }
        assert_eq!(hint(Path::new("/")).as_deref(), Some("it is no file"));
        assert_eq!(hint(Path::new("/nowhere")), None);
    }

    #[tokio::test]
    async fn it_knows_the_switch_and_nothing_of_our_environment() {
        let checks = r#"test "$LONGSHORE_HOOK $LONGSHORE_SEQUENCE" = "before 7" && test -n "$LONGSHORE_MANIFEST" && test -z "$HOME$CARGO""#;
        run(checks, Duration::from_secs(10)).await.unwrap();
    }

    #[tokio::test]
    async fn a_failure_has_its_status_and_last_words() {
        let error = run(
            "seq 1 5000; echo the database is locked >&2; exit 3",
            Duration::from_secs(10),
        )
        .await
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("exit status: 3")
                && error.ends_with("the database is locked")
                && error.len() < 9000,
            "{error}"
        );
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_its_children() {
        let start = Instant::now();
        let error = run("sleep 60 & sleep 60", Duration::from_millis(200))
            .await
            .unwrap_err();
        assert!(
            matches!(error, HookError::Overran { .. }) && start.elapsed() < Duration::from_secs(10),
            "{error}"
        );
    }
}
