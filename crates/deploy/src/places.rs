//! Directories outside of the release root in which trees have something: the shop's storage, its
//! writable volume, its configuration.

use crate::{
    configuration::{Configuration, ConfigurationError, Filled},
    disk::{self, DiskError, names},
    index,
    layout::TreeEntry,
    place::DirectoryError,
    writable::{self, Volume},
};
use release::{Reason, RelativePath};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::File,
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};
use tracing::warn;

/// Where trees lead to. Each but the storage is of one release root alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Where the shop's storage is mounted: trees link their shared directories to it.
    pub storage: Option<PathBuf>,
    /// The volume of the directories that the shop writes; without it they are in the trees.
    pub writable: Option<PathBuf>,
    /// The shop's configuration files, which each tree has its own of.
    pub configuration: Option<Configuration>,
}

/// Two places that must not be in each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{one} and {other} are within one another: what Longshore keeps and empties in the one must \
     not be in the other; put them beside each other"
)]
pub struct Conflict {
    one: String,
    other: String,
}

/// The path without links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let there = path
        .ancestors()
        .find_map(|above| Some((above, above.canonicalize().ok()?)));
    there.map_or_else(
        || path.to_owned(),
        |(above, real)| {
            path.strip_prefix(above)
                .map_or_else(|_| real.clone(), |rest| real.join(rest))
        },
    )
}

/// Why something that a tree leads to is not there.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A directory cannot be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The shop's configuration cannot be filled in.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

impl From<DiskError> for PlaceError {
    fn from(error: DiskError) -> Self {
        Self::Directory(error.into())
    }
}

impl PlaceError {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Directory(error) => error.reason(),
            Self::Configuration(error) => error.reason(),
        }
    }
}

/// What a tree that is there leads to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Leads {
    writable: Vec<RelativePath>,
    kept: Vec<RelativePath>,
    configured: Vec<RelativePath>,
}

impl Places {
    /// The first two of all places of a pod of which one is in the other, or the same: what is the
    /// one's to empty is the other's to keep. `cache` is the node's cache, `store` a store that is
    /// a directory.
    pub(crate) fn conflict(
        &self,
        root: &Path,
        cache: Option<&Path>,
        store: Option<&Path>,
    ) -> Option<Conflict> {
        let all = [
            ("the release root", Some(root)),
            ("the storage", self.storage.as_deref()),
            ("the writable volume", self.writable.as_deref()),
            (
                "the directory of configuration files",
                self.configuration
                    .as_ref()
                    .map(|configuration| configuration.configured.as_path()),
            ),
            (
                "the directory of templates",
                self.configuration
                    .as_ref()
                    .map(|configuration| configuration.templates.as_path()),
            ),
            ("the node cache", cache),
            ("the store", store),
        ];
        let all: Vec<_> = all
            .into_iter()
            .filter_map(|(what, path)| path.map(|path| (what, path, resolved(path))))
            .collect();
        for (at, (one, path, real)) in all.iter().enumerate() {
            let other = all[..at]
                .iter()
                .find(|(_, _, other)| other.starts_with(real) || real.starts_with(other));
            if let Some((other, other_path, _)) = other {
                return Some(Conflict {
                    one: format!("{one} {}", path.display()),
                    other: format!("{other} {}", other_path.display()),
                });
            }
        }
        None
    }

    // Those that have a directory for each tree.
    fn release_paths(&self) -> impl Iterator<Item = &Path> {
        let configured = self
            .configuration
            .as_ref()
            .map(|configuration| &configuration.configured);
        self.writable.iter().chain(configured).map(PathBuf::as_path)
    }

    /// Removes what the tree `short` had, which is gone.
    ///
    /// The shop may write there, and so may hold it up: that costs its own volume's space, and
    /// nothing else waits for it.
    pub(crate) fn forget(&self, short: &str) {
        for place in self.release_paths() {
            if let Err(error) = writable::remove(place, short)
                && error.kind() != io::ErrorKind::NotFound
            {
                warn!(
                    path = %place.join(short).display(),
                    %error,
                    "what an old tree had outside of it stays for now"
                );
            }
        }
    }

    /// Removes what is of none of the `trees`: a crash, or somebody who removed a tree by hand,
    /// left it.
    pub(crate) fn sweep(&self, trees: &BTreeSet<String>) {
        for place in self.release_paths() {
            let found = match names(place) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    warn!(%error, "what old trees left is not looked for");
                    continue;
                }
            };
            for name in found {
                if matches!(TreeEntry::parse(&name), Some(TreeEntry::Tree(short)) if !trees.contains(&short))
                {
                    self.forget(&name);
                }
            }
        }
    }

    /// Makes again what the tree `short` in `releases` leads to and is not there: the volumes may
    /// be younger than the tree.
    pub(crate) fn restore(&self, releases: &Path, short: &str) -> Result<(), PlaceError> {
        if self.writable.is_none() && self.configuration.is_none() {
            return Ok(());
        }
        let index = releases.join(format!("{short}.index"));
        let outside = match index::Reader::begin(&index) {
            Ok((_, reader)) => reader.outside().to_vec(),
            Err(error) => {
                warn!(path = %index.display(), %error, "nobody can tell what this tree leads to");
                return Ok(());
            }
        };
        let tree = releases.join(short);
        let top = disk::open_directory(&tree)?;
        let leads = self.leads(&top, &tree, short, &outside)?;
        if let Some(configuration) = &self.configuration
            && !leads.configured.is_empty()
        {
            let filled: Filled = configuration.fill(short, &leads.configured)?;
            filled.write(&configuration.configured, short)?;
        }
        if let Some(path) = &self.writable
            && !(leads.writable.is_empty() && leads.kept.is_empty())
        {
            let mut volume = Volume::open(path)?;
            for path in &leads.kept {
                volume.keep(path)?;
            }
            for path in &leads.writable {
                let shipped = writable::shipped(&top, path);
                let shipped = shipped.map_err(|error| {
                    DiskError::new("open the directory", &tree.join(path), error)
                })?;
                volume.provide(short, path, shipped.as_ref())?;
            }
        }
        Ok(())
    }

    // The links of the tree say it.
    fn leads(
        &self,
        top: &File,
        tree: &Path,
        short: &str,
        outside: &[RelativePath],
    ) -> Result<Leads, DiskError> {
        let mut leads = Leads::default();
        for path in outside {
            let Some(target) = link(top, path)
                .map_err(|error| DiskError::new("read the link", &tree.join(path), error))?
            else {
                continue;
            };
            let is = |place: PathBuf| place == target;
            if self
                .writable
                .as_ref()
                .is_some_and(|volume| is(writable::release_directory(volume, short, path)))
            {
                leads.writable.push(path.clone());
            } else if self
                .writable
                .as_ref()
                .is_some_and(|volume| is(writable::kept(volume, path)))
            {
                leads.kept.push(path.clone());
            } else if self
                .configuration
                .as_ref()
                .is_some_and(|it| is(it.configured.join(short).join(path)))
            {
                leads.configured.push(path.clone());
            }
        }
        Ok(leads)
    }
}

/// Where the link at `path` of a tree leads, if it is one that is in the tree itself.
fn link(top: &File, path: &RelativePath) -> rustix::io::Result<Option<PathBuf>> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = match rustix::fs::openat2(
        top,
        path.parent().unwrap_or("."),
        flags,
        Mode::empty(),
        inside,
    ) {
        Ok(above) => above,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error),
    };
    match rustix::fs::readlinkat(&above, path.name(), Vec::new()) {
        Ok(target) => Ok(Some(OsStr::from_bytes(target.as_bytes()).into())),
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
