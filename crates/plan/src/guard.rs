//! Guards that keep a mistake from deleting a fleet. This module makes every decision to delete,
//! and is pure.
//!
//! - [`removal()`] deletes nothing if the registry is empty, or was not read whole.
//! - [`removal()`] takes down a limited number of shops in an hour, and all or none of the missing
//!   ones.
//! - [`removal()`] waits, because a shop that went missing a moment ago may come back.
//! - [`prune()`] never removes namespaces, volumes or jobs, and removes configuration of earlier
//!   revisions late.
//! - Each [`Deletion`](api::Deletion) carries a UID, because an object that somebody created again
//!   under the same name is a different one.

mod prune;
mod removal;

pub(crate) use prune::stays;
pub use prune::{PruneDecision, prune};
pub use removal::{GuardBlock, Limit, Missing, Registry, Removal, removal};
