//! Disk state: the release root, and the pull that fills it.
//!
//! ```text
//!  <root>/lock                 one writer at a time; dies with its holder
//!  <root>/state.json           what was accepted, what is active      state   (pure)
//!  <root>/current              → releases/<short>         root    switches it
//!  <root>/releases/<short>/    complete trees         staging makes them, retention prunes them
//!  <root>/releases/<short>.index   chunk → paths      index   lets the next release link them
//!  <root>/staging/<random>/    trees in the making    recover sweeps it at each start
//!  <root>/kept/<path>          outlives releases      directories
//!
//!  <writable>/<short>/<path>   what the shop writes, on a volume of its own     writable
//!  <configured>/<short>/<path> its configuration, in memory                     configuration
//! ```
//!
//! Beside it, for all pods of a node: the node cache, in `cache/`, which
//! `docs/formats/node-cache.md` specifies.
//!
//! `docs/formats/release-root.md` specifies the whole root; `root.rs` says in which order things
//! change, and why a crash at any instruction leaves `current` on a complete tree. Start reading
//! there, then in `pull.rs`.
//!
//! Every change of the disk goes through `disk.rs` or `removal.rs`, which reach a failpoint first
//! and name the path in each error; `pull/reuse.rs` and `directories.rs` do the same relative to
//! directories that they hold open.

mod audit;
pub mod cache;
mod configuration;
mod directories;
mod disk;
mod index;
mod layout;
mod lock;
mod place;
mod places;
pub mod pull;
mod recover;
mod removal;
mod retention;
mod root;
mod staging;
mod state;
mod template;
mod view;
mod writable;

pub use audit::{Audit, audit, outside};
pub use configuration::{Configuration, ConfigurationError};
pub use disk::DiskError;
pub use place::DirectoryError;
pub use places::{Conflict, PlaceError, Places};
pub use root::{ReleaseRoot, RootError, tree};
pub use state::{AcceptedRelease, ActiveRelease, Rejection, State, StateError, Target};
pub use view::View;
pub use writable::{SHIPPED_BYTES, SHIPPED_ENTRIES};
