//! The pull: from what is offered to a complete, active tree. DESIGN §5 in code.
//!
//! ```text
//!  release source ── verify ── policy ──► manifest ──► link what did not change ──► plan
//!  (raw bytes)                            (digest)     (from the active tree)        │
//!                ┌───────────────────────────────────────────────────────────────────┘
//!                └──► chunk source ──bytes──► unpack pool ──► complete ──► activate
//!    node cache ─────► (async)                (threads)
//!    store ──────────┘
//! ```
//!
//! [`pull`] does all of it once; a [`Follower`] does it again and again, and leaves the last step
//! to its caller.
//!
//! Nothing is parsed, decompressed or written before the step that vouches for it.

mod blocking;
mod buffer_pool;
mod chunk_source;
mod claims;
mod confirm;
mod disk_space;
mod download;
mod engine;
mod error;
mod first;
mod follow;
mod last_release;
mod manifest;
mod origin;
mod plan;
mod progress;
mod release_file;
mod release_source;
mod release_status;
mod reuse;
mod said;
mod settings;
mod stage;
mod store_counters;
mod timings;
mod unpack_pool;
mod watched;

pub use engine::pull;
pub use error::PullError;
pub use follow::{Event, Follower};
pub use origin::Origin;
pub use plan::MEMORY_FLOOR;
pub use progress::{Figures, Progress, PullOutcome, Pulled, log_progress};
pub use release_source::newest_root;
pub use release_status::{Candidate, ReleaseStatus};
pub use settings::{MEMORY, Settings, Source};
pub use timings::{Limit, Stages, Work};

use blocking::blocking;

#[cfg(test)]
mod tests;
