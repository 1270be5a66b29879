//! The opened directory: resolving keys below it, and what its errors mean.

use crate::{Etag, StoreError, Subject};
use release::RelativePath;
use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2},
    io::Errno,
};
use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    time::{Duration, Instant},
};

/// The store's own directory: lock and temporary files. No key starts with it.
pub(super) const RESERVED: &str = ".longshore";

/// A call on its way to a thread: what it is about, and until when.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) subject: Subject,
    pub(super) root: PathBuf,
    pub(super) until: Instant,
    pub(super) limit: Duration,
}

impl Call {
    /// Fails after the deadline.
    pub(super) fn in_time(&self) -> Result<(), StoreError> {
        if Instant::now() < self.until {
            return Ok(());
        }
        Err(StoreError::Deadline {
            subject: self.subject.clone(),
            limit: self.limit,
            source: None,
        })
    }
}

/// The opened directory, and the call it was opened for. Links are followed only where they stay
/// below it.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) call: Call,
    pub(super) directory: OwnedFd,
}

impl Tree {
    pub(super) fn open(call: Call) -> Result<Self, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, &call.root, flags, Mode::empty()) {
            Ok(directory) => Ok(Self { call, directory }),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(StoreError::Bucket {
                subject: call.subject,
            }),
            Err(errno) => Err(refused(&call, call.root.clone(), errno.into())),
        }
    }

    /// Opens the file or directory at `path`, or gives `None` if there is none.
    pub(super) fn descend(&self, path: &str, flags: OFlags) -> Result<Option<OwnedFd>, StoreError> {
        // NONBLOCK: whoever puts a fifo there must not hold us.
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match openat2(
            &self.directory,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        ) {
            Ok(opened) => Ok(Some(opened)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(self.error(path, errno)),
        }
    }

    /// Opens the object of `key`, or gives `None` if no regular file has its path.
    pub(super) fn object(&self, key: &RelativePath) -> Result<Option<(File, Stat)>, StoreError> {
        let Some(opened) = self.descend(key.as_str(), OFlags::RDONLY)? else {
            return Ok(None);
        };
        let stat = fstat(&opened).map_err(|errno| self.error(key.as_str(), errno))?;
        let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
        Ok(regular.then(|| (File::from(opened), stat)))
    }

    pub(super) fn missing(&self) -> StoreError {
        StoreError::Missing {
            subject: self.call.subject.clone(),
        }
    }

    pub(super) fn replaced(&self) -> StoreError {
        StoreError::Replaced {
            subject: self.call.subject.clone(),
        }
    }

    /// What `error` at `path`, relative to the directory, means.
    pub(super) fn error(&self, path: &str, error: impl Into<io::Error>) -> StoreError {
        refused(&self.call, self.call.root.join(path), error.into())
    }
}

fn refused(call: &Call, path: PathBuf, source: io::Error) -> StoreError {
    let subject = call.subject.clone();
    match Errno::from_io_error(&source) {
        Some(Errno::ACCESS | Errno::PERM) => StoreError::Forbidden {
            subject,
            code: format!("{source}: {}", path.display()),
        },
        // What openat2 says of a path that leaves the directory, and of a link to itself.
        Some(Errno::XDEV | Errno::LOOP) => StoreError::Refused {
            subject,
            code: format!("{} leads out of the directory", path.display()),
        },
        _ => StoreError::Disk { path, source },
    }
}

/// The state of a file. Without its time of change, which a backup's `chmod` or `link` moves.
pub(super) fn etag(stat: &Stat) -> Etag {
    Etag::new(format!(
        "\"{:x}-{:x}-{:x}.{:x}\"",
        stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec
    ))
}

/// The size of a file.
pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}
