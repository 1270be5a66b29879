//! The directories that a release asks for besides its modules: shared, writable, and kept ones.
//!
//! - *shared*: a link to where the shop's storage is mounted, outside of the release root; without
//!   such a place, an empty directory. A link, as whoever removes a tree or the whole root
//!   recursively must never come through it to the shop's files. If the path is one of the
//!   shop's configuration files, the link leads to this release's own copy of it
//!   ([`crate::configuration`]).
//! - *writable*: a directory of each release, so that none ever meets what another compiled: on the
//!   shop's writable volume ([`crate::writable`]), and the tree has a link; without a volume, in
//!   the tree.
//! - *kept*: a link to a directory that outlives every release and which nothing here ever removes:
//!   `kept/<path>` of the writable volume, or of the release root.
//!
//! Writable and kept directories have mode 2775 and the group of the volume's or the release root's
//! directory. In a pod that is the fsGroup, which every container of the pod has, so php-fpm may
//! write there under its own user, while nobody else on the node may.

use crate::{
    configuration::Filled,
    disk::{self, DiskError, attempt},
    place::{BaseDirectory, Contents, DirectoryError, Owner, enter},
    places::Places,
    writable::{self, Volume},
};
use release::{Manifest, RelativePath, aside, limits::MTIME_BASE};
use rustix::{
    fs::{AtFlags, OFlags, Timespec, Timestamps},
    io::Errno,
};
use std::{
    collections::BTreeSet,
    fs::File,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

/// The paths of a tree of `manifest` that, with all below them, are not the release's own: the shop
/// may write there, so they are neither looked after nor linked into another tree.
pub(crate) fn outside(manifest: &Manifest) -> Vec<RelativePath> {
    let elsewhere = || {
        manifest
            .shared
            .iter()
            .chain(manifest.writable.iter().map(|writable| &writable.path))
    };
    elsewhere()
        .filter_map(aside)
        .chain(elsewhere().cloned())
        .collect()
}

/// The directories in a tree of `manifest` that it has for itself and the shop writes.
pub(crate) fn written(manifest: &Manifest) -> Vec<RelativePath> {
    manifest
        .writable
        .iter()
        .filter(|writable| !writable.keep)
        .map(|writable| writable.path.clone())
        .collect()
}

/// Whether `path` is one of `places`, or below one.
pub(crate) fn is_within(path: &RelativePath, places: &[RelativePath]) -> bool {
    places.iter().any(|place| path.is_within(place))
}

/// A tree that was just unpacked, and what it is to get.
#[derive(Debug)]
pub(crate) struct Making<'a> {
    /// The release root.
    pub(crate) root: &'a Path,
    /// The staged tree.
    pub(crate) tree: &'a Path,
    /// The name that the tree will have.
    pub(crate) short: &'a str,
    pub(crate) manifest: &'a Manifest,
    pub(crate) places: &'a Places,
    pub(crate) filled: &'a Filled,
    /// It takes the place of the same tree, whose writable directories stay.
    pub(crate) again: bool,
}

impl Making<'_> {
    /// Makes what the manifest asks for.
    pub(crate) fn make(&self) -> Result<(), DirectoryError> {
        let group = self
            .root
            .metadata()
            .map_err(|error| DiskError::new("look at", self.root, error))?
            .gid();
        let top = disk::open_directory(self.tree)?;
        let place = BaseDirectory {
            top: &top,
            above: self.tree,
            owner: Owner::Release,
        };
        if let Some(configuration) = &self.places.configuration {
            self.filled.write(&configuration.configured, self.short)?;
        }
        for path in &self.manifest.shared {
            match self.shared(path) {
                Some(target) => place.link(path, &target, Contents::SetAside)?,
                None => drop(place.directory(path)?),
            }
        }
        let inside = |keep: bool| !keep && self.places.writable.is_none();
        for writable in &self.manifest.writable {
            if inside(writable.keep) {
                place.open_to(&writable.path, group)?;
            } else {
                // As it may hold shared ones, which have their time before it is elsewhere.
                place.directory(&writable.path)?;
            }
        }
        let modules = self
            .manifest
            .modules
            .iter()
            .filter_map(|module| module.target.as_ref());
        let writable = || self.manifest.writable.iter().map(|writable| &writable.path);
        set_mtimes(
            &top,
            self.tree,
            modules.chain(&self.manifest.shared).chain(writable()),
        )?;
        self.lead_out(place)?;
        set_mtimes(&top, self.tree, writable())
    }

    fn shared(&self, path: &RelativePath) -> Option<PathBuf> {
        let configured = self
            .places
            .configuration
            .as_ref()
            .filter(|_| self.filled.has(path));
        match configured {
            Some(configuration) => Some(configuration.configured.join(self.short).join(path)),
            None => self
                .places
                .storage
                .as_ref()
                .map(|storage| storage.join(path)),
        }
    }

    /// Makes the writable directories that are not in the tree, and links that lead there.
    fn lead_out(&self, place: BaseDirectory<'_>) -> Result<(), DirectoryError> {
        let Some(volume) = &self.places.writable else {
            let group = self
                .root
                .metadata()
                .map_err(|error| DiskError::new("look at", self.root, error))?
                .gid();
            let kept = self.root.join(crate::layout::KEPT);
            for writable in self
                .manifest
                .writable
                .iter()
                .filter(|writable| writable.keep)
            {
                disk::ensure_directory(&kept)?;
                let outlives = BaseDirectory {
                    top: &disk::open_directory(&kept)?,
                    above: &kept,
                    owner: Owner::Release,
                };
                outlives.open_to(&writable.path, group)?;
                place.link(
                    &writable.path,
                    Path::new(&link_contents(&writable.path)),
                    Contents::Refused,
                )?;
            }
            return Ok(());
        };
        let mut open = Volume::open(volume)?;
        if !self.again {
            open.clear(self.short)?;
        }
        for writable in &self.manifest.writable {
            let path = &writable.path;
            if writable.keep {
                open.keep(path)?;
                place.link(path, &writable::kept(volume, path), Contents::Refused)?;
            } else {
                place.link(
                    path,
                    &writable::release_directory(volume, self.short, path),
                    Contents::SetAside,
                )?;
                let shipped = writable::shipped(place.top, path);
                let shipped = shipped.map_err(|error| {
                    DiskError::new("open the directory", &self.tree.join(path), error)
                })?;
                open.provide(self.short, path, shipped.as_ref())?;
            }
        }
        Ok(())
    }
}

/// Gives the tree's top, `named` paths and those above them the time that tar entries of
/// directories have: so two trees of one manifest are the same, however each came to be. What is
/// behind a link is the shop's own, and no business of ours.
fn set_mtimes<'a>(
    top: &File,
    tree: &Path,
    named: impl Iterator<Item = &'a RelativePath>,
) -> Result<(), DirectoryError> {
    let time = Timespec {
        tv_sec: MTIME_BASE.cast_signed(),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    let set = |directory: BorrowedFd<'_>, name: &str, path: &str| {
        attempt(
            "deploy.directory.date",
            "set the time of",
            &tree.join(path),
            || rustix::fs::utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW),
        )
    };
    let with_those_above = |path: &'a RelativePath| {
        path.as_str()
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([path.as_str().len()])
    };
    let dated: BTreeSet<&str> = named
        .flat_map(|path| with_those_above(path).map(|end| &path.as_str()[..end]))
        .collect();
    for path in dated {
        let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
        match enter(top, above, OFlags::PATH) {
            Ok(directory) => set(directory.as_fd(), name, path)?,
            Err(Errno::LOOP | Errno::NOTDIR) => {}
            Err(error) => {
                return Err(DiskError::new("open the directory", &tree.join(above), error).into());
            }
        }
    }
    Ok(set(top.as_fd(), ".", ".")?)
}

// From releases/<short>/<path's directory> up to the root, and down into kept/.
fn link_contents(path: &RelativePath) -> String {
    let up = path.as_str().split('/').count() + 1;
    format!("{}{}/{path}", "../".repeat(up), crate::layout::KEPT)
}

#[cfg(test)]
mod tests;
