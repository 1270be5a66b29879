//! One thread's part of the tree: files, directories and links, each made relative to its
//! directory.

use super::{
    FloorError,
    entries::{Entry, Kind},
};
use rustix::{
    fs::{Mode, OFlags, Timespec, Timestamps},
    io::Errno,
};
use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::CLOEXEC);

/// The directories from the root down to the one that is filled now stay open: entries come sorted,
/// so the next is mostly there too.
#[derive(Debug)]
pub(super) struct Creation {
    root: OwnedFd,
    /// The path of the last of `open`.
    path: String,
    /// Below the root, each with the length of its own path.
    open: Vec<(usize, OwnedFd)>,
    /// The path of the entry at hand.
    entry: String,
}

impl Creation {
    #[allow(clippy::disallowed_methods, reason = "the floor has no failpoints")]
    pub(super) fn below(root: &Path) -> Result<Self, FloorError> {
        let failed = |source| FloorError::Create {
            path: root.display().to_string(),
            source,
        };
        fs::create_dir_all(root).map_err(failed)?;
        let root = rustix::fs::open(root, DIRECTORY, Mode::empty())
            .map_err(|error| failed(error.into()))?;
        Ok(Self {
            root,
            path: String::new(),
            open: Vec::new(),
            entry: String::new(),
        })
    }

    /// Makes one entry below `target`.
    pub(super) fn make(&mut self, target: &str, entry: &Entry<'_>) -> Result<(), FloorError> {
        let mut path = std::mem::take(&mut self.entry);
        path.clear();
        path.push_str(target);
        if !target.is_empty() {
            path.push('/');
        }
        path.push_str(&entry.path);
        let made = self
            .place(&path, &entry.kind)
            .map_err(|source| FloorError::Create {
                path: path.clone(),
                source: source.into(),
            });
        self.entry = path;
        made
    }

    fn place(&mut self, path: &str, kind: &Kind<'_>) -> Result<(), Errno> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.enter(above)?;
        match kind {
            Kind::Directory => make_directory(parent, name),
            Kind::Link { target } => rustix::fs::symlinkat(target.as_ref(), parent, name),
            Kind::File {
                body,
                executable,
                mtime,
            } => {
                // With umask 022 this is the final one.
                let mode = Mode::from_raw_mode(if *executable { 0o755 } else { 0o644 });
                let file = rustix::fs::openat(parent, name, FILE, mode)?;
                let mut rest = *body;
                while !rest.is_empty() {
                    rest = &rest[rustix::io::write(&file, rest)?..];
                }
                let time = Timespec {
                    tv_sec: mtime.cast_signed(),
                    tv_nsec: 0,
                };
                rustix::fs::futimens(
                    &file,
                    &Timestamps {
                        last_access: time,
                        last_modification: time,
                    },
                )
            }
        }
    }

    /// Opens the directory, which another thread may be about to make.
    fn enter(&mut self, directory: &str) -> Result<BorrowedFd<'_>, Errno> {
        while self
            .open
            .last()
            .is_some_and(|(end, _)| !is_at_or_below(directory, &self.path[..*end]))
        {
            self.open.pop();
        }
        let mut start = self.open.last().map_or(0, |(end, _)| end + 1);
        while start < directory.len() {
            let end = directory[start..]
                .find('/')
                .map_or(directory.len(), |length| start + length);
            let (parent, name) = (self.current(), &directory[start..end]);
            let opened = match rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT) => {
                    make_directory(parent, name)?;
                    rustix::fs::openat(parent, name, DIRECTORY, Mode::empty())
                }
                opened => opened,
            }?;
            self.open.push((end, opened));
            start = end + 1;
        }
        directory.clone_into(&mut self.path);
        Ok(self.current())
    }

    fn current(&self) -> BorrowedFd<'_> {
        self.open
            .last()
            .map_or_else(|| self.root.as_fd(), |(_, directory)| directory.as_fd())
    }
}

fn is_at_or_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn make_directory(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        // Another thread's, or another module's.
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

impl From<Errno> for FloorError {
    fn from(error: Errno) -> Self {
        Self::Io(io::Error::from(error))
    }
}
