//! Where figures were taken: what decides them, and nothing that names the machine or its owner.

use crate::process::Program;
use serde::Serialize;
use std::{fs, thread};

/// The machine, as far as figures depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Machine {
    /// As the processor names itself.
    pub(super) processor: String,
    pub(super) cores: usize,
    /// Whether it computes SHA-256 itself.
    sha: bool,
    /// In bytes.
    memory: u64,
    /// Linux's version.
    kernel: String,
    /// The commit that was measured, with a mark where the tree has more than it.
    pub(super) commit: String,
}

impl Machine {
    pub(super) fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_default();
            line.split_once(':')
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let kibibytes: u64 = field(&memory, "MemTotal")
            .trim_end_matches(" kB")
            .parse()
            .unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease");
        Self {
            processor: field(&processor, "model name"),
            cores: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            sha: field(&processor, "flags")
                .split(' ')
                .any(|flag| flag == "sha_ni"),
            memory: kibibytes * 1024,
            // What stands after the version is whose build it is.
            kernel: release
                .trim()
                .split(['-', '+'])
                .next()
                .unwrap_or_default()
                .to_owned(),
            commit: commit(),
        }
    }

    pub(super) fn sentence(&self) -> String {
        let sha = if self.sha { "with" } else { "without" };
        let Self {
            processor,
            cores,
            memory,
            kernel,
            commit,
            ..
        } = self;
        format!(
            "{processor}, {cores} cores, {sha} SHA instructions, {} of memory, Linux {kernel}. \
             Commit {commit}.",
            crate::figures::bytes(*memory)
        )
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        Program::new("git")
            .directory(env!("CARGO_MANIFEST_DIR"))
            .args(arguments)
            .run()
            .stdout
            .trim()
            .to_owned()
    };
    // The page that the figures go into is no part of what is measured.
    let dirty = if git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        ":/",
        ":!/docs",
    ])
    .is_empty()
    {
        ""
    } else {
        " with changes"
    };
    format!("{}{dirty}", git(&["rev-parse", "--short", "HEAD"]))
}
