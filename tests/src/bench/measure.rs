//! Running a program once and counting what it takes.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its directories itself, and has no failpoints"
)]

use super::{
    BenchError,
    contenders::{Contender, Role, Scene},
    floor::Figures,
    launch,
};
use serde::Serialize;
use std::{fs, io, path::Path};

/// What one run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sample {
    /// From start to end; of the floor, as it says itself, without reading its chunks.
    pub(super) wall_seconds: f64,
    /// Processor time, user and system, of the program and its children.
    pub(super) cpu_seconds: f64,
    /// Most memory that one process of it held, in bytes (`ru_maxrss` of `wait4(2)`).
    pub(super) peak_bytes: u64,
    /// Bytes from the server, with headers.
    pub(super) received_bytes: u64,
    /// Requests to the server.
    pub(super) requests: u64,
}

/// Runs the program on an empty place, and checks that it made the whole tree.
pub(super) fn run(contender: Contender, scene: &Scene<'_>) -> Result<Sample, BenchError> {
    let failed = |problem: String| BenchError::Contender {
        name: contender.name(),
        problem,
    };
    scene.place.clear()?;
    fs::create_dir(scene.place.path("work"))?;
    fs::create_dir(scene.tree())?;
    if let Some(before) = contender.before(scene) {
        launch::run(&before)
            .map_err(|problem| failed(format!("what runs before it: {problem}")))?;
    }
    scene.place.settle()?;
    scene.server.start_counting()?;
    if contender.is_on_one_core() {
        scene.server.keep_to(&format!("1-{}", scene.cores - 1));
    }
    let (taken, output) = launch::run(&contender.command(scene)).map_err(failed)?;
    if contender.is_on_one_core() {
        scene.server.keep_to(&format!("0-{}", scene.cores - 1));
    }
    let files = files(&fs::canonicalize(contender.top(scene))?)?;
    if files != scene.shop.files {
        return Err(failed(format!(
            "{files} files, expected {}",
            scene.shop.files
        )));
    }
    let counts = scene.server.counted()?;
    let mut sample = Sample {
        wall_seconds: taken.wall_seconds,
        cpu_seconds: taken.cpu_seconds,
        peak_bytes: taken.peak_bytes,
        received_bytes: if contender.downloads() {
            counts.bytes_sent
        } else {
            0
        },
        requests: counts.total(),
    };
    if contender.role() == Role::Floor {
        let figures: Figures =
            serde_json::from_str(&output).map_err(|error| failed(error.to_string()))?;
        sample.wall_seconds = figures.seconds;
        sample.cpu_seconds =
            figures.hash_cpu_seconds + figures.decompress_cpu_seconds + figures.create_cpu_seconds;
    }
    scene.place.clear()?;
    Ok(sample)
}

/// Regular files, without what Git keeps beside its own.
fn files(directory: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && entry.file_name() != ".git" {
            count += files(&entry.path())?;
        }
        count += u64::from(kind.is_file());
    }
    Ok(count)
}
