//! Reads what a directory holds, and refuses what a tarball must not hold. Nothing is opened but
//! directories.

use super::{error::ScanError, exclude::Exclude};
use crate::{entry::Kind, link};
use release::{Reason, RelativePath, Sha256};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::{
    collections::HashMap,
    ffi::OsStr,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

/// A directory that was scanned: its entries in the order of the tarball.
#[derive(Debug)]
pub struct Source {
    pub(super) root: OwnedFd,
    pub(super) directory: PathBuf,
    pub(super) entries: Vec<Entry>,
    unused: Vec<String>,
}

/// One entry of a scanned directory.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it is, relative to the scanned directory.
    pub path: RelativePath,
    /// What it is.
    pub kind: Kind,
    pub(super) stamp: Stamp,
    /// What a regular file held when its source was fingerprinted.
    pub(super) contents: Option<Sha256>,
}

/// What changes when a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl From<&Stat> for Stamp {
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_fallible_conversions,
        reason = "the fields' types differ between architectures"
    )]
    fn from(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

impl Source {
    /// The entries, sorted bytewise by path; directories before what they hold.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The patterns that excluded nothing: their author may have meant something else.
    #[must_use]
    pub fn unused(&self) -> &[String] {
        &self.unused
    }
}

/// Lists what `directory` holds, without following any link below it.
///
/// `exclude` holds paths relative to `directory`, or globs of them: `*` and `?` stay within a name,
/// `**` does not, and what is excluded is so with everything below. Names that are excluded may be
/// anything.
///
/// Hard links are packed as separate files. Extended attributes, ACLs, capabilities, owners and
/// modes are not stored (a file is executable when its owner may execute it), so a file that has
/// them is packed without.
///
/// # Errors
///
/// Names the first path that cannot be in a tarball and why: a device, FIFO or socket; a link that
/// is absolute, leaves `directory` (through other links too) or never ends; a name that is not
/// UTF-8, has control characters or is too long. Also where something cannot be read. Names that
/// differ in case or Unicode form alone are the business of whoever puts several modules into one
/// tree.
pub fn scan(directory: &Path, exclude: &[String]) -> Result<Source, ScanError> {
    let mut exclude = Exclude::new(exclude)?;
    let unusable = |source: rustix::io::Errno| ScanError::Directory {
        path: directory.to_owned(),
        source: source.into(),
    };
    let root = rustix::fs::open(
        directory,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(unusable)?;
    let mut entries = Vec::new();
    let mut ahead: Vec<Option<RelativePath>> = vec![None];
    while let Some(parent) = ahead.pop() {
        let found = read(&root, directory, parent.as_ref(), &mut exclude)?;
        ahead.extend(
            found
                .iter()
                .filter(|entry| entry.kind == Kind::Directory)
                .map(|entry| Some(entry.path.clone())),
        );
        entries.extend(found);
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    check_links(&entries)?;
    Ok(Source {
        root,
        directory: directory.to_owned(),
        entries,
        unused: exclude.unused(),
    })
}

/// The entries right below `parent`.
fn read(
    root: &OwnedFd,
    directory: &Path,
    parent: Option<&RelativePath>,
    exclude: &mut Exclude,
) -> Result<Vec<Entry>, ScanError> {
    let here = parent.map_or(".", RelativePath::as_str);
    let failed = |path: &Path, source: rustix::io::Errno| ScanError::Read {
        path: directory.join(path),
        source: source.into(),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(root, here, flags, Mode::empty())
        .map_err(|error| failed(here.as_ref(), error))?;
    let mut entries = Vec::new();
    for item in rustix::fs::Dir::read_from(&opened).map_err(|error| failed(here.as_ref(), error))? {
        let item = item.map_err(|error| failed(here.as_ref(), error))?;
        let name = item.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let path = parent.map_or_else(PathBuf::new, |parent| PathBuf::from(parent.as_str()));
        let path = path.join(OsStr::from_bytes(name.to_bytes()));
        if exclude.covers(&path) {
            continue;
        }
        let path = RelativePath::from_bytes(path.as_os_str().as_bytes()).map_err(|source| {
            ScanError::Name {
                directory: directory.to_owned(),
                source,
            }
        })?;
        let stat = rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| failed(path.as_ref(), error))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File {
                size: u64::try_from(stat.st_size).unwrap_or_default(),
                executable: stat.st_mode & 0o100 != 0,
            },
            FileType::Directory => Kind::Directory,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&opened, name, Vec::new())
                    .map_err(|error| failed(path.as_ref(), error))?;
                let target = link::target(target.to_bytes())
                    .map_err(|problem| ScanError::refused(&path, problem))?;
                Kind::Link {
                    target: target.to_owned(),
                }
            }
            FileType::Fifo => return Err(forbidden(&path, "is a FIFO")),
            FileType::Socket => return Err(forbidden(&path, "is a socket")),
            FileType::BlockDevice | FileType::CharacterDevice => {
                return Err(forbidden(&path, "is a device"));
            }
            FileType::Unknown => return Err(forbidden(&path, "is of an unknown type")),
        };
        entries.push(Entry {
            path,
            kind,
            stamp: Stamp::from(&stat),
            contents: None,
        });
    }
    Ok(entries)
}

fn forbidden(path: &RelativePath, problem: &'static str) -> ScanError {
    ScanError::Refused {
        path: path.clone(),
        problem,
        reason: Reason::TypeForbidden,
    }
}

fn check_links(entries: &[Entry]) -> Result<(), ScanError> {
    let links: HashMap<&str, &str> = entries
        .iter()
        .filter_map(|entry| {
            if let Kind::Link { target } = &entry.kind {
                Some((entry.path.as_str(), target.as_str()))
            } else {
                None
            }
        })
        .collect();
    let link_at = |at: &str| links.get(at).map(|&target| target.to_owned());
    for entry in entries {
        if let Kind::Link { target } = &entry.kind {
            link::alone("", entry.path.as_str(), target, link_at)
                .map_err(|problem| ScanError::refused(&entry.path, problem))?;
        }
    }
    Ok(())
}
