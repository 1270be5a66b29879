//! How a channel and a root stand to each other.

use super::{Figures, Settings, last_release::LastRelease, said::Said};
use crate::{
    root::ReleaseRoot,
    state::{State, Target},
};
use jiff::Timestamp;
use release::{Migration, RelativePath, Sequence, Sha256};
use store::ObjectStore;

/// A release object that was looked at, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct CheckedRelease {
    pub(super) last_release: LastRelease,
    pub(super) status: ReleaseStatus,
}

/// How the offered release stands.
#[derive(Debug, Clone, PartialEq)]
pub enum ReleaseStatus {
    /// It is the active one.
    Active {
        /// Its sequence.
        sequence: Sequence,
        /// Its manifest.
        manifest: Sha256,
    },
    /// Its tree is complete, and it is not active.
    Staged(Box<Candidate>),
    /// It failed here before, or in another pod of the shop, as the cluster says.
    Rejected {
        /// Its sequence.
        sequence: Sequence,
        /// Its manifest.
        manifest: Sha256,
    },
}

/// A release that was verified, accepted and staged.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What [`Follower::try_out`](super::Follower::try_out) makes active.
    pub target: Target,
    /// What it asks of the database.
    pub migration: Migration,
    /// After this it must not be made active any more.
    pub expires: Option<Timestamp>,
    /// Scripts that its manifest wants compiled first; none where the manifest was not read, as
    /// its tree was there.
    pub warm: Vec<RelativePath>,
    /// What staging it cost; all zero if its tree was there.
    pub figures: Figures,
}

impl CheckedRelease {
    /// Whether a "not modified" still means what it meant.
    pub(super) fn holds(
        &self,
        settings: &Settings,
        store: &dyn ObjectStore,
        root: &ReleaseRoot,
        said: &Said,
    ) -> bool {
        let State {
            accepted, rejected, ..
        } = root.state();
        let chosen = said.chosen == Some(self.last_release.sequence);
        let behind = accepted.as_ref().is_some_and(|accepted| {
            settings.now < said.passed(accepted.at)
                || (self.last_release.sequence < accepted.sequence && !chosen)
        });
        let rejected =
            |manifest: &Sha256| rejected.contains_key(manifest) || said.rejected.contains(manifest);
        match &self.status {
            ReleaseStatus::Active { .. } => self.last_release.holds(settings, store, root, said),
            ReleaseStatus::Staged(candidate) => {
                let manifest = &candidate.target.manifest;
                let waits =
                    root.is_complete(manifest) && !root.is_active(manifest) && !rejected(manifest);
                self.last_release.is_same_question(settings, store) && waits && !behind
            }
            ReleaseStatus::Rejected { manifest, .. } => {
                self.last_release.is_same_question(settings, store) && rejected(manifest)
            }
        }
    }
}
