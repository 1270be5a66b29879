//! One directory of the cache, held open: every call of the cache that reaches the disk is here,
//! relative to it.

use super::{Trouble, errno};
use crate::disk::{DiskError, attempt};
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Timespec, Timestamps},
    io::Errno,
};
use std::{
    fs::{DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{DirBuilderExt as _, FileExt as _},
    },
    path::{Path, PathBuf},
};

/// What every directory of the cache gets.
const DIRECTORY_MODE: u32 = 0o700;
/// What every file of the cache gets.
const FILE_MODE: u32 = 0o600;

/// A directory of the cache.
#[derive(Debug)]
pub(super) struct CacheDir {
    path: PathBuf,
    handle: OwnedFd,
}

/// A regular file of the directory. In the order of their last use.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    /// When it was last used: seconds and nanoseconds since 1970.
    pub(super) used: (i64, i64),
    pub(super) name: String,
    pub(super) size: u64,
}

impl CacheDir {
    /// Opens the cache itself, which is made if it is missing.
    pub(super) fn top(path: &Path) -> Result<Self, Trouble> {
        match Self::enter(rustix::fs::CWD, path, path) {
            Err(Trouble::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let mut make = DirBuilder::new();
        make.recursive(true).mode(DIRECTORY_MODE);
        allowed(
            attempt("deploy.cache.directory", "make the directory", path, || {
                make.create(path)
            }),
            path,
        )?;
        Self::enter(rustix::fs::CWD, path, path)
    }

    /// Opens the directory `name` in this one, and makes it where it is missing.
    pub(super) fn below(&self, name: &str) -> Result<Self, Trouble> {
        let path = self.path.join(name);
        match Self::enter(&self.handle, Path::new(name), &path) {
            Err(Trouble::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let made = attempt(
            "deploy.cache.directory",
            "make the directory",
            &path,
            || {
                match rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(DIRECTORY_MODE)) {
                    // Another pod did.
                    Err(Errno::EXIST) => Ok(()),
                    other => other,
                }
            },
        );
        allowed(made, &path)?;
        Self::enter(&self.handle, Path::new(name), &path)
    }

    fn enter(parent: impl AsFd, name: &Path, path: &Path) -> Result<Self, Trouble> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(Trouble::refuse(
                    path,
                    "is not a directory, or is a link to one: name another",
                ));
            }
            Err(error) => {
                return allowed(Err(DiskError::new("open the directory", path, error)), path);
            }
        };
        let found =
            rustix::fs::fstat(&handle).map_err(|error| DiskError::new("look at", path, error))?;
        let (user, mode) = (rustix::process::geteuid().as_raw(), found.st_mode & 0o777);
        if found.st_uid != user {
            return Err(Trouble::refuse(
                path,
                format!(
                    "belongs to user {}, and this process is user {user}",
                    found.st_uid
                ),
            ));
        }
        if mode & 0o077 != 0 {
            let problem = format!(
                "has mode {mode:04o}, which lets others in: chmod it to 0700, or name a directory \
                 in it, which is then made"
            );
            return Err(Trouble::refuse(path, problem));
        }
        Ok(Self {
            path: path.to_owned(),
            handle,
        })
    }

    /// Opens a file for reading; never through a link, and never waiting for the other end of a
    /// pipe.
    pub(super) fn open(&self, name: &str) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, name, flags, Mode::empty()).map(File::from)
    }

    /// Opens a file for writing, which is made if it is missing.
    pub(super) fn create(&self, name: &str) -> Result<File, DiskError> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let create = || {
            rustix::fs::openat(&self.handle, name, flags, Mode::from_raw_mode(FILE_MODE))
                .map(File::from)
        };
        attempt(
            "deploy.cache.create",
            "create",
            &self.path.join(name),
            create,
        )
    }

    /// Tries to lock an open file, without waiting; the kernel frees it when the last
    /// descriptor closes.
    pub(super) fn try_lock(&self, file: &File, name: &str) -> Result<bool, DiskError> {
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => {
                Err(DiskError::new("lock", &self.path.join(name), error))
            }
        }
    }

    /// Makes `bytes` the contents of an open file.
    pub(super) fn fill(&self, mut file: &File, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        attempt(
            "deploy.cache.write",
            "write",
            &self.path.join(name),
            || -> io::Result<()> {
                file.set_len(0)?;
                file.write_all(bytes)
            },
        )
    }

    /// Makes the contents of `from` those of an open file.
    pub(super) fn copy(&self, mut file: &File, name: &str, from: &File) -> Result<(), DiskError> {
        attempt(
            "deploy.cache.write",
            "write",
            &self.path.join(name),
            || -> io::Result<()> {
                file.set_len(0)?;
                // Read by offset: whoever wrote the file may have left its cursor anywhere.
                let (mut buffer, mut at) = (vec![0; 256 << 10], 0);
                loop {
                    let length = from.read_at(&mut buffer, at)?;
                    if length == 0 {
                        return Ok(());
                    }
                    file.write_all(&buffer[..length])?;
                    at += length as u64;
                }
            },
        )
    }

    /// Renames a file into another directory, in place of what is there.
    pub(super) fn move_to(&self, name: &str, other: &Self, new: &str) -> Result<(), DiskError> {
        let path = other.path.join(new);
        attempt("deploy.cache.publish", "rename to", &path, || {
            rustix::fs::renameat(&self.handle, name, &other.handle, new)
        })
    }

    /// Removes a file or a link, and a directory with all that is in it; it is no error where there
    /// is none.
    pub(super) fn remove(&self, name: &str) -> Result<(), DiskError> {
        let path = self.path.join(name);
        let removed = attempt(
            "deploy.cache.remove",
            "remove",
            &path,
            || match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
                Err(Errno::NOENT) => Ok(false),
                Err(Errno::ISDIR) => Ok(true),
                other => other.map(|()| false),
            },
        )?;
        if removed {
            crate::removal::remove_tree(&path).map(drop)
        } else {
            Ok(())
        }
    }

    /// Whether `name` still is the open `file`.
    pub(super) fn is(&self, name: &str, file: &File) -> bool {
        let named = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW);
        let open = rustix::fs::fstat(file);
        matches!((named, open), (Ok(named), Ok(open)) if (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino))
    }

    /// Makes now the time of an open file's last use. By its mtime, as file systems are often
    /// mounted without access times.
    pub(super) fn touch(file: &File) -> Result<(), Errno> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        failpoint::hit("deploy.cache.touch").map_err(|error| errno(&error))?;
        rustix::fs::futimens(
            file,
            &Timestamps {
                last_access: Timespec {
                    tv_sec: 0,
                    tv_nsec: rustix::fs::UTIME_OMIT,
                },
                last_modification: now,
            },
        )
    }

    /// Shows each regular file in it to `visit`. What vanishes meanwhile is left out.
    pub(super) fn each(&self, mut visit: impl FnMut(Listed)) -> Result<(), DiskError> {
        let failed = |error| DiskError::new("read the directory", &self.path, error);
        for entry in Dir::read_from(&self.handle).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (Ok(name), Ok(stat)) = (
                entry.file_name().to_str(),
                rustix::fs::statat(&self.handle, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW),
            ) else {
                continue;
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                let used = (
                    stat.st_mtime,
                    i64::try_from(stat.st_mtime_nsec).unwrap_or_default(),
                );
                visit(Listed {
                    used,
                    name: name.to_owned(),
                    size,
                });
            }
        }
        Ok(())
    }
}

/// A disk that refuses for lack of a permission is a setting that is wrong.
fn allowed<T>(result: Result<T, DiskError>, path: &Path) -> Result<T, Trouble> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            Trouble::refuse(
                path,
                format!(
                    "cannot be opened or made by user {user}: give it to that user, with mode 0700"
                ),
            )
        }
        _ => Trouble::Disk(error),
    })
}
