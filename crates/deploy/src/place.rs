//! Directories and links below a directory that is held open: no link is followed on the way there.

use crate::disk::{self, DiskError, attempt};
use release::{Reason, RelativePath, aside};
use rustix::{
    fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags},
    io::Errno,
};
use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

/// What a directory gets that the shop writes. Set-group-ID lets what it creates stay removable for
/// us.
pub(crate) const WRITABLE_MODE: u32 = 0o2775;
/// How often a name is taken from somebody who puts another thing there again and again.
const TRIES: u32 = 3;

/// Why a directory that the manifest asks for is not there.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A module put a file or a link where the directory, or one above it, has to be.
    #[error("{0} has to be a directory, and a module owns a file or a link of that name")]
    Occupied(RelativePath),
    /// A module ships contents into a directory that is to outlive releases.
    #[error("{0} is kept across releases, and a module has files in it")]
    KeptHasFiles(RelativePath),
    /// Modules ship more into a writable directory than is copied at each start of a release.
    #[error(
        "modules ship over {bytes} bytes or {entries} files into writable directories, {path} \
         among them"
    )]
    TooMuch {
        /// The directory at which it was too much.
        path: RelativePath,
        /// The limit.
        bytes: u64,
        /// The limit.
        entries: u64,
    },
    /// The local disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl DirectoryError {
    /// The stable reason: `duplicate`, `too-large`, or the disk's.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Occupied(_) | Self::KeptHasFiles(_) => Reason::Duplicate,
            Self::TooMuch { .. } => Reason::TooLarge,
            Self::Disk(error) => error.reason(),
        }
    }
}

/// Whose the names below a place are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The release's: a file or a link of a module in the way is an error.
    Release,
    /// The shop's, whose code may have put anything there: what is no directory goes.
    Shop,
}

/// What to do with what a module ships where a link is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// It is an error.
    Refused,
    /// Beside the link ([`aside`]): shops come with a few files for their media, such as .htaccess.
    SetAside,
}

/// A directory below which paths are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BaseDirectory<'a> {
    /// The directory.
    pub(crate) top: &'a File,
    /// Its path, for messages.
    pub(crate) above: &'a Path,
    /// Whose the names in it are.
    pub(crate) owner: Owner,
}

/// Opens the directory `name` in `directory`, and nothing else.
pub(crate) fn enter(
    directory: impl AsFd,
    name: &str,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(
        directory,
        name,
        flags | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        inside,
    )
}

impl BaseDirectory<'_> {
    /// The directory at `path`, made with all above it where it is missing.
    pub(crate) fn directory(self, path: &RelativePath) -> Result<File, DirectoryError> {
        let shown = self.above.join(path);
        let mut directory = self.itself()?;
        for name in path.as_str().split('/') {
            directory = self.child(&directory, name, path, &shown)?;
        }
        Ok(directory)
    }

    /// The directory in which `path` is, made likewise.
    pub(crate) fn above(self, path: &RelativePath) -> Result<File, DirectoryError> {
        match path
            .parent()
            .and_then(|parent| parent.parse::<RelativePath>().ok())
        {
            Some(above) => self.directory(&above),
            None => Ok(self.itself()?),
        }
    }

    /// The directory at `path`, for the shop to write.
    pub(crate) fn open_to(self, path: &RelativePath, group: u32) -> Result<(), DirectoryError> {
        Ok(open_to(
            &self.directory(path)?,
            &self.above.join(path),
            group,
        )?)
    }

    /// Makes `path` a link that leads `to`, in place of the directory that is there.
    pub(crate) fn link(
        self,
        path: &RelativePath,
        to: &Path,
        contents: Contents,
    ) -> Result<(), DirectoryError> {
        let (directory, shown) = (self.above(path)?, self.above.join(path));
        attempt(
            "deploy.directory.remove",
            "remove",
            &shown,
            || match rustix::fs::unlinkat(&directory, path.name(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => Ok(Ok(())),
                Err(Errno::NOTEMPTY | Errno::EXIST) if contents == Contents::SetAside => {
                    let aside = aside(path).ok_or(Errno::NAMETOOLONG)?;
                    match rustix::fs::renameat_with(
                        &directory,
                        path.name(),
                        &directory,
                        aside.name(),
                        RenameFlags::NOREPLACE,
                    ) {
                        Err(Errno::EXIST) => Ok(Err(DirectoryError::Occupied(aside))),
                        other => other.map(Ok),
                    }
                }
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    Ok(Err(DirectoryError::KeptHasFiles(path.clone())))
                }
                Err(Errno::NOTDIR) => Ok(Err(DirectoryError::Occupied(path.clone()))),
                Err(error) => Err(error),
            },
        )??;
        attempt("deploy.link.make", "make the link", &shown, || {
            rustix::fs::symlinkat(to, &directory, path.name())
        })?;
        Ok(())
    }

    fn itself(self) -> Result<File, DiskError> {
        self.top
            .try_clone()
            .map_err(|error| DiskError::new("open the directory", self.above, error))
    }

    fn child(
        self,
        directory: &File,
        name: &str,
        path: &RelativePath,
        shown: &Path,
    ) -> Result<File, DirectoryError> {
        for _ in 0..TRIES {
            let made = attempt("deploy.directory.make", "make the directory", shown, || {
                match rustix::fs::mkdirat(
                    directory,
                    name,
                    Mode::from_raw_mode(disk::DIRECTORY_MODE),
                ) {
                    Ok(()) => Ok(true),
                    Err(Errno::EXIST) => Ok(false),
                    Err(error) => Err(error),
                }
            })?;
            match enter(directory, name, OFlags::RDONLY) {
                Ok(child) => {
                    if made {
                        set_mode(&child, disk::DIRECTORY_MODE, shown)?;
                    }
                    return Ok(child.into());
                }
                Err(Errno::NOTDIR | Errno::LOOP) if self.owner == Owner::Shop => {
                    remove_stranger(directory, name, shown)?;
                }
                Err(Errno::NOTDIR | Errno::LOOP) => break,
                // Removed in between.
                Err(Errno::NOENT) if self.owner == Owner::Shop => {}
                Err(error) => return Err(DiskError::new("open the directory", shown, error).into()),
            }
        }
        Err(DirectoryError::Occupied(path.clone()))
    }
}

/// Removes what the shop put where a directory has to be: a file, or a link, which is not followed.
pub(crate) fn remove_stranger(directory: &File, name: &str, shown: &Path) -> Result<(), DiskError> {
    tracing::warn!(path = %shown.display(), "something else than a directory was in the way and goes");
    attempt(
        "deploy.directory.clear",
        "remove",
        shown,
        || match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
            Err(error) => Err(error),
        },
    )
}

/// Gives a directory the group and the mode by which the shop writes there.
pub(crate) fn open_to(directory: &File, shown: &Path, group: u32) -> Result<(), DiskError> {
    let now =
        rustix::fs::fstat(directory).map_err(|error| DiskError::new("look at", shown, error))?;
    if now.st_gid != group {
        set_group(directory, group, shown)?;
    }
    // A directory that the shop's own user has taken over is not ours to change, and does not need
    // it.
    if now.st_mode & 0o7777 != WRITABLE_MODE && now.st_uid == rustix::process::geteuid().as_raw() {
        set_mode(directory, WRITABLE_MODE, shown)?;
    }
    Ok(())
}

pub(crate) fn set_group(file: impl AsFd, group: u32, shown: &Path) -> Result<(), DiskError> {
    let owner = rustix::fs::Gid::from_raw(group);
    attempt(
        "deploy.directory.group",
        "set the group of",
        shown,
        || match rustix::fs::fchown(&file, None, Some(owner)) {
            // Not a member of that group: then the pod has no fsGroup, and its containers share one
            // user.
            Err(Errno::PERM) => Ok(()),
            other => other,
        },
    )
}

pub(crate) fn set_mode(file: impl AsFd, mode: u32, shown: &Path) -> Result<(), DiskError> {
    let mode = Mode::from_raw_mode(mode);
    attempt("deploy.directory.mode", "set the mode of", shown, || {
        rustix::fs::fchmod(&file, mode)
    })
}
