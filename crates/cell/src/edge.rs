//! What is known of the maps of the edge, and what they say of a shop.

mod programmed;
mod shards;

pub use programmed::programmed;
pub use shards::{Edge, Programmed};

use render::edge::EdgeError;

/// Why the maps are left as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Shops whose hosts nobody knows: they left the registry, or lost their class, while this
    /// process did not run.
    #[error("the hosts of {} shops are not known, as they or their classes left the registry; the first is {}", .0.len(), .0.first().map_or("", String::as_str))]
    Unknown(Vec<String>),
    /// More hosts than the shards hold.
    #[error("{0}")]
    Full(String),
    /// The API server did not take them.
    #[error("not written: {0}")]
    NotWritten(String),
}

impl From<EdgeError> for Problem {
    fn from(error: EdgeError) -> Self {
        Self::Full(error.to_string())
    }
}
