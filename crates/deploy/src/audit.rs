//! Whether the files of a tree are still what was unpacked.
//!
//! The index says which paths a tree has, the digests of its files, where its links lead and where
//! the shop may write. So a tree can be looked through without the store. What this cannot notice
//! is a change by somebody who also writes the index, other modes or owners of a file, and what is
//! in the shop's writable directories: against those, sources are mounted read-only, PHP is served
//! from no writable directory, and this is no seal.

use crate::{
    directories::is_within,
    disk::{DiskError, open_directory},
    index::{Entry, Kind, Reader},
    layout::{RELEASES, index_name},
    root::tree,
};
use release::{RelativePath, Sha256};
use rustix::{
    fs::{Dir, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use sha2::Digest as _;
use std::{
    collections::{BTreeSet, HashSet},
    ffi::OsStr,
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io,
    ops::ControlFlow,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

/// Bytes that are read at a time.
const STEP: usize = 128 << 10;

/// What a look through a tree found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Files that were read.
    pub files: u64,
    /// Bytes in those.
    pub bytes: u64,
    /// Paths that are missing, or are not what was unpacked.
    pub damaged: BTreeSet<RelativePath>,
    /// Paths of files and links that no release put there, outside of where the shop may write.
    pub added: BTreeSet<PathBuf>,
}

/// The paths of `manifest`'s tree that, with all below them, the shop may write.
///
/// # Errors
///
/// [`DiskError`] where the index cannot be read.
pub fn outside(root: &Path, manifest: &Sha256) -> Result<Vec<RelativePath>, DiskError> {
    let index = root.join(RELEASES).join(index_name(manifest));
    let reader = Reader::open(&index, manifest)
        .map_err(|error| DiskError::new("read", &index, io::Error::other(error)))?;
    Ok(reader.outside().to_vec())
}

/// Whether the disk, or the file system with its own checksums, lost what it was given (`EIO`,
/// `EUCLEAN`, `EBADMSG`).
fn is_rot(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::IO | Errno::UCLEAN | Errno::BADMSG))
}

/// Looks through the tree of `manifest` in the release root at `root`: all of it, or at what
/// somebody `touched`.
///
/// What was touched and is the release's counts as damaged, with all below it, whatever it is now:
/// nobody has a reason to, and it may have been something else in between. `pace` hears of every
/// step how many bytes it read, and may wait or end the look.
///
/// # Errors
///
/// [`DiskError`] where the index or the tree cannot be opened or a file cannot be read: nothing is
/// known then.
pub fn audit(
    root: &Path,
    manifest: &Sha256,
    touched: Option<&BTreeSet<RelativePath>>,
    pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Audit, DiskError> {
    let (tree, index) = (
        tree(root, manifest),
        root.join(RELEASES).join(index_name(manifest)),
    );
    let unreadable = |error| DiskError::new("read", &index, io::Error::other(error));
    let mut reader = Reader::open(&index, manifest).map_err(unreadable)?;
    let (top, outside) = (open_directory(&tree)?, reader.outside().to_vec());
    let mut auditor = Auditor {
        top,
        outside,
        listed: Listed::default(),
        found: Audit::default(),
        buffer: vec![0; STEP],
    };
    let names = touched.map(|touched| {
        touched
            .iter()
            .map(RelativePath::as_str)
            .collect::<BTreeSet<_>>()
    });
    while let Some(group) = reader.next_group().map_err(unreadable)? {
        for entry in &group.entries {
            auditor.listed.insert(entry.path.as_str());
            if is_within(&entry.path, &auditor.outside) {
                continue;
            }
            if let Some(touched) = &names {
                if is_at_or_below(&entry.path, touched) {
                    auditor.found.damaged.insert(entry.path.clone());
                }
                continue;
            }
            let step = auditor
                .entry(entry, pace)
                .map_err(|error| DiskError::new("read", &tree.join(&entry.path), error))?;
            if step.is_break() {
                return Ok(auditor.found);
            }
        }
    }
    let began = touched.map_or_else(
        || vec![PathBuf::new()],
        |touched| touched.iter().map(|path| path.as_str().into()).collect(),
    );
    for path in began {
        auditor
            .strangers(&path)
            .map_err(|error| DiskError::new("read the directory", &tree.join(&path), error))?;
    }
    Ok(auditor.found)
}

/// Whether a file has these contents. What the disk cannot give back is damage like any other, and
/// the rest of the tree is still to be read.
fn is_whole(
    file: &mut impl io::Read,
    contents: &Sha256,
    buffer: &mut [u8],
    pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> io::Result<ControlFlow<(), bool>> {
    let mut digest = sha2::Sha256::new();
    loop {
        match file.read(buffer) {
            Ok(0) => {
                return Ok(ControlFlow::Continue(
                    Sha256::from_bytes(digest.finalize().into()) == *contents,
                ));
            }
            Ok(length) => {
                digest.update(&buffer[..length]);
                if pace(length as u64).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Err(error) if is_rot(&error) => return Ok(ControlFlow::Continue(false)),
            Err(error) => return Err(error),
        }
    }
}

// Not one by one: thousands may be touched, of a tree of a hundred thousand.
fn is_at_or_below(path: &RelativePath, touched: &BTreeSet<&str>) -> bool {
    let text = path.as_str();
    touched.contains(text)
        || text
            .match_indices('/')
            .any(|(at, _)| touched.contains(&text[..at]))
}

// The paths of an index, of which there may be millions: eight bytes for each.
#[derive(Default)]
struct Listed {
    paths: HashSet<u64>,
    hasher: RandomState,
}

impl Listed {
    fn insert(&mut self, path: &str) {
        self.paths.insert(self.hasher.hash_one(path));
    }

    fn contains(&self, path: &str) -> bool {
        self.paths.contains(&self.hasher.hash_one(path))
    }
}

struct Auditor {
    top: File,
    outside: Vec<RelativePath>,
    listed: Listed,
    found: Audit,
    buffer: Vec<u8>,
}

impl Auditor {
    fn entry(
        &mut self,
        entry: &Entry,
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let flags = match entry.kind {
            Kind::File { .. } => OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
            Kind::Directory | Kind::Link(_) => OFlags::PATH | OFlags::NOFOLLOW,
        };
        let Some(file) = self.open(Path::new(entry.path.as_str()), flags)? else {
            return Ok(self.damaged(entry));
        };
        let stat = rustix::fs::fstat(&file)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        match &entry.kind {
            Kind::File { size, contents }
                if kind == FileType::RegularFile && u64::try_from(stat.st_size) == Ok(*size) =>
            {
                // nginx makes ETags of it.
                let dated = i64::try_from(tarball::mtime(contents)) == Ok(stat.st_mtime);
                if dated {
                    self.contents(entry, file, contents, pace)
                } else {
                    Ok(self.damaged(entry))
                }
            }
            Kind::Directory if kind == FileType::Directory => Ok(ControlFlow::Continue(())),
            Kind::Link(target) if kind == FileType::Symlink => {
                let found = rustix::fs::readlinkat(&file, "", Vec::new())?;
                if found.as_bytes() == target.as_bytes() {
                    Ok(ControlFlow::Continue(()))
                } else {
                    Ok(self.damaged(entry))
                }
            }
            _ => Ok(self.damaged(entry)),
        }
    }

    fn contents(
        &mut self,
        entry: &Entry,
        file: OwnedFd,
        contents: &Sha256,
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        self.found.files += 1;
        let mut count = |bytes| {
            self.found.bytes += bytes;
            pace(bytes)
        };
        Ok(
            match is_whole(
                &mut File::from(file),
                contents,
                &mut self.buffer,
                &mut count,
            )? {
                ControlFlow::Break(()) => ControlFlow::Break(()),
                ControlFlow::Continue(true) => ControlFlow::Continue(()),
                ControlFlow::Continue(false) => self.damaged(entry),
            },
        )
    }

    // What is at `start`, or below it, and not in the index.
    fn strangers(&mut self, start: &Path) -> io::Result<()> {
        let mut pending: Vec<_> = self
            .kind(start)?
            .map(|kind| (start.to_owned(), kind))
            .into_iter()
            .collect();
        while let Some((path, kind)) = pending.pop() {
            // A name that no release can have is not in the index either.
            let known = path
                .to_str()
                .and_then(|text| text.parse::<RelativePath>().ok());
            if known
                .as_ref()
                .is_some_and(|known| is_within(known, &self.outside))
            {
                continue;
            }
            if kind != FileType::Directory {
                if !known.is_some_and(|known| self.listed.contains(known.as_str())) {
                    self.found.added.insert(path);
                }
                continue;
            }
            // It may be gone meanwhile, or something else by now.
            let Some(directory) = self.open(&path, OFlags::RDONLY | OFlags::DIRECTORY)? else {
                continue;
            };
            for entry in Dir::new(directory)? {
                let entry = entry?;
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name == "." || name == ".." {
                    continue;
                }
                let path = path.join(name);
                let kind = match entry.file_type() {
                    // Some file systems do not say.
                    FileType::Unknown => self.kind(&path)?,
                    kind => Some(kind),
                };
                pending.extend(kind.map(|kind| (path, kind)));
            }
        }
        Ok(())
    }

    // What kind of thing is there, without following a link.
    fn kind(&self, path: &Path) -> io::Result<Option<FileType>> {
        let Some(file) = self.open(path, OFlags::PATH | OFlags::NOFOLLOW)? else {
            return Ok(None);
        };
        Ok(Some(FileType::from_raw_mode(
            rustix::fs::fstat(&file)?.st_mode,
        )))
    }

    // `None` if nothing is there that is the tree's own: below a link, something is, but
    // elsewhere.
    fn open(&self, path: &Path, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        // A link at the end of the path is opened itself by PATH and NOFOLLOW.
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(
            &self.top,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            inside,
        ) {
            Ok(file) => Ok(Some(file)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn damaged(&mut self, entry: &Entry) -> ControlFlow<()> {
        self.found.damaged.insert(entry.path.clone());
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests;
