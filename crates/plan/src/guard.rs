//! What keeps a fleet from being deleted by accident. Every decision to delete anything is made
//! here, and is pure.
//!
//! | guard | where |
//! |---|---|
//! | a registry that is empty, or was not read whole, deletes nothing | [`removal()`] |
//! | only so many shops in an hour, all or none of those that are missing | [`removal()`] |
//! | a shop that went missing a moment ago may come back | [`removal()`] |
//! | namespaces, volumes and jobs are never removed; configuration of earlier revisions is removed late | [`prune()`] |
//! | an object that somebody made anew under the same name is another one | the UID that each [`Deletion`](api::Deletion) carries |

mod prune;
mod removal;

pub use prune::{Verdict, prune};
pub use removal::{GuardBlock, Limit, Missing, Registry, Removal, removal};
