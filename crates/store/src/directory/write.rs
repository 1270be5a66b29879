//! Writing objects of a directory: staged under a temporary name, then renamed or linked under a
//! lock.

use super::tree::{RESERVED, Tree, etag};
use crate::{Condition, Etag, StoreError};
use release::RelativePath;
use rustix::{
    fs::{
        AtFlags, Dir, Mode, OFlags, fstat, fsync, linkat, mkdirat, openat, renameat, statat,
        unlinkat,
    },
    io::Errno,
};
use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::Path,
    thread::sleep,
    time::Duration,
};
use tracing::warn;

/// How long a writer waits before it tries the lock again: others hold it for a rename and a sync,
/// some milliseconds.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// After which time without a change a temporary file is taken for one that a killed writer left: a
/// day.
const LEFT_BEHIND: Duration = Duration::from_hours(24);

/// A file being written, which no reader sees. Dropped before it is committed, it is removed.
#[derive(Debug)]
pub(super) struct Staged {
    tree: Tree,
    /// The directory that holds the file; `None` when the file is no longer there.
    place: Option<OwnedFd>,
    name: String,
    file: File,
}

impl Staged {
    pub(super) fn create(tree: Tree) -> Result<Self, StoreError> {
        let place = directory(&tree, RESERVED)?;
        let name = format!("{:032x}", rand::random::<u128>());
        hit(&tree, "store.put.stage")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&place, &name, flags, Mode::from_raw_mode(0o644))
            .map_err(|errno| tree.error(RESERVED, errno))?;
        let staged = Self {
            tree,
            place: Some(place),
            name,
            file: file.into(),
        };
        staged.sweep()?;
        Ok(staged)
    }

    /// Removes temporary files that a killed writer left. One that still writes has changed its
    /// file today, by the clock that dates our own: a file server's, which need not be this
    /// machine's.
    fn sweep(&self) -> Result<(), StoreError> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let error = |errno: Errno| self.tree.error(RESERVED, errno);
        let today = fstat(&self.file).map_err(error)?.st_mtime;
        let oldest = today.saturating_sub(i64::try_from(LEFT_BEHIND.as_secs()).unwrap_or(i64::MAX));
        for entry in Dir::read_from(place).map_err(error)? {
            let entry = entry.map_err(error)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b".." | b"lock") {
                continue;
            }
            // One that is gone meanwhile was another writer's.
            let Ok(stat) = statat(place, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            if stat.st_mtime < oldest {
                hit(&self.tree, "store.put.sweep")?;
                if let Err(error) = unlinkat(place, name, AtFlags::empty()) {
                    warn!(
                        file = %name.to_string_lossy(),
                        error = %error,
                        "temporary file not removed"
                    );
                }
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        hit(&self.tree, "store.put.write")?;
        self.file
            .write_all(bytes)
            .map_err(|error| self.error(error))
    }

    /// Appends the next `length` bytes of `source`, which is the file at `path`.
    pub(super) fn copy(
        &mut self,
        source: &File,
        path: &Path,
        length: u64,
    ) -> Result<(), StoreError> {
        hit(&self.tree, "store.put.write")?;
        // The kernel copies: copy_file_range(2) shares the blocks where the file system can.
        let copied = io::copy(&mut source.take(length), &mut self.file)
            .map_err(|error| self.error(error))?;
        if copied == length {
            return Ok(());
        }
        let source = io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file became shorter while it was read",
        );
        Err(StoreError::Disk {
            path: path.to_owned(),
            source,
        })
    }

    /// Makes the file the object of `key`, durably, if `condition` holds.
    pub(super) fn commit(
        mut self,
        key: &RelativePath,
        condition: &Condition,
    ) -> Result<Etag, StoreError> {
        let Some(place) = &self.place else {
            return Err(self.error(io::ErrorKind::NotFound));
        };
        hit(&self.tree, "store.put.sync")?;
        fsync(&self.file).map_err(|errno| self.error(errno))?;
        let parent = directory(&self.tree, key.parent().unwrap_or("."))?;
        let locked = lock(&self.tree, place)?;
        if let Condition::Matches(expected) = condition {
            let found = self.tree.object(key)?.map(|(_, stat)| etag(&stat));
            if found.as_ref() != Some(expected) {
                return Err(self.condition());
            }
        }
        hit(&self.tree, "store.put")?;
        let moved = if *condition == Condition::Absent {
            // link(2) and not rename(2): it fails where the name is taken, so that even a writer
            // without the lock is not overwritten.
            linkat(place, &self.name, &parent, key.name(), AtFlags::empty())
        } else {
            renameat(place, &self.name, &parent, key.name())
        };
        match moved {
            Ok(()) if *condition != Condition::Absent => self.place = None,
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(self.condition()),
            Err(errno) => return Err(self.tree.error(key.as_str(), errno)),
        }
        hit(&self.tree, "store.put.publish")?;
        fsync(&parent).map_err(|errno| self.tree.error(key.as_str(), errno))?;
        drop(locked);
        hit(&self.tree, "store.put.done")?;
        fstat(&self.file)
            .map(|stat| etag(&stat))
            .map_err(|errno| self.error(errno))
    }

    fn condition(&self) -> StoreError {
        StoreError::Condition {
            subject: self.tree.call.subject.clone(),
        }
    }

    fn error(&self, error: impl Into<io::Error>) -> StoreError {
        self.tree.error(&format!("{RESERVED}/{}", self.name), error)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(Err(error)) = self
            .place
            .as_ref()
            .map(|place| unlinkat(place, &self.name, AtFlags::empty()))
        {
            warn!(file = self.name, error = %error, "temporary file not removed");
        }
    }
}

/// Removes the object of `key` durably, if there is one.
pub(super) fn delete(tree: &Tree, key: &RelativePath) -> Result<(), StoreError> {
    let Some(parent) = tree.descend(
        key.parent().unwrap_or("."),
        OFlags::RDONLY | OFlags::DIRECTORY,
    )?
    else {
        return Ok(());
    };
    if tree.object(key)?.is_none() {
        return Ok(());
    }
    let locked = lock(tree, &directory(tree, RESERVED)?)?;
    hit(tree, "store.delete")?;
    match unlinkat(&parent, key.name(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(tree.error(key.as_str(), errno)),
    }
    fsync(&parent).map_err(|errno| tree.error(key.as_str(), errno))?;
    drop(locked);
    hit(tree, "store.delete.done")
}

/// Opens the directory at `path`, made first where it is missing, each new name durable before the
/// one below it.
fn directory(tree: &Tree, path: &str) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    if let Some(opened) = tree.descend(path, flags)? {
        return Ok(opened);
    }
    let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
    let above = directory(tree, above)?;
    hit(tree, "store.directory.make")?;
    match mkdirat(&above, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(tree.error(path, errno)),
    }
    fsync(&above).map_err(|errno| tree.error(path, errno))?;
    tree.descend(path, flags)?
        .ok_or_else(|| tree.error(path, Errno::NOTDIR))
}

/// Takes the writers' lock, which goes when the file is closed, by whatever end of the process.
fn lock(tree: &Tree, place: &OwnedFd) -> Result<File, StoreError> {
    let error = |errno: Errno| tree.error(&format!("{RESERVED}/lock"), errno);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let file = File::from(openat(place, "lock", flags, Mode::from_raw_mode(0o644)).map_err(error)?);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                // Not the blocking call: a holder that is stopped must not take us past the
                // deadline.
                tree.call.in_time()?;
                sleep(LOCK_PAUSE);
            }
            Err(TryLockError::Error(cause)) => {
                return Err(error(Errno::from_io_error(&cause).unwrap_or(Errno::IO)));
            }
        }
    }
}

fn hit(tree: &Tree, point: &'static str) -> Result<(), StoreError> {
    failpoint::hit(point).map_err(|error| tree.error(&tree.call.subject.key, error))
}
