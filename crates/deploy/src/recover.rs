//! What a start does about what a crash left.

use crate::{
    disk::{DiskError, names},
    layout::{RELEASES, STAGING, link_contents},
    places::PlaceError,
    removal::{Removal, remove_tree},
    retention::Scope,
    root::{ReleaseRoot, RootError, read_current},
};
use tracing::{info, warn};

impl ReleaseRoot {
    pub(crate) fn recover(&mut self) -> Result<(), RootError> {
        self.sweep()?;
        self.converge()?;
        for short in self.remove(Scope::Incomplete)? {
            info!(tree = short, "removed what an interrupted run left");
        }
        self.places.sweep(&self.trees()?);
        Ok(())
    }

    /// Makes again what complete trees lead to and is not there: the shop's volumes may be younger
    /// than its trees.
    pub(crate) fn restore(&self) -> Result<(), PlaceError> {
        for short in self.trees()? {
            self.places.restore(&self.path.join(RELEASES), &short)?;
        }
        Ok(())
    }

    // Everything in `staging/` is of a process that is gone, as we hold the lock: half-made trees
    // and temporary names alike.
    fn sweep(&self) -> Result<(), DiskError> {
        let staging = self.path.join(STAGING);
        for name in names(&staging)? {
            if let Removal::Mounted(mount) = remove_tree(&staging.join(name))? {
                warn!(
                    path = %mount.display(),
                    "a staging directory stays: something is mounted in it"
                );
            }
        }
        Ok(())
    }

    // `state.json` is what is meant; `current` follows it wherever the tree is there.
    fn converge(&mut self) -> Result<(), RootError> {
        let Some(active) = self.state.active.clone() else {
            return Ok(());
        };
        if self.is_complete(&active.manifest) {
            if !self.is_active(&active.manifest) {
                self.point(&active.manifest)?;
                info!(
                    manifest = %active.manifest,
                    sequence = active.sequence.get(),
                    "finished an interrupted activation"
                );
            }
            return Ok(());
        }
        // Somebody removed the tree. What `current` still shows is what runs; otherwise nothing
        // does, and a pull brings it back.
        let shown = read_current(&self.path);
        let mut state = self.state.clone();
        state.active = state.previous.take().filter(|previous| {
            self.is_complete(&previous.manifest)
                && shown.is_some_and(|shown| shown == link_contents(&previous.manifest))
        });
        warn!(manifest = %active.manifest, "the active release's tree is gone");
        self.remember(state)
    }
}
