//! The release root: one writer, and every change in an order that a crash at any instruction
//! leaves usable.
//!
//! An activation changes three things, each durable before the next starts:
//!
//! ```text
//!  1. the tree      staging/<random>/ → syncfs → releases/<short>.index → releases/<short>/
//!                   a tree counts only with its index
//!  2. state.json    active = new, previous = old, accepted = the higher sequence; by rename
//!  3. current       → releases/<short>; by rename
//! ```
//!
//! `state.json` is the intended state, and `current` is what readers see. The state comes first, so
//! that the floor that stops replays is on the disk before any reader can see the release that
//! raised it. A crash before 2 leaves the old release and a complete tree, which the next pull
//! activates without a download. After a crash between 2 and 3 the next start finishes the
//! activation, because the release was verified and accepted. `current` names a complete tree at
//! every moment, and the accepted sequence never falls.
//!
//! A tree is removed in the reverse order: its index first, durably, so that a half-removed tree
//! never counts as complete.

mod error;

pub use error::RootError;

use crate::{
    disk::{self, DiskError, names},
    index,
    layout::{CURRENT, RELEASES, STAGING, STATE, TreeEntry, index_name, link_contents},
    lock::{Lock, Locking},
    places::Places,
    removal::{Removal, remove_tree},
    retention::{Scope, removable},
    state::{ActiveRelease, State, Target},
};
use jiff::Timestamp;
use release::Sha256;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A release root that this process may change: it holds the lock.
#[derive(Debug)]
pub struct ReleaseRoot {
    pub(crate) path: PathBuf,
    pub(crate) lock: Arc<Lock>,
    pub(crate) state: State,
    pub(crate) places: Places,
}

impl ReleaseRoot {
    /// Opens the release root at `path`, an absolute path: makes what is missing, takes the lock,
    /// removes what a crash left, and finishes an interrupted activation.
    ///
    /// # Errors
    ///
    /// [`RootError::Busy`] where another process has it open, without waiting; [`RootError::State`]
    /// where `state.json` is damaged, before anything is changed; otherwise what is wrong with the
    /// path or the disk.
    pub fn open(path: &Path) -> Result<Self, RootError> {
        Self::open_with(path, &Places::default())
    }

    /// The same for a root whose trees lead to `places`: what these have of trees that are gone is
    /// removed, too.
    ///
    /// # Errors
    ///
    /// As [`ReleaseRoot::open`], and [`RootError::Within`].
    pub fn open_with(path: &Path, places: &Places) -> Result<Self, RootError> {
        if let Some(conflict) = places.conflict(path, None, None) {
            return Err(conflict.into());
        }
        let path = make(path)?;
        let lock = match Lock::try_lock(&path.join(crate::layout::LOCK))? {
            Locking::Held(lock) => Arc::new(lock),
            Locking::Busy(holder) => return Err(RootError::Busy { path, holder }),
        };
        let state = read_state(&path)?;
        for name in [RELEASES, STAGING] {
            disk::ensure_directory(&path.join(name))?;
        }
        let mut root = Self {
            path,
            lock,
            state,
            places: places.clone(),
        };
        root.recover()?;
        Ok(root)
    }

    /// Where it is, without links on the way.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it remembers.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether `manifest`'s whole tree is on the disk.
    #[must_use]
    pub fn is_complete(&self, manifest: &Sha256) -> bool {
        let known = [&self.state.active, &self.state.previous]
            .into_iter()
            .flatten()
            .any(|it| it.manifest == *manifest);
        self.tree(manifest).is_dir()
            && (known || index::Reader::open(&self.index(manifest), manifest).is_ok())
    }

    /// Whether `manifest` is active, and `current` says so.
    #[must_use]
    pub fn is_active(&self, manifest: &Sha256) -> bool {
        self.state
            .active
            .as_ref()
            .is_some_and(|active| active.manifest == *manifest)
            && self.is_complete(manifest)
            && read_current(&self.path).is_some_and(|current| current == link_contents(manifest))
    }

    /// Makes `target` the active release; its tree is complete and it was accepted by the policy,
    /// or chosen by an operator.
    ///
    /// The highest accepted sequence stays what it is where `target` is older. Doing it again
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// If the tree is not there or the disk refuses. Readers then still see the release that
    /// they saw before; after a failure of the last step the next [`ReleaseRoot::open`] finishes
    /// the activation.
    pub fn activate(&mut self, target: &Target, now: Timestamp) -> Result<(), RootError> {
        if !self.is_complete(&target.manifest) {
            return Err(RootError::Incomplete(target.manifest));
        }
        self.remember(self.state.activated(target, now))?;
        self.point(&target.manifest)?;
        Ok(())
    }

    /// As [`Self::activate`], but on trial: until [`Self::keep`], a restart knows that nobody has
    /// yet seen the shop work with it.
    ///
    /// # Errors
    ///
    /// As [`Self::activate`].
    pub fn try_out(&mut self, target: &Target, now: Timestamp) -> Result<(), RootError> {
        if !self.is_complete(&target.manifest) {
            return Err(RootError::Incomplete(target.manifest));
        }
        self.remember(self.state.activated_on_trial(target, now))?;
        self.point(&target.manifest)?;
        Ok(())
    }

    /// Ends the trial of the active release well.
    ///
    /// # Errors
    ///
    /// If the disk refuses: it is then still on trial.
    pub fn keep(&mut self) -> Result<(), RootError> {
        self.remember(self.state.kept())
    }

    /// Makes the release before the active one active again, and says which that is; nothing
    /// changes if there is none. Whether the other one is rejected is said by [`Self::reject`].
    ///
    /// # Errors
    ///
    /// As [`Self::activate`].
    pub fn go_back(&mut self, now: Timestamp) -> Result<Option<ActiveRelease>, RootError> {
        let Some(next) = self.state.gone_back(now) else {
            return Ok(None);
        };
        let Some(active) = next
            .active
            .clone()
            .filter(|active| self.is_complete(&active.manifest))
        else {
            return Ok(None);
        };
        self.remember(next)?;
        self.point(&active.manifest)?;
        Ok(Some(active))
    }

    /// Takes `manifest` off the rejected list: an operator wants it tried again.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub fn allow(&mut self, manifest: &Sha256) -> Result<(), RootError> {
        self.remember(self.state.without_rejected(manifest))
    }

    /// Puts `manifest` on the rejected list: the policy refuses to activate it again.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub fn reject(
        &mut self,
        manifest: Sha256,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), RootError> {
        self.remember(self.state.with_rejected(manifest, reason, now))
    }

    /// Removes every tree but the active one, the previous one and the one that `current` names,
    /// and returns the short names of those that went. A tree with something mounted in it stays
    /// until a later call.
    ///
    /// # Errors
    ///
    /// If the disk refuses; what is left half-removed is removed at the next start.
    pub fn prune(&self) -> Result<Vec<String>, RootError> {
        self.remove(Scope::Unused)
    }

    /// Gives back the space of a complete tree that the full disk kept from becoming active: the
    /// shop that runs here writes, too.
    ///
    /// What the disk says decides, as the new state may have come through although its writing
    /// failed in the end.
    pub(crate) fn withdraw(&mut self) -> Result<Vec<String>, RootError> {
        self.state = read_state(&self.path)?;
        self.remove(Scope::Unused)
    }

    pub(crate) fn tree(&self, manifest: &Sha256) -> PathBuf {
        tree(&self.path, manifest)
    }

    pub(crate) fn index(&self, manifest: &Sha256) -> PathBuf {
        self.path.join(RELEASES).join(index_name(manifest))
    }

    pub(crate) fn remember(&mut self, state: State) -> Result<(), RootError> {
        if state != self.state {
            let path = self.path.join(STATE);
            let text = state
                .to_json()
                .map_err(|error| DiskError::new("format", &path, io::Error::from(error)))?;
            disk::replace_file(&self.path.join(STAGING), &path, &text)?;
            self.state = state;
        }
        Ok(())
    }

    pub(crate) fn point(&self, manifest: &Sha256) -> Result<(), DiskError> {
        let contents = link_contents(manifest);
        if read_current(&self.path).is_some_and(|current| current == contents) {
            return Ok(());
        }
        disk::replace_link(
            &self.path.join(STAGING),
            &self.path.join(CURRENT),
            &contents,
        )
    }

    pub(crate) fn remove(&self, scope: Scope) -> Result<Vec<String>, RootError> {
        let releases = self.path.join(RELEASES);
        let found: BTreeSet<_> = names(&releases)?
            .iter()
            .filter_map(|name| TreeEntry::parse(name))
            .collect();
        let mut removed = Vec::new();
        for short in removable(&found, &self.in_use(), scope) {
            if found.contains(&TreeEntry::Index(short.clone())) {
                disk::remove_file(&releases.join(format!("{short}.index")))?;
                disk::sync_directory(&releases)?;
            }
            match remove_tree(&releases.join(&short))? {
                Removal::Complete => {
                    self.places.forget(&short);
                    removed.push(short);
                }
                Removal::Mounted(mount) => {
                    tracing::warn!(path = %mount.display(), "an old tree stays: something is mounted in it");
                }
            }
        }
        Ok(removed)
    }

    /// The short names of the trees that are there.
    pub(crate) fn trees(&self) -> Result<BTreeSet<String>, DiskError> {
        let found = names(&self.path.join(RELEASES))?;
        Ok(found
            .into_iter()
            .filter(|name| matches!(TreeEntry::parse(name), Some(TreeEntry::Tree(_))))
            .collect())
    }

    fn in_use(&self) -> BTreeSet<String> {
        let current = read_current(&self.path)
            .and_then(|current| Some(current.file_name()?.to_str()?.to_owned()));
        let known = [&self.state.active, &self.state.previous]
            .into_iter()
            .flatten()
            .map(|it| it.manifest.short());
        known.chain(current).collect()
    }
}

/// Where the tree of `manifest` is in the release root at `root`, once it is complete.
#[must_use]
pub fn tree(root: &Path, manifest: &Sha256) -> PathBuf {
    root.join(link_contents(manifest))
}

// The directory at `path`, made if it is missing.
fn make(path: &Path) -> Result<PathBuf, RootError> {
    if !path.is_absolute() {
        return Err(RootError::Relative(path.to_owned()));
    }
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|ancestor| !ancestor.exists())
        .collect();
    let deepest = path.ancestors().nth(missing.len()).unwrap_or(path);
    if !deepest.is_dir() {
        return Err(RootError::NotDirectory(deepest.to_owned()));
    }
    for directory in missing.into_iter().rev() {
        disk::ensure_directory(directory)?;
    }
    Ok(path
        .canonicalize()
        .map_err(|error| DiskError::new("open the directory", path, error))?)
}

/// What the root at `path` remembers; nothing if it never activated a release.
pub(crate) fn read_state(path: &Path) -> Result<State, RootError> {
    let path = path.join(STATE);
    match fs::read(&path) {
        Ok(text) => State::parse(&text).map_err(|source| RootError::State { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(DiskError::new("read", &path, error).into()),
    }
}

/// What `current` contains, if it is a link.
pub(crate) fn read_current(path: &Path) -> Option<PathBuf> {
    fs::read_link(path.join(CURRENT)).ok()
}

#[cfg(test)]
mod tests;
