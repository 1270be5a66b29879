//! The release object as a file, such as of a projected volume.

use super::PullError;
use release::limits;
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// What the file is called where a directory is given: the key's last name in the store.
const RELEASE_FILE: &str = "release.json";

/// The release object of what the shop ran before, beside it.
pub(super) const PREVIOUS_FILE: &str = "previous.json";

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, PullError> {
    let path: PathBuf = if path.is_dir() {
        path.join(RELEASE_FILE)
    } else {
        path.to_owned()
    };
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // One byte over the limit is enough for the envelope to refuse it as too large.
        File::open(&path)?
            .take(limits::ENVELOPE_LIMIT as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| PullError::ReleaseFile {
        path: path.clone(),
        source,
    })
}
