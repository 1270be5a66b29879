//! `longshore-agent` of one pod, asked over HTTP how it is; and a mount namespace for pods that
//! mount.

use crate::{
    process::{Outcome, Program, Running, binary},
    web::{self, Page},
};
use runtime::fixtures::free_port;
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long an agent may run: longer than any test.
const LIFE: Duration = Duration::from_mins(20);
/// How long a state may take to come where a test does not say.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the end may take: the grace period is 25 s, and nothing here needs as long.
const END: Duration = Duration::from_secs(12);
/// How often the agent is asked.
const PAUSE: Duration = Duration::from_millis(20);

/// An agent that runs, or ran and may run again, at one port of loopback.
#[derive(Debug)]
pub struct Agent {
    port: u16,
    running: Option<Running>,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            port: free_port(),
            running: None,
        }
    }
}

impl Agent {
    /// Starts it; `program` is `longshore-agent` in its environment.
    pub fn start(&mut self, program: Program) {
        let listen = format!("127.0.0.1:{}", self.port);
        self.running = Some(
            program
                .env("LONGSHORE_LISTEN", listen)
                .deadline(LIFE)
                .start(),
        );
    }

    /// Its process.
    ///
    /// # Panics
    ///
    /// It does not run.
    #[must_use]
    pub fn process(&self) -> &Running {
        self.running.as_ref().expect("the agent was started")
    }

    /// Whether it was started, and nobody has waited for its end yet.
    #[must_use]
    pub const fn has_started(&self) -> bool {
        self.running.is_some()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(Running::is_running)
    }

    /// One of its pages.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn get(&self, path: &str) -> io::Result<Page> {
        web::get(self.port, path)
    }

    /// What `/status` says, where it answers.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.get("/status").ok()?.body).ok()
    }

    /// Waits for a status of which `is_so` is true.
    ///
    /// # Panics
    ///
    /// It does not come.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.within(PATIENCE, what, is_so)
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The same within `limit`.
    ///
    /// # Errors
    ///
    /// It does not come; with the last status.
    pub fn within(
        &self,
        limit: Duration,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let start = Instant::now();
        loop {
            let status = self.status();
            match status {
                Some(status) if is_so(&status) => return Ok(status),
                _ if start.elapsed() < limit => thread::sleep(PAUSE),
                status => return Err(format!("{what}: not within {limit:?}: {status:#?}")),
            }
        }
    }

    /// Kills it with SIGKILL, and gives what it wrote.
    ///
    /// # Panics
    ///
    /// It does not run.
    pub fn kill(&mut self) -> Outcome {
        self.running
            .take()
            .expect("the agent was started")
            .kill_after(Duration::ZERO)
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    ///
    /// It does not run.
    pub fn wait(&mut self) -> Outcome {
        self.running.take().expect("the agent was started").wait()
    }

    /// Asks it to end as the kubelet does, which it must do with code 0 and soon.
    ///
    /// # Panics
    ///
    /// It does not.
    #[track_caller]
    #[allow(
        clippy::must_use_candidate,
        reason = "often called for the check alone"
    )]
    pub fn end(&mut self) -> Outcome {
        let start = Instant::now();
        self.process().signal(Signal::TERM).expect("the agent runs");
        let outcome = self.wait().expect(0);
        assert!(
            start.elapsed() < END,
            "it ended after {:?}: {}",
            start.elapsed(),
            outcome.stderr
        );
        outcome
    }
}

/// Whether a status says that the shop runs this sequence for good, and that nothing is going on.
pub fn runs(sequence: u64) -> impl Fn(&Value) -> bool {
    move |status| {
        status["running"]["sequence"] == sequence
            && status["running"]["onTrial"] == false
            && status["phase"] == "idle"
    }
}

/// A mount namespace of its own, as the containers of a pod that see each other's mounts have
/// together. Needs root.
#[derive(Debug)]
pub struct Namespace {
    // Keeps the namespace while nobody else is in it.
    holder: Running,
}

impl Namespace {
    /// A copy of ours, from which no mount comes back.
    ///
    /// # Panics
    ///
    /// We are not root.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it starts a program")]
    pub fn new() -> Self {
        let words = [
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            "echo here; exec sleep 1200",
        ];
        let mut holder = Program::new("unshare").args(words).deadline(LIFE).start();
        assert_eq!(holder.first_line(), "here", "a mount namespace needs root");
        Self { holder }
    }

    /// A program in it: nsenter becomes it, so that signals and its number are those of the
    /// program.
    #[must_use]
    pub fn program(&self, path: &Path) -> Program {
        Program::new("nsenter")
            .args(["--target", &self.holder.pid().to_string(), "--mount"])
            .arg(path)
    }

    /// One of our binaries in it.
    #[must_use]
    pub fn ours(&self, name: &str) -> Program {
        self.program(&binary(name))
    }

    /// Shows a directory at `/opt/longshore`, where images have our binaries and what these need.
    ///
    /// # Panics
    ///
    /// It cannot be mounted.
    #[track_caller]
    pub fn install(&self, directory: &Path) {
        let script = "mount -t tmpfs tmpfs /opt && mkdir /opt/longshore && mount --bind \"$0\" \
                      /opt/longshore";
        drop(
            self.program(Path::new("sh"))
                .args(["-c", script])
                .arg(directory)
                .run()
                .expect(0),
        );
    }

    /// The lines of its table of mounts whose mount point is `point`.
    ///
    /// # Panics
    ///
    /// The namespace has ended.
    #[must_use]
    pub fn mounts_at(&self, point: &Path) -> Vec<String> {
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", self.holder.pid()))
            .expect("the namespace is held");
        let point = point.to_str();
        table
            .lines()
            .filter(|line| line.split(' ').nth(4) == point)
            .map(str::to_owned)
            .collect()
    }
}
