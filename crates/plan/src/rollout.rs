//! A rollout of a release: decides what to do next, only from what is stored and what is seen.
//!
//! ```text
//!  Pending ─► Moving ─► Soaking ─► Moving (next wave) ─► … ─► Completed
//!               │ ▲        │
//!    budget ────┤ └ Paused ┘ a person, or a halt
//!               ▼
//!           Returning ─► Stopped (the failed wave is back) ─► a person: resume, or abort
//!                                                              abort ─► Returning ─► Aborted
//!
//!  Completed ─► a person: abort ─► Returning ─► Aborted
//! ```
//!
//! [`decide()`] is a function of the Rollout (specification and status), of the release that each
//! shop is assigned, and of each shop's state. There is no other record, so that a restart at any
//! moment goes on from there.

mod decide;
mod evidence;
mod order;
#[cfg(test)]
mod simulation;

pub use decide::RESUMED;
pub use decide::{Assigned, Decision, Health, Move, Situation, View, decide, over};
pub use evidence::Evidence;
pub use order::{bounds, order};

/// The annotation with which a person ends the soak of a wave: its number.
pub const PROMOTE: &str = "longshore.dev/promote";

#[cfg(test)]
pub(crate) mod test {
    use api::RolloutSpec;

    /// A rollout with the defaults of the definition.
    pub(crate) fn spec() -> RolloutSpec {
        serde_json::from_value(serde_json::json!({ "release": "shops-acme-43" })).unwrap()
    }
}
