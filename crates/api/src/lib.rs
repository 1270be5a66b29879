//! What Longshore's programs share about a cluster: the resources of the group `longshore.dev`, and
//! the types made of them. No IO.
//!
//! - `crd`: Shop, `ShopClass`, Release, Rollout: their types, schemas and defaults.
//! - `fleet`, `claims`: all of them together, and what each shop claims for itself.
//! - `proof`, `backoff`: how the owner of a domain names its shop in DNS, and how long to wait
//!   after a failure.
//! - `resolved`: a release that was read, and the facts of the moment for rendering.
//! - `download`: what a pod downloads for a release.
//! - `object`, `name`, `object_meta`, `step`: generated objects: their identities, their names,
//!   their state in the cluster, and the steps to take.
//! - `schedule`, `window`, `time_range`, `duration`: times of campaigns, windows, freezes and
//!   rollouts.
//! - `edge`: what the scheduler and the edge tell each other.
//! - `agent_status`, `symptom`: what pods say about themselves, read with distrust.

pub mod agent_status;
pub mod backoff;
pub mod claims;
mod crd;
mod download;
mod duration;
pub mod edge;
#[cfg(feature = "fixtures")]
pub mod fixtures;
mod fleet;
pub mod name;
mod object;
mod object_meta;
pub mod proof;
mod resolved;
pub mod schedule;
mod step;
pub mod symptom;
mod window;

pub use crd::*;
pub use download::{DOWNLOADS, Download, Downloads};
pub use duration::{DurationError, ShortDuration};
pub use fleet::Fleet;
pub use name::namespace;
pub use object::{Identity, Object};
pub use object_meta::{APPLIED, ObjectMetaSummary};
pub use resolved::{Migrating, ReleaseError, RenderContext, ResolvedRelease};
pub use step::{Deletion, Step};
pub use window::closed;

/// The namespace of Longshore's own programs.
pub const SYSTEM: &str = "longshore-system";
/// The namespace of `longshore-watch`.
pub const WATCH: &str = "watch";
/// The Lease in [`SYSTEM`] of the scheduler that leads.
pub const LEASE: &str = "longshore-scheduler";
/// The ConfigMap in [`SYSTEM`] that halts everything while it exists.
pub const HALT: &str = "longshore-halt";
