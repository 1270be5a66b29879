//! What the loops read of a program's end and of a disk, and what they make.

use crate::{process::Outcome, shop::CHANNEL};
use release::Sequence;
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// The failpoints in a trace file, which is removed.
pub(in crate::faults) fn passed(trace: &Path) -> Vec<String> {
    let names = fs::read_to_string(trace)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    if trace.exists() {
        fs::remove_file(trace).expect("a scratch directory is writable");
    }
    names
}

/// The reason in the last line of a failed init.
#[must_use]
pub(in crate::faults) fn reason(outcome: &Outcome) -> String {
    let line: Value =
        serde_json::from_str(outcome.stderr.lines().last().unwrap_or_default()).unwrap_or_default();
    line["reason"].as_str().unwrap_or_default().to_owned()
}

/// The outcome has this code and this reason.
///
/// # Errors
///
/// Says what it has instead.
pub(in crate::faults) fn ended(outcome: &Outcome, code: i32, expected: &str) -> Result<(), String> {
    if outcome.code() == Some(code) && reason(outcome) == expected {
        return Ok(());
    }
    Err(format!(
        "expected code {code} and reason {expected}, got {:?}: {}",
        outcome.ended,
        last_line(outcome)
    ))
}

/// The last line on standard error.
#[must_use]
pub(in crate::faults) fn last_line(outcome: &Outcome) -> String {
    outcome.stderr.lines().last().unwrap_or_default().to_owned()
}

/// The names in a directory; none if it is not there.
#[must_use]
pub(in crate::faults) fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Bytes that do not compress, always the same.
#[must_use]
pub(in crate::faults) fn noise(length: usize) -> Vec<u8> {
    use rand::{RngExt as _, SeedableRng as _};
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    (0..length).map(|_| random.random()).collect()
}

/// The channel of the shop.
#[must_use]
pub(in crate::faults) fn channel() -> release::ChannelName {
    CHANNEL.parse().expect("it is a channel")
}

/// A sequence.
#[must_use]
pub(in crate::faults) fn sequence(number: u64) -> Sequence {
    number.try_into().expect("it is a sequence")
}
