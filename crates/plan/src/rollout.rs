//! A release on its way through the shops: what to do next, decided from what is stored and what is
//! seen, and nothing else.
//!
//! ```text
//!  Pending ─► Moving ─► Soaking ─► Moving (next wave) ─► … ─► Completed
//!               │ ▲        │
//!    budget ────┤ └ Paused ┘ a person, or a halt
//!               ▼
//!           Returning ─► Stopped (the failed wave is back) ─► a person: resume, or abort ─► Returning ─► Aborted
//! ```
//!
//! [`decide()`] is a function of the Rollout (specification and status) and of what each shop is
//! told and how it is. Nothing is remembered elsewhere, so that a restart in the middle of anything
//! goes on where it was.

mod decide;
mod order;
#[cfg(test)]
mod simulation;

pub use decide::RESUMED;
pub use decide::{Assigned, Decision, Health, Move, Situation, View, decide};
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
