//! From verified chunks to a tree on disk, in any order and by any number of threads.

mod entries;
mod error;
mod frame;
mod header;
mod pax;
mod place;
mod reader;
mod spool;
mod tree;
mod worker;

pub use error::UnpackError;
pub use place::ChunkTarget;
pub use worker::Worker;

use parking_lot::Mutex;
use release::{RelativePath, RequiredDirectories, check_tree};
use std::{num::NonZeroUsize, panic::resume_unwind, path::Path, thread};
use tree::{Descent, Tree};
use worker::Deferred;

/// Unpacks the chunks of a release into one directory. Threads take a [`Worker`] each;
/// [`Self::finish`] comes when all chunks are in.
#[derive(Debug)]
pub struct Unpacker {
    tree: Tree,
    found: Mutex<Deferred>,
}

/// What an [`Unpacker`] put into its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Regular files.
    pub files: u64,
    /// Bytes in those files.
    pub bytes: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
}

impl Unpacker {
    /// Unpacks into `tree`, an existing directory that nobody else writes to.
    ///
    /// # Errors
    ///
    /// If it cannot be opened as a directory.
    pub fn new(tree: &Path) -> Result<Self, UnpackError> {
        Ok(Self {
            tree: Tree::open(tree)?,
            found: Mutex::default(),
        })
    }

    /// What one thread needs to unpack chunks.
    #[must_use]
    pub fn worker(&self) -> Worker<'_> {
        Worker::new(self)
    }

    fn merge(&self, found: &mut Deferred) {
        let mut all = self.found.lock();
        all.listed.append(&mut found.listed);
        all.made.append(&mut found.made);
        all.links.append(&mut found.links);
        all.files += std::mem::take(&mut found.files);
        all.bytes += std::mem::take(&mut found.bytes);
    }

    /// Decides whether the tree can be what the release `asked` for ([`check_tree`]), creates the
    /// directories of targets and the links, and dates the directories. Until then there is no link
    /// in the tree that came from a chunk, so nothing could be written through one.
    ///
    /// # Errors
    ///
    /// A link that leaves its module, that another entry's path goes through, or whose path is
    /// taken; what is in the way of a directory that was asked for; the disk.
    pub fn finish(self, asked: &RequiredDirectories<'_>) -> Result<Totals, UnpackError> {
        let Deferred {
            listed,
            made,
            mut links,
            files,
            bytes,
        } = self.found.into_inner();
        links.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        check_tree(asked, &links, &mut &self.tree)?;
        let mut descent = Descent::new(&self.tree);
        let mut implied = Vec::new();
        for target in &asked.targets {
            descent.make(target.as_str(), &mut implied)?;
        }
        for link in &links {
            let parent = descent.parent(link.path.as_str(), &mut implied)?;
            self.tree.link(parent, link.path.as_str(), &link.target)?;
        }
        let mut directories: Vec<&str> = made.iter().chain(&implied).map(String::as_str).collect();
        directories.extend(
            listed
                .iter()
                .chain(asked.targets.iter().copied())
                .map(RelativePath::as_str),
        );
        directories.sort_unstable();
        directories.dedup();
        set_mtimes(&self.tree, &directories)?;
        Ok(Totals {
            files,
            bytes,
            directories: directories.len() as u64,
            links: links.len() as u64,
        })
    }
}

/// Directories that are worth a thread of their own: dating them takes about a millisecond,
/// starting a thread a tenth of that.
const DATED_PER_THREAD: usize = 512;

/// Gives every directory the time that all have. Nothing may be made in them afterwards, so this
/// comes last.
fn set_mtimes(tree: &Tree, directories: &[&str]) -> Result<(), UnpackError> {
    let set_some = |some: &[&str]| {
        let mut descent = Descent::new(tree);
        some.iter().try_for_each(|directory| {
            tree.set_mtime_at(descent.parent(directory, &mut Vec::new())?, directory)
        })
    };
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = directories.len().div_ceil(cores).max(DATED_PER_THREAD);
    let mut shares = directories.chunks(share);
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = shares.map(|some| scope.spawn(|| set_some(some))).collect();
        let first = set_some(own);
        others.into_iter().fold(first, |result, other| {
            result.and(other.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "what a test sets up needs no failpoints"
    )]

    use super::*;
    use crate::{PackOptions, pack, scan};
    use release::Reason;
    use std::collections::BTreeSet;
    use std::{fs, os::unix::fs::symlink};

    fn unpack(
        source: &Path,
        tree: &Path,
        change: impl FnOnce(&mut Tree),
    ) -> Result<Totals, UnpackError> {
        let mut bytes = Vec::new();
        let packed = pack(
            &scan(source, &[]).unwrap(),
            &mut bytes,
            PackOptions::default(),
        )
        .unwrap();
        let mut unpacker = Unpacker::new(tree)?;
        change(&mut unpacker.tree);
        let place = ChunkTarget {
            target: None,
            replaced: &BTreeSet::new(),
            last: true,
        };
        unpacker.worker().chunk(&bytes, &packed.chunks[0], &place)?;
        unpacker.finish(&RequiredDirectories::default())
    }

    #[test]
    fn links_that_are_in_the_tree_already_are_not_followed() {
        for openat2 in [true, false] {
            let scratch = tempfile::tempdir().unwrap();
            let [source, tree, outside] =
                ["source", "tree", "outside"].map(|name| scratch.path().join(name));
            fs::create_dir_all(source.join("a")).unwrap();
            for directory in [&tree, &outside] {
                fs::create_dir(directory).unwrap();
            }
            fs::write(source.join("a/f"), "text").unwrap();
            let change = |tree: &mut Tree| {
                if !openat2 {
                    tree.without_openat2();
                }
            };
            symlink(&outside, tree.join("a")).unwrap();
            let error = unpack(&source, &tree, change).unwrap_err();
            assert_eq!(
                error.reason(),
                Reason::PathUnsafe,
                "openat2 {openat2}: {error}"
            );
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);

            fs::remove_file(tree.join("a")).unwrap();
            assert_eq!(
                unpack(&source, &tree, change).unwrap().files,
                1,
                "openat2 {openat2}"
            );
            let error = unpack(&source, &tree, change).unwrap_err();
            assert_eq!(
                error.reason(),
                Reason::Duplicate,
                "openat2 {openat2}: {error}"
            );
        }
    }

    #[test]
    fn a_chain_through_a_link_in_the_tree_is_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let [source, tree] = ["source", "tree"].map(|name| scratch.path().join(name));
        for directory in [&source, &tree] {
            fs::create_dir(directory).unwrap();
        }
        symlink("old/../x", source.join("l")).unwrap();
        symlink("deep/er", tree.join("old")).unwrap();
        assert_eq!(
            unpack(&source, &tree, |_| ()).unwrap().links,
            1,
            "deep/er/../x is inside"
        );
        fs::remove_file(tree.join("l")).unwrap();
        fs::remove_file(tree.join("old")).unwrap();
        symlink(".", tree.join("old")).unwrap();
        assert_eq!(
            unpack(&source, &tree, |_| ()).unwrap_err().reason(),
            Reason::LinkEscape,
            "./../x is not"
        );
    }
}
