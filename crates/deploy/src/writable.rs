//! Writable directories outside of the release root, on a volume that the shop's containers mount
//! with the right to write.
//!
//! ```text
//!  <writable>/<short>/<path>   a release's own, filled from its modules; removed after its tree
//!  <writable>/kept/<path>      outlives releases
//!  <writable>/<random>         in the making; swept, as is the rest of a release without a tree
//! ```
//!
//! The shop's code may write, rename and replace all of this at any moment, while it is made and
//! while it is removed. So everything happens relative to directories that are held open, one name
//! at a time, and no link is followed.

use crate::{
    disk::{self, DiskError, attempt, random_name},
    layout::KEPT,
    place::{
        self, BaseDirectory, DirectoryError, Owner, enter, open_to, remove_stranger, set_mode,
    },
    removal::{Removal, remove_tree},
};
use release::{RelativePath, aside};
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, Read as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

/// Bytes that modules may ship into the writable directories of one release: 1 GiB, as it is copied
/// at the start of each.
pub const SHIPPED_BYTES: u64 = 1 << 30;
/// How many files, directories and links that may be.
pub const SHIPPED_ENTRIES: u64 = 500_000;
/// What a copied file gets; who may execute it may still.
const FILE_MODE: u32 = 0o664;

/// The volume, held open.
#[derive(Debug)]
pub(crate) struct Volume<'a> {
    path: &'a Path,
    top: File,
    group: u32,
    left: Left,
}

#[derive(Debug)]
struct Left {
    bytes: u64,
    entries: u64,
}

/// Where the directory at `path` of the release `short` is.
pub(crate) fn release_directory(writable: &Path, short: &str, path: &RelativePath) -> PathBuf {
    writable.join(short).join(path)
}

/// Where the kept directory at `path` is.
pub(crate) fn kept(writable: &Path, path: &RelativePath) -> PathBuf {
    writable.join(KEPT).join(path)
}

/// Gives the volume's space of a release back, or of whatever else has this name in `volume`.
pub(crate) fn remove(volume: &Path, name: &str) -> Result<(), DiskError> {
    match remove_tree(&volume.join(name))? {
        Removal::Complete => Ok(()),
        Removal::Mounted(mount) => Err(DiskError::new(
            "remove",
            &mount,
            io::ErrorKind::ResourceBusy,
        )),
    }
}

impl<'a> Volume<'a> {
    pub(crate) fn open(path: &'a Path) -> Result<Self, DiskError> {
        disk::ensure_directory(path)?;
        let top = disk::open_directory(path)?;
        let group = top
            .metadata()
            .map_err(|error| DiskError::new("look at", path, error))?
            .gid();
        Ok(Self {
            path,
            top,
            group,
            left: Left {
                bytes: SHIPPED_BYTES,
                entries: SHIPPED_ENTRIES,
            },
        })
    }

    /// Takes the name `short` from what has it: a release begins fresh, whatever was left of an
    /// earlier tree of it.
    pub(crate) fn clear(&self, short: &str) -> Result<(), DiskError> {
        let (aside, shown) = (random_name(), self.path.join(short));
        let moved =
            attempt(
                "deploy.writable.clear",
                "rename",
                &shown,
                || match rustix::fs::renameat_with(
                    &self.top,
                    short,
                    &self.top,
                    &aside,
                    RenameFlags::NOREPLACE,
                ) {
                    Ok(()) => Ok(true),
                    Err(Errno::NOENT) => Ok(false),
                    Err(error) => Err(error),
                },
            )?;
        if moved && let Err(error) = remove(self.path, &aside) {
            tracing::warn!(path = %shown.display(), error = %error, "what was left of an earlier tree stays for now");
        }
        Ok(())
    }

    /// Makes the directory at `path` of the release `short` if there is none, with a copy of
    /// what is in `shipped`.
    pub(crate) fn provide(
        &mut self,
        short: &str,
        path: &RelativePath,
        shipped: Option<&File>,
    ) -> Result<(), DirectoryError> {
        let full: RelativePath = format!("{short}/{path}")
            .parse()
            .map_err(|_| DirectoryError::Occupied(path.clone()))?;
        let (place, shown) = (self.place(), self.path.join(&full));
        let above = place.above(&full)?;
        match enter(&above, path.name(), OFlags::RDONLY) {
            Ok(there) => return Ok(open_to(&File::from(there), &shown, self.group)?),
            Err(Errno::NOENT) => {}
            Err(Errno::NOTDIR | Errno::LOOP) => remove_stranger(&above, path.name(), &shown)?,
            Err(error) => return Err(DiskError::new("open the directory", &shown, error).into()),
        }
        // Under a name of its own until it is whole: after a crash it is there with all that it
        // begins with, or not at all.
        let making: RelativePath = random_name()
            .parse()
            .map_err(|_| DirectoryError::Occupied(path.clone()))?;
        let directory = place.directory(&making)?;
        open_to(&directory, &shown, self.group)?;
        if let Some(shipped) = shipped {
            copy(shipped, &directory, &shown, &mut self.left).map_err(|error| match error {
                NotCopied::TooMuch => DirectoryError::TooMuch {
                    path: path.clone(),
                    bytes: SHIPPED_BYTES,
                    entries: SHIPPED_ENTRIES,
                },
                NotCopied::Disk(error) => error.into(),
            })?;
            disk::sync_file_system(&self.top, self.path)?;
        }
        attempt("deploy.writable.rename", "rename to", &shown, || {
            rustix::fs::renameat_with(
                &self.top,
                making.as_str(),
                &above,
                path.name(),
                RenameFlags::NOREPLACE,
            )
        })?;
        Ok(())
    }

    /// Makes the kept directory at `path` if there is none.
    pub(crate) fn keep(&self, path: &RelativePath) -> Result<(), DirectoryError> {
        let full: RelativePath = format!("{KEPT}/{path}")
            .parse()
            .map_err(|_| DirectoryError::Occupied(path.clone()))?;
        self.place().open_to(&full, self.group)
    }

    fn place(&self) -> BaseDirectory<'_> {
        BaseDirectory {
            top: &self.top,
            above: self.path,
            owner: Owner::Shop,
        }
    }
}

/// What modules ship for the directory at `path` of a tree, if they ship anything.
pub(crate) fn shipped(tree: &File, path: &RelativePath) -> rustix::io::Result<Option<File>> {
    let Some(aside) = aside(path) else {
        return Ok(None);
    };
    match enter(tree, aside.as_str(), OFlags::RDONLY) {
        Ok(directory) => Ok(Some(directory.into())),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

enum NotCopied {
    TooMuch,
    Disk(DiskError),
}

impl From<DiskError> for NotCopied {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// Copies all that is in the directory `from`, of a tree that nobody else writes, into `to`, whose
/// group every new name inherits.
fn copy(from: &File, to: &File, shown: &Path, left: &mut Left) -> Result<(), NotCopied> {
    let refused = |error| DiskError::new("copy what modules ship into", shown, error);
    for entry in Dir::read_from(from).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        left.entries = left.entries.checked_sub(1).ok_or(NotCopied::TooMuch)?;
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).map_err(refused)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                attempt("deploy.writable.copy", "make the directory", shown, || {
                    rustix::fs::mkdirat(to, name, Mode::from_raw_mode(disk::DIRECTORY_MODE))
                })?;
                let (Ok(name), flags) = (name.to_str(), OFlags::RDONLY) else {
                    continue;
                };
                let (inner, outer) = (
                    enter(from, name, flags).map_err(refused)?,
                    enter(to, name, flags).map_err(refused)?,
                );
                set_mode(&outer, place::WRITABLE_MODE, shown)?;
                copy(&inner.into(), &outer.into(), shown, left)?;
            }
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
                left.bytes = left.bytes.checked_sub(size).ok_or(NotCopied::TooMuch)?;
                let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let source = File::from(
                    rustix::fs::openat(from, name, flags | OFlags::RDONLY, Mode::empty())
                        .map_err(refused)?,
                );
                let flags = flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let mode = FILE_MODE | stat.st_mode & 0o111;
                let create = || rustix::fs::openat(to, name, flags, Mode::from_raw_mode(mode));
                let mut target = File::from(attempt(
                    "deploy.writable.copy",
                    "create a file in",
                    shown,
                    create,
                )?);
                attempt("deploy.writable.copy", "write a file in", shown, || {
                    io::copy(&mut source.take(size), &mut target)
                })?;
                set_mode(&target, mode, shown)?;
                // Shops compare times of what they compile with times of its sources.
                let time = Timespec {
                    tv_sec: stat.st_mtime,
                    tv_nsec: 0,
                };
                let times = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                attempt(
                    "deploy.writable.copy",
                    "set the time of a file in",
                    shown,
                    || rustix::fs::futimens(target.as_fd(), &times),
                )?;
            }
            FileType::Symlink => {
                let leads = rustix::fs::readlinkat(from, name, Vec::new()).map_err(refused)?;
                attempt("deploy.writable.copy", "make a link in", shown, || {
                    rustix::fs::symlinkat(&leads, to, name)
                })?;
            }
            // No tarball has any other.
            _ => {}
        }
    }
    Ok(())
}
