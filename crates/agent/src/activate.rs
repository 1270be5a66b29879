//! From what is offered to what runs: stage, wait, warm, switch, probe, keep or go back.
//!
//! ```text
//!                ┌────────────── nothing new, or refused ◄─────────────┐
//!                ▼                                                     │
//!  start ──► idle ──woken──► checking ──new──► staging ──complete──► gate ──held──► waiting ─┐
//!    │         ▲                                                       │ ▲                   │ looks again
//!    │         │                                                      go └───────────────────┘
//!    │         │                                                       ▼
//!    │       keep ◄──good── probing ◄── switching ◄── warming ◄── hook before
//!    │         ▲               │ ▲
//!    │         │               │ └── a trial that a restart found on the disk
//!    └─────────┼───────────────┘
//!              └── rolling back, and the release before is asked the same ◄──bad── probing
//!                    it is well: rejected · it fails, too: tried again later
//! ```
//!
//! The words are those of [`Phase`](crate::status::Phase), which knows what may follow what;
//! `docs/release-in-a-pod.md` shows all of it to operators. What is known is on the disk
//! (`state.json`), so that a crash between any two of these steps goes on where it was: a tree that
//! is complete needs no download, a release on trial is probed again.

mod engine;
mod shop;
mod sources;
mod switching;
#[cfg(test)]
mod tests;
mod trial;

pub use engine::Engine;
pub use shop::{Objection, Shop, Switch};
pub use sources::Sources;

pub(crate) use engine::{Reconciled, on_disk};
