//! Running our binaries, and other programs, with a clean environment and a deadline.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness itself is started by cargo, and reads PATH only to hand it on"
)]

mod running;

pub use running::Running;

use std::{
    env,
    ffi::{OsStr, OsString},
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a program may run where a test does not say.
pub const DEADLINE: Duration = Duration::from_mins(1);

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
        Running::new(child, begin, self.deadline)
    }
}
