//! Says what would change: compares digests, lets the API server dry-run the changes, and sums them
//! up over the fleet.
//!
//! ```text
//!  desired objects ─┐            Create ┐
//!  metadata of live ┴─ gate ──► Change ─┼─ dry run ──► Plan ──► summary, JSON, unified diff
//!                                Delete ┘              └─ mark: its basis; `apply` refuses if
//!                                                               that changed
//! ```

mod difference;
pub mod dry_run;
mod edited;
pub mod files;
mod gate;
pub mod guard;
pub mod registry;
pub mod rollout;
mod sampling;
mod staleness;
mod summary;
mod text;
pub mod why;

pub use difference::{Field, difference, tidy};
pub use edited::{Edited, Foreseen, Tried};
pub use gate::gate;
pub use sampling::{Kinds, Samples, kind_of_fields};
pub use staleness::{Moved, moved};
pub use summary::{Group, Groups, Summary};
pub use text::{counted, summed, unified};

use api::{Identity, ObjectMetaSummary};
use release::Sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What would change in a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Changes of the registry: Shops, classes, releases and rollouts of files that are not in the
    /// cluster as they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Change>,
    /// Changes by shop; a shop without any is not here.
    pub shops: BTreeMap<String, Vec<Change>>,
    /// Shops that were looked at.
    pub looked_at: usize,
    /// Shops of which the API server tried no object, as it confirmed the same change of so many
    /// others.
    #[serde(default)]
    pub alike: usize,
    /// Shops that could not be planned, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, String>,
    /// What a guard held back, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
}

impl Plan {
    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shops.is_empty() && self.resources.is_empty()
    }

    /// All changes: those of the registry, then shop by shop.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.resources.iter().chain(self.shops.values().flatten())
    }
}

/// What would happen to one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Which object.
    pub object: Identity,
    /// What would happen.
    pub action: Action,
    /// What was seen of it, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<ObjectVersion>,
    /// Digest of what is asked for, if it is not deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Sha256>,
    /// Fields that would change; for a new object none, as all are new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Why the API server would refuse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What would happen to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is made.
    Create,
    /// Fields of it change.
    Change,
    /// Only our record of it is written: no field changes.
    Adopt,
    /// It goes.
    Delete,
}

/// The version of an object that a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// Its UID.
    pub uid: String,
    /// Generation, or the version of kinds that have none.
    pub version: String,
}

impl ObjectVersion {
    /// What is compared later. A status that changes, as that of a Deployment or an autoscaler does
    /// all the time, is not a move.
    #[must_use]
    pub fn new(kind: &str, live: &ObjectMetaSummary) -> Self {
        let version = match (live.generation, kind) {
            (Some(generation), _) => format!("generation {generation}"),
            (
                None,
                "HorizontalPodAutoscaler"
                | "Namespace"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "ResourceQuota"
                | "Lease",
            ) => live.applied.map_or_else(
                || "unmanaged".to_owned(),
                |digest| format!("applied {digest}"),
            ),
            (None, _) => format!("version {}", live.version),
        };
        Self {
            uid: live.uid.clone(),
            version,
        }
    }
}
