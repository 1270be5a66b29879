//! The release root.

mod directories;
mod disk;
mod index;
mod layout;
mod lock;
pub mod pull;
mod recover;
mod removal;
mod retention;
mod root;
mod staging;
mod state;
mod view;

pub use directories::DirectoryError;
pub use disk::DiskError;
pub use root::{ReleaseRoot, RootError};
pub use state::{AcceptedRelease, ActiveRelease, Rejection, State, StateError, Target};
pub use view::View;
