//! What tests of several crates begin with.

use crate::ObjectMetaSummary;
use jiff::Timestamp;

/// An object of the cluster that nobody has written yet.
#[must_use]
pub fn live(name: &str, created: Timestamp) -> ObjectMetaSummary {
    ObjectMetaSummary {
        uid: format!("uid-{name}"),
        version: "1".to_owned(),
        generation: None,
        applied: None,
        created: Some(created),
        deleting: false,
    }
}
