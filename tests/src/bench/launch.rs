//! A small process between the benchmark and the program that it measures.
//!
//! Linux counts the memory that a process has before it runs another program into what that program
//! held at most (`setmax_mm_hiwater_rss` in `fs/exec.c`), so a child of the benchmark itself seems
//! to need what the benchmark needed. A launcher has next to nothing.

use super::BenchError;
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    process::{Command, Stdio},
    time::Instant,
};
use wait4::Wait4 as _;

/// What a program took, which the launcher writes as the last line of its output.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Taken {
    /// From start to end.
    pub(super) wall_seconds: f64,
    /// Processor time, user and system, of the program and its children.
    pub(super) cpu_seconds: f64,
    /// Most memory that one process of it held, in bytes (`ru_maxrss` of `wait4(2)`).
    pub(super) peak_bytes: u64,
}

/// Runs a program and writes what it took behind its own output.
///
/// # Errors
///
/// The program cannot be started, or fails.
pub fn launch(program: &[OsString]) -> Result<(), BenchError> {
    let (name, arguments) = program
        .split_first()
        .ok_or_else(|| io::Error::other("no program to launch"))?;
    let begin = Instant::now();
    let used = Command::new(name).args(arguments).spawn()?.wait4()?;
    let wall_seconds = begin.elapsed().as_secs_f64();
    if !used.status.success() {
        return Err(
            io::Error::other(format!("{} ended with {}", name.display(), used.status)).into(),
        );
    }
    let cpu_seconds = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    let taken = Taken {
        wall_seconds,
        cpu_seconds,
        peak_bytes: used.rusage.maxrss,
    };
    Ok(writeln!(
        io::stdout(),
        "\n{}",
        serde_json::to_string(&taken).map_err(io::Error::from)?
    )?)
}

/// Runs the program through a launcher to its end; gives what it took and wrote.
pub(super) fn run(program: &Command) -> Result<(Taken, String), String> {
    let launcher = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(launcher);
    // As the program is to be started: with what is listed here, and nothing of ours.
    command
        .env_clear()
        .arg("--launch")
        .arg(program.get_program())
        .args(program.get_args());
    command.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    if let Some(directory) = program.get_current_dir() {
        command.current_dir(directory);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut output = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout
            .read_to_string(&mut output)
            .map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{} failed", program.get_program().display()));
    }
    let (output, taken) = output
        .trim_end()
        .rsplit_once('\n')
        .ok_or("it wrote nothing of what it took")?;
    let taken = serde_json::from_str(taken).map_err(|error| error.to_string())?;
    Ok((taken, output.to_owned()))
}
