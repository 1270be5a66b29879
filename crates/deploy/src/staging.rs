//! A tree in the making, which counts only once all of it is on the disk.

use crate::{
    disk::{self, DiskError, random_name},
    index::Writer,
    layout::{CURRENT, RELEASES, STAGING, link_contents},
    lock::Lock,
    removal::{Removal, remove_tree},
    root::ReleaseRoot,
};
use release::{RelativePath, Sha256};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A staging directory. Dropped before [`Staging::complete`], it is removed and gives its space
/// back.
#[derive(Debug)]
pub(crate) struct Staging {
    directory: PathBuf,
    tree: PathBuf,
    index: PathBuf,
    // Open from the start: `syncfs` on it reports every write that failed since then, also one
    // that another process saw.
    handle: File,
    // The tree is ours only as long as the lock is.
    _lock: Arc<Lock>,
    complete: bool,
}

impl ReleaseRoot {
    /// Starts a tree for `manifest`, whose index is written along; `outside` is what the index says
    /// of it ([`crate::index::Reader::outside`]).
    pub(crate) fn stage(
        &self,
        manifest: &Sha256,
        outside: &[RelativePath],
    ) -> Result<(Staging, Writer), DiskError> {
        let directory = self.path.join(STAGING).join(random_name());
        disk::ensure_directory(&directory)?;
        let handle = disk::open_directory(&directory)?;
        let (tree, index) = (directory.join("tree"), directory.join("index"));
        let staging = Staging {
            directory,
            tree,
            index,
            handle,
            _lock: Arc::clone(&self.lock),
            complete: false,
        };
        disk::ensure_directory(&staging.tree)?;
        let writer = Writer::new(
            disk::create_file(&staging.index)?,
            &staging.index,
            manifest,
            outside,
        )?;
        Ok((staging, writer))
    }

    /// Puts a staged tree into the place of the tree of the same manifest, in one step for its
    /// readers.
    ///
    /// Either index describes either tree, as both are of one manifest: a crash between the two
    /// renames does no harm. What the shop wrote into the directories `written` goes over to the
    /// new tree, as far as it can: a crash before that makes them empty, as a switch does.
    pub(crate) fn exchange(
        &self,
        mut staging: Staging,
        writer: Writer,
        manifest: &Sha256,
        written: &[RelativePath],
    ) -> Result<(), DiskError> {
        let (tree, index) = (self.tree(manifest), self.index(manifest));
        writer.finish()?;
        disk::sync_file_system(&staging.handle, &staging.directory)?;
        let carry_all = |from: &Path, to: &Path| {
            for path in written {
                if let Err(error) = carry(from, to, path) {
                    tracing::warn!(%path, %error, "a writable directory of the repaired tree starts empty");
                }
            }
        };
        match disk::exchange(&staging.tree, &tree) {
            Ok(()) => carry_all(&staging.tree, &tree),
            Err(error) if error.is_across() => {
                carry_all(&tree, &staging.tree);
                self.supplant(&staging, manifest, error)?;
            }
            Err(error) => return Err(error),
        }
        disk::rename(&staging.index, &index)?;
        disk::sync_directory(&self.path.join(RELEASES))?;
        // With the tree that was there.
        staging.complete = true;
        remove_tree(&staging.directory).map(drop)
    }

    /// The same where the tree that is there came with a container's image: overlayfs lets nobody
    /// rename a directory of a lower layer, but remove it.
    ///
    /// ```text
    ///  current → staging/x/tree     readers see the new tree
    ///  releases/y: removed, then a link to staging/x/tree
    ///  these two exchange names     staging/x/tree now links to releases/y, so current leads on
    ///  current → releases/y
    /// ```
    ///
    /// Every step is one for readers. A crash in between leaves a tree that lacks files, which the
    /// agent's scan finds and puts back.
    fn supplant(
        &self,
        staging: &Staging,
        manifest: &Sha256,
        error: DiskError,
    ) -> Result<(), DiskError> {
        let (tree, temporaries) = (self.tree(manifest), self.path.join(STAGING));
        let Some(random) = staging.directory.file_name() else {
            return Err(error);
        };
        // From `current`, which is beside `staging`.
        let inside = Path::new(STAGING).join(random).join("tree");
        let runs = self.is_active(manifest);
        if runs {
            disk::replace_link(&temporaries, &self.path.join(CURRENT), &inside)?;
        }
        if let Removal::Mounted(mount) = remove_tree(&tree)? {
            tracing::warn!(path = %mount.display(), "a tree of the image cannot be replaced: something is mounted in it");
            return Err(error);
        }
        // It leads somewhere once it is where the tree was made, two directories below the root.
        disk::replace_link(
            &temporaries,
            &tree,
            &Path::new("../..").join(link_contents(manifest)),
        )?;
        disk::exchange(&staging.tree, &tree)?;
        if runs {
            self.point(manifest)?;
        }
        Ok(())
    }

    /// Makes a staged tree count: everything in it is durable before it gets its name.
    pub(crate) fn complete(
        &self,
        mut staging: Staging,
        writer: Writer,
        manifest: &Sha256,
    ) -> Result<(), DiskError> {
        let (tree, index) = (self.tree(manifest), self.index(manifest));
        if tree.symlink_metadata().is_ok() {
            // Another manifest with the same 16 digits; `rename` would replace its index before it
            // fails on the tree.
            return Err(DiskError::new(
                "rename to",
                &tree,
                io::ErrorKind::AlreadyExists,
            ));
        }
        writer.finish()?;
        disk::sync_file_system(&staging.handle, &staging.directory)?;
        let releases = self.path.join(RELEASES);
        disk::rename(&staging.index, &index)?;
        disk::sync_directory(&releases)?;
        disk::rename(&staging.tree, &tree)?;
        disk::sync_directory(&releases)?;
        staging.complete = true;
        // Only the directory itself is left.
        remove_tree(&staging.directory).map(drop)
    }
}

/// Gives the directory at `path` of the tree `from` to the tree `to`, and the one that is there in
/// exchange; nothing if it is none.
///
/// The tree that it comes from is one that somebody damaged: no link in it is followed.
fn carry(from: &Path, to: &Path, path: &RelativePath) -> Result<(), DiskError> {
    let place = to.join(path);
    let parent = |tree: &Path| {
        let above = path.parent().unwrap_or(".");
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = disk::open_directory(tree)?;
        rustix::fs::openat2(&top, above, flags, Mode::empty(), inside)
            .map_err(|error| DiskError::new("open the directory above", &tree.join(path), error))
    };
    let (old, new) = (parent(from)?, parent(to)?);
    let stat = rustix::fs::statat(&old, path.name(), AtFlags::SYMLINK_NOFOLLOW);
    let stat = stat.map_err(|error| DiskError::new("look at", &from.join(path), error))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(DiskError::new(
            "keep",
            &from.join(path),
            io::ErrorKind::NotADirectory,
        ));
    }
    disk::attempt("deploy.tree.carry", "exchange", &place, || {
        rustix::fs::renameat_with(&old, path.name(), &new, path.name(), RenameFlags::EXCHANGE)
    })
}

impl Staging {
    /// Where the tree grows.
    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    /// Whether the tree's file system takes names for one that differ in case only. Asked by doing
    /// it: what a file system says of itself differs between kinds, directories and mounts.
    pub(crate) fn folds_case(&self) -> Result<bool, DiskError> {
        let [lower, upper] = ["case", "CASE"].map(|name| self.directory.join(name));
        disk::create_file(&lower)?;
        let folds = match upper.symlink_metadata() {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(DiskError::new("look at", &upper, error)),
        };
        disk::remove_file(&lower)?;
        Ok(folds)
    }

    /// A new file for bytes that do not fit in memory. It has no name once this returns, so nothing
    /// is left of it.
    pub(crate) fn spool(&self) -> Result<File, DiskError> {
        let path = self.directory.join(random_name());
        let file = disk::create_file(&path)?;
        disk::remove_file(&path)?;
        Ok(file)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.complete
            && let Err(error) = remove_tree(&self.directory)
        {
            tracing::warn!(path = %self.directory.display(), %error, "a staging directory stays until the next start");
        }
    }
}
