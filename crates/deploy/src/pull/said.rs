//! What the cluster says beside a release object: small files in the directory that
//! `LONGSHORE_RELEASE` names, such as keys of a ConfigMap.
//!
//! - `migrated`: a sequence. The database is ready for releases up to this one.
//! - `rejected`: digests of manifests, one a line. Pods of this shop rejected them, and another pod
//!   does not activate them.
//! - `clock`: a time, such as `2026-01-31T12:00:00Z`. An operator says that this time has passed,
//!   and that a pod which accepted a release later than that had a wrong clock.
//! - `chosen`: a sequence. The release object of this sequence is in force, even if this pod
//!   accepted a newer one.
//!
//! None of these files decides *what* may run: the pull verifies every release object, whoever
//! wrote the files. `chosen` gives no new power either: whoever may write it could start new pods,
//! which have accepted nothing yet, with the same release object.

use super::{PullError, Source};
use jiff::Timestamp;
use release::{Sequence, Sha256};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    path::Path,
    str::FromStr,
};

/// Bytes of such a file: more digests than the scheduler ever writes.
const LIMIT: u64 = 16 << 10;

/// What is said at one moment; nothing if the release object does not come from a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) migrated: Option<Sequence>,
    pub(super) rejected: BTreeSet<Sha256>,
    pub(super) chosen: Option<Sequence>,
    pub(super) clock: Option<Timestamp>,
}

impl Said {
    /// Since when the clock is known to be right, if a release was accepted at this time.
    pub(super) fn passed(&self, at: Timestamp) -> Timestamp {
        self.clock.map_or(at, |clock| at.min(clock))
    }

    /// # Errors
    ///
    /// If a file is there and cannot be read or understood: whoever wrote it meant something.
    pub(super) fn read(source: &Source) -> Result<Self, PullError> {
        let (Source::File(directory) | Source::Start(directory)) = source else {
            return Ok(Self::default());
        };
        if !directory.is_dir() {
            return Ok(Self::default());
        }
        Ok(Self {
            migrated: words(directory, "migrated", "a sequence")?.pop(),
            rejected: words(directory, "rejected", "digests of manifests, of 64 digits")?
                .into_iter()
                .collect(),
            chosen: words(directory, "chosen", "a sequence")?.pop(),
            clock: words(directory, "clock", "a time such as 2026-01-31T12:00:00Z")?.pop(),
        })
    }
}

fn words<T: FromStr>(
    directory: &Path,
    name: &str,
    expected: &'static str,
) -> Result<Vec<T>, PullError> {
    let path = directory.join(name);
    let text = text(&path).map_err(|source| PullError::ReleaseFile {
        path: path.clone(),
        source,
    })?;
    let read = |word: &str| {
        word.parse().map_err(|_| PullError::Said {
            path: path.clone(),
            found: word.chars().take(80).collect(),
            expected,
        })
    };
    text.split_whitespace().map(read).collect()
}

/// The file's text; none if there is no file.
fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(LIMIT).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(text),
        Err(error) => return Err(error),
    };
    Ok(text)
}
