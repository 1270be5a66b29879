//! The directory that chunks are unpacked into, and the only calls that change it.
//!
//! Every call names one entry of one open directory, never a longer path, so there is no link that
//! it could go through.

use super::error::UnpackError;
use crate::{entry::MTIME, problem::Problem};
use release::{Node, Reason};
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT},
    io::Errno,
};
use std::{
    fs::{self, File},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// The tree's directory, and what this kernel and process need to know about it.
#[derive(Debug)]
pub(super) struct Tree {
    path: PathBuf,
    directory: OwnedFd,
    opening: Opening,
    /// Whether a mode given at creation may not be the mode that comes out.
    chmod: Chmod,
}

/// How to open one entry of a directory without following a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// `openat2` (Linux 5.6): the kernel also holds every lookup below the directory.
    Beneath,
    /// `openat` with `O_NOFOLLOW`, where `openat2` is missing or a seccomp profile forbids it.
    NoFollow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chmod {
    files: bool,
    directories: bool,
}

const PATH_ONLY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o755);

impl Tree {
    pub(super) fn open(path: &Path) -> Result<Self, UnpackError> {
        let disk = |source: Errno| UnpackError::Disk {
            action: "open directory",
            path: path.to_owned(),
            source: source.into(),
        };
        let directory = rustix::fs::open(path, PATH_ONLY, Mode::empty()).map_err(disk)?;
        let opening = match rustix::fs::openat2(&directory, ".", PATH_ONLY, Mode::empty(), BENEATH)
        {
            Ok(_) => Opening::Beneath,
            Err(Errno::NOSYS | Errno::PERM) => Opening::NoFollow,
            Err(error) => return Err(disk(error)),
        };
        let stat = rustix::fs::statat(&directory, "", AtFlags::EMPTY_PATH).map_err(disk)?;
        let masked = umask().is_none_or(|mask| mask & 0o755 != 0);
        // A directory with setgid (as Kubernetes' fsGroup makes) hands it down to the directories
        // in it.
        let inherited = stat.st_mode & 0o2000 != 0;
        let chmod = Chmod {
            files: masked,
            directories: masked || inherited,
        };
        Ok(Self {
            path: path.to_owned(),
            directory,
            opening,
            chmod,
        })
    }

    #[cfg(test)]
    pub(super) fn without_openat2(&mut self) {
        self.opening = Opening::NoFollow;
    }

    pub(super) fn disk(
        &self,
        action: &'static str,
        path: &str,
        source: impl Into<std::io::Error>,
    ) -> UnpackError {
        UnpackError::Disk {
            action,
            path: self.path.join(path),
            source: source.into(),
        }
    }

    fn openat(
        &self,
        parent: BorrowedFd<'_>,
        name: &str,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        match self.opening {
            Opening::Beneath => rustix::fs::openat2(parent, name, flags, mode, BENEATH),
            Opening::NoFollow => rustix::fs::openat(parent, name, flags, mode),
        }
    }

    /// Creates a file, which must not exist, for writing.
    pub(super) fn create(
        &self,
        parent: BorrowedFd<'_>,
        path: &str,
        executable: bool,
    ) -> Result<File, UnpackError> {
        let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
        self.hit("tarball.file.create", path)?;
        let file = match self.openat(parent, name(path), NEW_FILE, mode) {
            Ok(file) => file,
            Err(Errno::EXIST) => return Err(UnpackError::entry(path, DUPLICATE)),
            Err(error) => return Err(self.disk("create file", path, error)),
        };
        if self.chmod.files {
            self.hit("tarball.file.chmod", path)?;
            rustix::fs::fchmod(&file, mode)
                .map_err(|error| self.disk("set the mode of", path, error))?;
        }
        Ok(file.into())
    }

    /// Sets the time of a file that is written.
    pub(super) fn set_mtime(&self, file: &File, path: &str, mtime: u64) -> Result<(), UnpackError> {
        self.hit("tarball.file.date", path)?;
        rustix::fs::futimens(file, &times(mtime))
            .map_err(|error| self.disk("set the time of", path, error))
    }

    /// Opens a directory in `parent`; `None` if there is nothing of that name.
    fn directory(
        &self,
        parent: BorrowedFd<'_>,
        path: &str,
    ) -> Result<Option<OwnedFd>, UnpackError> {
        match self.openat(parent, name(path), PATH_ONLY, Mode::empty()) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(match self.link_at(path)? {
                Some(_) => UnpackError::entry(path, THROUGH_LINK),
                None => UnpackError::entry(path, DUPLICATE),
            }),
            Err(error) => Err(self.disk("open directory", path, error)),
        }
    }

    /// Makes a directory in `parent`, and says whether it was not there yet.
    fn make(&self, parent: BorrowedFd<'_>, path: &str) -> Result<bool, UnpackError> {
        self.hit("tarball.directory.create", path)?;
        match rustix::fs::mkdirat(parent, name(path), DIRECTORY_MODE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(false),
            Err(error) => return Err(self.disk("create directory", path, error)),
        }
        if self.chmod.directories {
            self.hit("tarball.directory.chmod", path)?;
            rustix::fs::chmodat(parent, name(path), DIRECTORY_MODE, AtFlags::empty())
                .map_err(|error| self.disk("set the mode of", path, error))?;
        }
        Ok(true)
    }

    /// Sets the time of a directory or link.
    pub(super) fn set_mtime_at(
        &self,
        parent: BorrowedFd<'_>,
        path: &str,
    ) -> Result<(), UnpackError> {
        self.hit("tarball.directory.date", path)?;
        rustix::fs::utimensat(parent, name(path), &times(MTIME), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.disk("set the time of", path, error))
    }

    /// Creates a symbolic link. Whether where it leads is allowed was decided before.
    pub(super) fn link(
        &self,
        parent: BorrowedFd<'_>,
        path: &str,
        target: &str,
    ) -> Result<(), UnpackError> {
        self.hit("tarball.link.create", path)?;
        match rustix::fs::symlinkat(target, parent, name(path)) {
            Ok(()) => self.set_mtime_at(parent, path),
            Err(Errno::EXIST) => Err(UnpackError::entry(path, DUPLICATE)),
            Err(error) => Err(self.disk("create link", path, error)),
        }
    }

    /// What the link at `path` holds; `None` if there is none, or something else. No directory
    /// above it may be a link.
    fn link_at(&self, path: &str) -> Result<Option<String>, UnpackError> {
        match rustix::fs::readlinkat(&self.directory, path, Vec::new()) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::INVAL | Errno::NAMETOOLONG) => Ok(None),
            Err(error) => Err(self.disk("read link", path, error)),
        }
    }

    pub(super) fn hit(&self, point: &'static str, path: &str) -> Result<(), UnpackError> {
        failpoint::hit(point).map_err(|error| self.disk("change", path, error))
    }
}

impl release::Tree for &Tree {
    type Error = UnpackError;

    fn node(&mut self, path: &str) -> Result<Option<Node>, UnpackError> {
        let stat = match rustix::fs::statat(&self.directory, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => return Ok(None),
            Err(error) => return Err(self.disk("examine", path, error)),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Some(Node::Directory),
            FileType::Symlink => self.link_at(path)?.map(Node::Link),
            _ => Some(Node::File),
        })
    }

    fn within(&mut self, path: &str) -> Result<Option<String>, UnpackError> {
        let failed = |error| self.disk("read directory", path, error);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory =
            rustix::fs::openat(&self.directory, path, flags, Mode::empty()).map_err(failed)?;
        for entry in rustix::fs::Dir::new(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                return Ok(Some(format!("{path}/{}", name.to_string_lossy())));
            }
        }
        Ok(None)
    }
}

pub(super) const DUPLICATE: Problem = Problem::new(
    Reason::Duplicate,
    "is there already, or a file stands where a directory must be",
);
pub(super) const THROUGH_LINK: Problem = Problem::new(
    Reason::PathUnsafe,
    "is a link that another entry's path goes through",
);

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn times(mtime: u64) -> Timestamps {
    let last_modification = Timespec {
        tv_sec: mtime.cast_signed(),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification,
    }
}

/// This process's umask. Read from `/proc`, as `umask(2)` can only be asked by changing it for all
/// threads.
fn umask() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// The open directories from the tree's top down to where the last entry was: entries come sorted,
/// so the next one shares most.
#[derive(Debug)]
pub(super) struct Descent<'t> {
    pub(super) tree: &'t Tree,
    path: String,
    /// Each open directory and the length of its path.
    open: Vec<(usize, OwnedFd)>,
}

impl<'t> Descent<'t> {
    pub(super) const fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            path: String::new(),
            open: Vec::new(),
        }
    }

    /// Goes to the directory that holds `path`, and makes what is missing on the way; tells `made`
    /// the path of each that it made.
    pub(super) fn parent(
        &mut self,
        path: &str,
        made: &mut Vec<String>,
    ) -> Result<BorrowedFd<'_>, UnpackError> {
        self.enter(path.rsplit_once('/').map_or("", |(parent, _)| parent), made)?;
        Ok(self.here())
    }

    /// Makes the directory at `path` where it is missing, and goes there.
    pub(super) fn make(&mut self, path: &str, made: &mut Vec<String>) -> Result<(), UnpackError> {
        let tree = self.tree;
        tree.make(self.parent(path, made)?, path)?;
        self.step(path, made)
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.open
            .last()
            .map_or(self.tree.directory.as_fd(), |(_, directory)| {
                directory.as_fd()
            })
    }

    fn enter(&mut self, directory: &str, made: &mut Vec<String>) -> Result<(), UnpackError> {
        while let Some((length, _)) = self.open.last() {
            let (within, rest) = directory
                .as_bytes()
                .split_at_checked(*length)
                .unwrap_or_default();
            if within == &self.path.as_bytes()[..*length] && matches!(rest, [] | [b'/', ..]) {
                break;
            }
            self.open.pop();
        }
        let mut at = self.open.last().map_or(0, |(length, _)| *length);
        while at < directory.len() {
            let from = if at == 0 { 0 } else { at + 1 };
            at = directory[from..]
                .find('/')
                .map_or(directory.len(), |slash| from + slash);
            self.step(&directory[..at], made)?;
        }
        Ok(())
    }

    /// Goes one directory further down, to `path`.
    fn step(&mut self, path: &str, made: &mut Vec<String>) -> Result<(), UnpackError> {
        let mut directory = self.tree.directory(self.here(), path)?;
        if directory.is_none() {
            if self.tree.make(self.here(), path)? {
                made.push(path.to_owned());
            }
            directory = self.tree.directory(self.here(), path)?;
        }
        let directory =
            directory.ok_or_else(|| self.tree.disk("open directory", path, Errno::NOENT))?;
        path.clone_into(&mut self.path);
        self.open.push((path.len(), directory));
        Ok(())
    }
}
