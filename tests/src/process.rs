//! Running our binaries, and other programs, with a clean environment and a deadline.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness itself is started by cargo, and reads PATH only to hand it on"
)]

use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, Read, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a program may run where a test does not say.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// How often a program is asked whether it has ended.
const POLL: Duration = Duration::from_millis(2);

/// The binary `name` of this workspace, from the same profile as the running test.
///
/// # Panics
///
/// It is not built: `cargo build` must come first, since cargo builds only the binaries of the
/// tested package.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    let directory = test
        .ancestors()
        .skip(1)
        .find(|directory| !directory.ends_with("deps"))
        .unwrap_or(Path::new("."));
    let path = directory.join(name);
    assert!(
        path.is_file(),
        "{} is not built; run `cargo build --bin {name}` with this profile",
        path.display()
    );
    path
}

/// A program and what it is started with; its environment has PATH, and else only what is given.
#[derive(Debug)]
pub struct Program {
    command: Command,
    deadline: Duration,
    input: Vec<u8>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It did not end in time and was killed.
    Deadline,
}

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// What it wrote; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote to the other stream.
    pub stderr: String,
    /// From start to end.
    pub elapsed: Duration,
}

impl Outcome {
    /// The exit code, where it ended by itself.
    #[must_use]
    pub const fn code(&self) -> Option<i32> {
        match self.ended {
            Ended::Code(code) => Some(code),
            Ended::Signal(_) | Ended::Deadline => None,
        }
    }

    /// Itself, when the program ended with this code.
    ///
    /// # Panics
    ///
    /// It did not; the message has all that it wrote.
    #[allow(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "often called for the check alone"
    )]
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(
            self.ended == Ended::Code(code),
            "expected code {code}, got {self:#?}"
        );
        self
    }
}

impl Program {
    /// The program at `path`.
    #[must_use]
    pub fn new(path: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(path);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default());
        Self {
            command,
            deadline: DEADLINE,
            input: Vec::new(),
        }
    }

    /// The binary `name` of this workspace.
    #[must_use]
    pub fn ours(name: &str) -> Self {
        Self::new(binary(name))
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn envs(
        mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Starts it in this directory.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What it reads from standard input; nothing by default.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// When it is killed, counted from its start; [`DEADLINE`] by default.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The command line, for messages.
    #[must_use]
    pub fn line(&self) -> String {
        let words: Vec<OsString> = std::iter::once(self.command.get_program())
            .chain(self.command.get_args())
            .map(OsString::from)
            .collect();
        words.join(OsStr::new(" ")).to_string_lossy().into_owned()
    }

    /// Runs it to its end or to its deadline.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    #[must_use]
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.start().wait()
    }

    /// Starts it, in a process group of its own.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    #[must_use]
    #[track_caller]
    pub fn start(mut self) -> Running {
        let streams = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let begin = Instant::now();
        let mut child = streams
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.line()));
        if let Some(mut stdin) = child.stdin.take() {
            let input = self.input;
            // A program that ends without reading all of its input is no mistake of ours.
            thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let (stdout, stderr) = (
            Output::of(child.stdout.take()),
            Output::of(child.stderr.take()),
        );
        Running {
            child,
            begin,
            deadline: self.deadline,
            stdout,
            stderr,
            over: false,
        }
    }
}

/// A program that runs; it and its children are killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    begin: Instant,
    deadline: Duration,
    stdout: Output,
    stderr: Output,
    over: bool,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to it and its children.
    ///
    /// # Errors
    ///
    /// It has ended already.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let group = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(kill_process_group(group, signal)?)
    }

    /// Waits for its end, and kills it at its deadline.
    #[must_use]
    pub fn wait(mut self) -> Outcome {
        let left = self.deadline.saturating_sub(self.begin.elapsed());
        match self.ended_within(left) {
            Some(status) => self.outcome(ended(status)),
            None => self.kill(Ended::Deadline),
        }
    }

    /// Kills it with SIGKILL `after` its start, unless it ends before.
    #[must_use]
    pub fn kill_after(mut self, after: Duration) -> Outcome {
        let left = after.saturating_sub(self.begin.elapsed());
        match self.ended_within(left) {
            Some(status) => self.outcome(ended(status)),
            None => self.kill(Ended::Signal(Signal::KILL.as_raw())),
        }
    }

    /// The first line that it writes to standard output, once it is there; a server says so where
    /// it listens.
    ///
    /// # Panics
    ///
    /// It ended, or its deadline passed, before it wrote a line.
    #[must_use]
    #[track_caller]
    pub fn first_line(&mut self) -> String {
        loop {
            let runs = self.is_running() && self.begin.elapsed() < self.deadline;
            if let Some((line, _)) = self.stdout.text().split_once('\n') {
                return line.to_owned();
            }
            assert!(
                runs,
                "no line on standard output; standard error has {:?}",
                self.stderr.text()
            );
            thread::sleep(POLL);
        }
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn written(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn complained(&self) -> String {
        self.stderr.text()
    }

    /// What it has written to standard output after its first `bytes`.
    #[must_use]
    pub fn written_after(&self, bytes: usize) -> String {
        let written = self
            .stdout
            .bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(written.get(bytes..).unwrap_or_default()).into_owned()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    fn ended_within(&mut self, span: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + span;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            thread::sleep(POLL.min(left));
        }
    }

    fn kill(mut self, ended: Ended) -> Outcome {
        self.end();
        self.outcome(ended)
    }

    /// Kills the whole group, so that no grandchild holds our pipes, and reaps the child.
    fn end(&mut self) {
        drop(self.signal(Signal::KILL));
        drop(self.child.wait());
        self.over = true;
    }

    fn outcome(mut self, ended: Ended) -> Outcome {
        let elapsed = self.begin.elapsed();
        if !self.over {
            self.end();
        }
        Outcome {
            ended,
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            elapsed,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over {
            self.end();
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Deadline,
    }
}

/// What a stream gives, collected by a thread so that the program never waits for us.
#[derive(Debug)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = stream.map(|mut stream| {
            thread::spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    shared
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend_from_slice(&buffer[..count]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }

    /// All of it, once the stream is closed.
    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        self.text()
    }
}
