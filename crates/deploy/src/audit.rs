//! Whether the files of a tree are still what was unpacked.
//!
//! The index says which paths a tree has and how large its files are, and the mtime of a file is a function of its contents
//! (`docs/formats/tarball.md`). So a tree can be looked through without the store. What this cannot notice is a change by somebody who also
//! sets the mtime that belongs to the new contents: against those, sources are mounted read-only, and this is no seal.

use crate::{
    disk::{DiskError, open_directory},
    index::{Entry, Kind, Reader},
    layout::{RELEASES, index_name},
    root::tree,
};
use release::{RelativePath, Sha256};
use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use sha2::Digest as _;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    ops::ControlFlow,
    os::fd::OwnedFd,
    path::Path,
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
}

/// Looks through the tree of `manifest` in the release root at `root`: all of it, or of `only` those that the index lists.
///
/// `pace` hears of every step how many bytes it read, and may wait or end the look.
///
/// # Errors
///
/// [`DiskError`] where the index or the tree cannot be opened or a file cannot be read: nothing is known then.
pub fn audit(
    root: &Path,
    manifest: &Sha256,
    only: Option<&BTreeSet<RelativePath>>,
    pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Audit, DiskError> {
    let (tree, index) = (tree(root, manifest), root.join(RELEASES).join(index_name(manifest)));
    let unreadable = |error| DiskError::new("read", &index, io::Error::other(error));
    let mut reader = Reader::open(&index, manifest).map_err(unreadable)?;
    let mut look = Look { top: open_directory(&tree)?, found: Audit::default(), buffer: vec![0; STEP] };
    while let Some(group) = reader.next_group().map_err(unreadable)? {
        for entry in group.entries.iter().filter(|entry| only.is_none_or(|only| only.contains(&entry.path))) {
            let step = look.entry(entry, pace).map_err(|error| DiskError::new("read", &tree.join(&entry.path), error))?;
            if step.is_break() {
                return Ok(look.found);
            }
        }
    }
    Ok(look.found)
}

struct Look {
    top: File,
    found: Audit,
    buffer: Vec<u8>,
}

impl Look {
    fn entry(&mut self, entry: &Entry, pace: &mut dyn FnMut(u64) -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
        let flags = match entry.kind {
            Kind::File(_) => OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
            // Where a link leads is not looked at: only that it is one.
            Kind::Directory | Kind::Link => OFlags::PATH | OFlags::NOFOLLOW,
        };
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened = rustix::fs::openat2(&self.top, entry.path.as_str(), flags | OFlags::CLOEXEC, Mode::empty(), inside);
        let file = match opened {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(self.damaged(entry)),
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&file)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        match entry.kind {
            Kind::File(size) if kind == FileType::RegularFile && u64::try_from(stat.st_size) == Ok(size) => {
                self.contents(entry, file, stat.st_mtime, pace)
            }
            Kind::Directory if kind == FileType::Directory => Ok(ControlFlow::Continue(())),
            Kind::Link if kind == FileType::Symlink => Ok(ControlFlow::Continue(())),
            _ => Ok(self.damaged(entry)),
        }
    }

    fn contents(
        &mut self,
        entry: &Entry,
        file: OwnedFd,
        mtime: i64,
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let (mut file, mut digest) = (File::from(file), sha2::Sha256::new());
        self.found.files += 1;
        loop {
            let length = file.read(&mut self.buffer)?;
            if length == 0 {
                break;
            }
            digest.update(&self.buffer[..length]);
            self.found.bytes += length as u64;
            if pace(length as u64).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let digest = Sha256::from_bytes(digest.finalize().into());
        if i64::try_from(tarball::mtime(&digest)) == Ok(mtime) { Ok(ControlFlow::Continue(())) } else { Ok(self.damaged(entry)) }
    }

    fn damaged(&mut self, entry: &Entry) -> ControlFlow<()> {
        self.found.damaged.insert(entry.path.clone());
        ControlFlow::Continue(())
    }
}
