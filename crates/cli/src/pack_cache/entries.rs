//! Which entries and leftovers go, and the calls that change the cache's directory.

use super::{PackCache, RECORD, TARBALL};
use release::Sha256;
use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// What the name of a directory starts with that one run works in.
const TEMPORARY: &str = "tmp-";
/// When a run is over, however it ended: a publication works with its store for an hour at most
/// if nobody says otherwise.
const ABANDONED: Duration = Duration::from_hours(24);

impl PackCache {
    /// Removes what was of no use for longest, until the rest is within the limit.
    ///
    /// # Errors
    ///
    /// If the disk refuses. What another run removed meanwhile is no error.
    pub(crate) fn evict(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for path in self.paths()? {
            if path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.parse::<Sha256>().is_ok())
            {
                // Without its files it is of no use, and the first to go.
                let used = fs::metadata(path.join(RECORD))
                    .and_then(|record| record.modified())
                    .unwrap_or(SystemTime::UNIX_EPOCH);
                let bytes = [RECORD, TARBALL]
                    .iter()
                    .map(|name| fs::metadata(path.join(name)).map_or(0, |file| file.len()))
                    .sum();
                entries.push((used, bytes, path));
            }
        }
        entries.sort_unstable();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if total <= self.limit {
                break;
            }
            self.remove(&path)?;
            total -= bytes;
        }
        Ok(())
    }

    /// Removes an entry in one step for whoever looks at it; its space is free when this run ends.
    pub(super) fn remove(&self, entry: &Path) -> io::Result<()> {
        let gone = temporary(self.work.path())?;
        missing_is_well(rename(entry, &gone.keep()))
    }

    /// Removes what runs left that were killed.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let now = SystemTime::now();
        for path in self.paths()? {
            let temporary = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(TEMPORARY));
            let changed = || {
                fs::metadata(&path)
                    .and_then(|directory| directory.modified())
                    .ok()
            };
            // A clock that was moved back makes it young, and it goes another day.
            if temporary
                && changed()
                    .and_then(|changed| now.duration_since(changed).ok())
                    .is_some_and(|age| age > ABANDONED)
            {
                missing_is_well(discard(&path))?;
            }
        }
        Ok(())
    }

    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.directory)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    }
}

fn missing_is_well(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Ok(())
        } else {
            Err(error)
        }
    })
}

/// Makes the cache's directory for its owner alone, and those above it as the umask says.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    directory
        .parent()
        .map_or(Ok(()), crate::files::ensure_directory)?;
    failpoint::hit("cli.cache.mkdir")?;
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// A directory in `parent` that one run works in.
pub(super) fn temporary(parent: &Path) -> io::Result<TempDir> {
    failpoint::hit("cli.cache.mkdir")?;
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(parent)
}

/// Renames a directory, onto one that is empty or not there.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    failpoint::hit("cli.cache.rename")?;
    #[allow(clippy::disallowed_methods, reason = "the wrapper with the failpoint")]
    fs::rename(from, to)
}

/// Removes a directory with what is in it; one that is not there is well.
pub(super) fn discard(directory: &Path) -> io::Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    failpoint::hit("cli.cache.remove")?;
    #[allow(clippy::disallowed_methods, reason = "the wrapper with the failpoint")]
    fs::remove_dir_all(directory)
}

/// Says that an entry was of use now.
pub(super) fn touch(entry: &Path) -> io::Result<()> {
    failpoint::hit("cli.cache.touch")?;
    File::open(entry.join(RECORD))?.set_modified(SystemTime::now())
}
