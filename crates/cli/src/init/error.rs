//! Why a tree cannot be described.

use super::tree;
use release::Engine;
use std::{io, path::PathBuf};

/// Why a tree cannot be described.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// Something in it cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of Composer is not JSON.
    #[error("{} is not JSON", path.display())]
    Json {
        /// Which.
        path: PathBuf,
        /// Where.
        source: serde_json::Error,
    },
    /// It is a tree of something else.
    #[error(
        "{} is not a tree of {engine}: it has none of {}",
        path.display(),
        tree::marks(*engine).join(", ")
    )]
    Other {
        /// The directory.
        path: PathBuf,
        /// What it was said to be.
        engine: Engine,
    },
    /// There is a description already.
    #[error("{} is there already; say --force to replace it, or --dry-run to look", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
}
