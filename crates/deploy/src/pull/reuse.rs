//! Linking what did not change from the active tree into the staged one, so that it is neither
//! downloaded nor written.
//!
//! A file is linked only as the index describes it: a regular file of that size with the mtime that
//! its contents' digest gives, to the nanosecond. Whoever changed a file in place gave it today's
//! mtime, and so its chunk is downloaded instead. So is every chunk of which anything cannot be
//! linked: another file system, too many links, a file that is gone. What changed on the disk
//! beneath all of that is found by the agent, which reads its whole tree again and again
//! ([`crate::audit()`]).

use super::{
    PullError,
    unpack_pool::{self, UnpackPool},
};
use crate::{
    directories::{is_within, outside},
    disk::{DiskError, open_directory},
    index::{Entry, Group, Key, Kind, Reader},
    root::ReleaseRoot,
};
use parking_lot::Mutex;
use release::{Reason, RelativePath, Sha256};
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use std::{
    collections::{BTreeSet, HashSet},
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
use tarball::{UnpackError, Unpacked, Unpacker, Worker};
use tracing::{debug, warn};

/// The tree that is active while another is made.
#[derive(Debug)]
pub(crate) struct Previous {
    manifest: Sha256,
    tree: PathBuf,
    index: PathBuf,
}

/// What was linked.
#[derive(Debug, Default)]
pub(crate) struct Reused {
    pub(crate) keys: HashSet<Key>,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Previous {
    /// The active tree of `root`, if there is one.
    pub(crate) fn open(root: &ReleaseRoot) -> Option<Self> {
        let manifest = root.state().active.as_ref()?.manifest;
        Some(Self {
            manifest,
            tree: root.tree(&manifest),
            index: root.index(&manifest),
        })
    }

    /// Links the chunks that `pool` needs, with `threads` workers; none of which a path is known to
    /// be damaged. An index that cannot be read only means fewer links.
    pub(crate) fn link(
        &self,
        pool: &UnpackPool,
        unpacker: &Unpacker,
        damaged: Option<&BTreeSet<RelativePath>>,
        threads: usize,
    ) -> Result<Reused, PullError> {
        let wanted: HashSet<_> = pool.keys.iter().flatten().collect();
        let mut not_ours = outside(&pool.manifest);
        let reader = match Reader::open(&self.index, &self.manifest) {
            Ok(reader) => {
                not_ours.extend(reader.outside().iter().cloned());
                Mutex::new(Some(reader))
            }
            Err(error) => {
                warn!(
                    path = %self.index.display(),
                    %error,
                    "nothing is linked from the active tree"
                );
                return Ok(Reused::default());
            }
        };
        let top = open_directory(&self.tree)?;
        let (reused, failed) = (Mutex::new(Reused::default()), Mutex::new(None));
        unpack_pool::run(threads, || {
            let old = OldTree {
                top: &top,
                at: None,
            };
            let mut linker = Linker {
                old,
                worker: unpacker.worker(),
                tree: pool.staging.tree(),
            };
            while let Some(group) = self.next(&reader) {
                if pool.halt.is_cancelled() || failed.lock().is_some() {
                    return;
                }
                let excluded = |entry: &Entry| {
                    is_within(&entry.path, &not_ours)
                        || damaged.is_some_and(|damaged| damaged.contains(&entry.path))
                };
                if !wanted.contains(&group.key) || group.entries.iter().any(excluded) {
                    continue;
                }
                if let Err(error) = linker.take(group, pool, &reused) {
                    failed.lock().get_or_insert(error);
                }
            }
        });
        let failed = failed.lock().take();
        match failed {
            Some(error) => Err(error),
            None if pool.halt.is_cancelled() => Err(PullError::Interrupted),
            None => Ok(reused.into_inner()),
        }
    }

    fn next(&self, reader: &Mutex<Option<Reader>>) -> Option<Group> {
        let mut reader = reader.lock();
        match reader.as_mut()?.next_group() {
            Ok(Some(group)) => Some(group),
            Ok(None) => None,
            Err(error) => {
                warn!(
                    path = %self.index.display(),
                    %error,
                    "the rest of the active tree is not linked"
                );
                *reader = None;
                None
            }
        }
    }
}

// Why a chunk is downloaded instead.
#[derive(Debug, thiserror::Error)]
enum NotLinked {
    #[error("it is not as the index describes it")]
    Changed,
    #[error(transparent)]
    Old(#[from] Errno),
    #[error(transparent)]
    New(#[from] UnpackError),
    #[error(transparent)]
    Failpoint(#[from] io::Error),
}

// One worker.
struct Linker<'a> {
    old: OldTree<'a>,
    worker: Worker<'a>,
    tree: &'a Path,
}

// Keeps the directory open in which it was last.
struct OldTree<'a> {
    top: &'a File,
    at: Option<(String, OwnedFd)>,
}

impl OldTree<'_> {
    fn directory(&mut self, path: Option<&str>) -> Result<&OwnedFd, Errno> {
        let path = path.unwrap_or(".");
        if self.at.as_ref().is_none_or(|(at, _)| at != path) {
            let directory = rustix::fs::openat2(self.top, path, DIRECTORY, Mode::empty(), INSIDE)?;
            self.at = Some((path.to_owned(), directory));
        }
        self.at
            .as_ref()
            .map(|(_, directory)| directory)
            .ok_or(Errno::NOENT)
    }
}

impl Linker<'_> {
    fn take(
        &mut self,
        group: Group,
        pool: &UnpackPool,
        reused: &Mutex<Reused>,
    ) -> Result<(), PullError> {
        let mut made = Vec::new();
        for entry in &group.entries {
            let done = match entry.kind {
                Kind::Directory => self.directory(&entry.path),
                Kind::File { size, contents } => self
                    .file(&entry.path, size, &contents)
                    .inspect(|()| made.push(&entry.path)),
                Kind::Link(ref target) => self.leads_to(&entry.path, target),
            };
            match done {
                Ok(()) => {}
                // What fails here would fail for the download, too.
                Err(NotLinked::New(error)) if error.reason() == Reason::Disk => {
                    return Err(PullError::Tree(Box::new(error)));
                }
                Err(error) => {
                    debug!(
                        path = %entry.path,
                        %error,
                        "a chunk is downloaded, as a path of it cannot be linked"
                    );
                    return Ok(self.undo(&made)?);
                }
            }
        }
        pool.writer.lock().group(&group.key, &group.entries)?;
        let mut reused = reused.lock();
        reused.keys.insert(group.key.clone());
        let mut adopted = Vec::with_capacity(group.entries.len());
        for Entry { path, kind } in group.entries {
            let none = Sha256::digest(b"");
            let (kind, contents) = match kind {
                Kind::Directory => (tarball::Kind::Directory, none),
                Kind::Link(target) => (tarball::Kind::Link { target }, none),
                Kind::File { size, contents } => {
                    reused.files += 1;
                    reused.bytes += size;
                    (
                        tarball::Kind::File {
                            size,
                            executable: false,
                        },
                        contents,
                    )
                }
            };
            adopted.push(Unpacked {
                path,
                kind,
                contents,
            });
        }
        self.worker.adopt(adopted, group.key.target.as_ref());
        Ok(())
    }

    // Also in the old tree, as it is to be a directory there.
    fn directory(&mut self, path: &RelativePath) -> Result<(), NotLinked> {
        self.old.directory(Some(path.as_str()))?;
        Ok(self.worker.make_directory(path)?)
    }

    fn file(&mut self, path: &RelativePath, size: u64, contents: &Sha256) -> Result<(), NotLinked> {
        let old = self.old.directory(path.parent())?;
        let found = rustix::fs::statat(old, path.name(), AtFlags::SYMLINK_NOFOLLOW)?;
        let dated = i64::try_from(tarball::mtime(contents)) == Ok(found.st_mtime)
            && found.st_mtime_nsec == 0;
        let regular = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        if !regular || u64::try_from(found.st_size) != Ok(size) || !dated {
            return Err(NotLinked::Changed);
        }
        let new = self.worker.parent(path)?;
        failpoint::hit("deploy.reuse.link")?;
        Ok(rustix::fs::linkat(
            old,
            path.name(),
            new,
            path.name(),
            AtFlags::empty(),
        )?)
    }

    fn leads_to(&mut self, path: &RelativePath, target: &str) -> Result<(), NotLinked> {
        let old = self.old.directory(path.parent())?;
        let found = rustix::fs::readlinkat(old, path.name(), Vec::new())?;
        if found.as_bytes() == target.as_bytes() {
            Ok(())
        } else {
            Err(NotLinked::Changed)
        }
    }

    // The chunk is unpacked instead, which refuses to find files in its way. Directories may stay.
    fn undo(&self, made: &[&RelativePath]) -> Result<(), DiskError> {
        for path in made {
            crate::disk::remove_file(&self.tree.join(path))?;
        }
        Ok(())
    }
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);
