//! From what is offered to what runs: stage, wait, warm, switch, probe, keep or go back.
//!
//! ```text
//!                ┌────────────── nothing new, or refused ◄─────────────┐
//!                ▼                                                     │
//!  start ──► idle ──woken──► checking ──new──► staging ──complete──► gate ─held─► waiting ─┐
//!    │         ▲                                                       │ ▲                 │ again
//!    │         │                                                      go └─────────────────┘
//!    │         │                                                       ▼
//!    │       keep ◄──good── probing ◄── switching ◄── warming ◄── hook before
//!    │         ▲               │ ▲
//!    │         │               │ └── a trial that a restart found on the disk
//!    └─────────┼───────────────┘
//!              └── rolling back, and the release before is asked the same ◄──bad── probing
//!                    it is well: rejected · it fails, too: tried again later
//! ```
//!
//! The words are those of [`Phase`](crate::status::Phase), which knows the allowed transitions;
//! `docs/release-in-a-pod.md` describes all of it for operators. The agent keeps its state on the
//! disk (`state.json`), so that after a crash between any two steps the next start goes on from
//! there: it does not download a complete tree again, and probes a release on trial again.

mod engine;
mod shop;
mod sources;
mod switching;
#[cfg(test)]
mod tests;
mod trial;

pub use engine::Activator;
pub use shop::{Objection, Shop, Switch};
pub use sources::Sources;

pub(crate) use engine::{Reconciled, on_disk};
