//! Running a program once and counting what it takes.

#![allow(clippy::disallowed_methods, reason = "the harness makes its directories itself, and has no failpoints")]

use super::{BenchError, contenders::Contender, shops::Served};
use serde::Serialize;
use std::{
    fs, io,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use wait4::Wait4 as _;

/// What one run took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Sample {
    /// From start to end.
    #[serde(rename = "wallSeconds", serialize_with = "seconds")]
    pub(super) wall: Duration,
    /// Processor time, user and system, of the program and its children.
    #[serde(rename = "cpuSeconds", serialize_with = "seconds")]
    pub(super) cpu: Duration,
    /// Most memory that one process of it held, in bytes (`ru_maxrss` of `wait4(2)`).
    #[serde(rename = "peakBytes")]
    pub(super) peak: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn seconds<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

/// Runs the program on empty directories, and checks that it made the whole tree.
pub(super) fn run(contender: &Contender, served: &Served) -> Result<Sample, BenchError> {
    let failed = |problem: String| BenchError::Contender { name: contender.name, problem };
    let directories = [served.tree(), served.shop.path("work")];
    for directory in &directories {
        fs::create_dir_all(directory)?;
    }
    let begin = Instant::now();
    let child = contender.command(served).stdin(Stdio::null()).spawn()?;
    let used = child.wait4()?;
    let wall = begin.elapsed();
    if !used.status.success() {
        return Err(failed(used.status.to_string()));
    }
    let files = files(&fs::canonicalize(&contender.top)?)?;
    if files != served.files {
        return Err(failed(format!("{files} files, expected {}", served.files)));
    }
    for directory in &directories {
        fs::remove_dir_all(directory)?;
    }
    Ok(Sample { wall, cpu: used.rusage.utime + used.rusage.stime, peak: used.rusage.maxrss })
}

fn files(directory: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        count += if kind.is_dir() { files(&entry.path())? } else { u64::from(kind.is_file()) };
    }
    Ok(count)
}
