//! The API server: this is the only crate that talks to it. Every call has a deadline, and is tried
//! again after errors that pass by themselves.
//!
//! | file | gives |
//! |---|---|
//! | `cluster` | a connection, and every call that Longshore makes |
//! | `acting` | the same connection, as a person who is logged in |
//! | `apply` | the steps of a plan, done in their order |
//! | `review` | who asks, and what that account may do |
//! | `follow` | one kind of object, from its first list on |
//! | `registry` | Shops, classes, releases and rollouts, read whole |
//! | `lease` | who leads |
//! | `work_queue`, `request_priority` | which shop reconciles next, and whose requests go first |
//! | `events` | what `kubectl describe` shows |

mod acting;
mod answer;
pub mod apply;
mod cluster;
mod error;
pub mod events;
mod follow;
mod kind;
pub mod lease;
mod object_summary;
mod registry;
mod request_priority;
mod retry;
mod review;
#[cfg(any(test, feature = "fixtures"))]
pub mod scripted;
mod work_queue;

pub use acting::{Somebody, SomebodyError};
pub use cluster::{
    Cluster, Conflicts, Fence, MANAGER, Mode, OURS, REQUEST, RequestGate, World, longshore, shop,
};
pub use error::ApiError;
#[cfg(any(test, feature = "fixtures"))]
pub use error::refused;
pub use events::Events;
pub use follow::{Watch, WatchEvent, follow};
pub use kind::{KINDS, Kind, SHOP};
pub use object_summary::ObjectSummary;
pub use registry::{Read, read};
pub use request_priority::RequestPriority;
pub use work_queue::{Priority, ReconcileEnd, WorkQueue};

/// What a program logs that was asked for this: the library beneath reports every failed request as
/// an error, also those that are made again and succeed, and ours say which one mattered.
#[must_use]
pub fn log_filter(asked: &str) -> String {
    if asked.contains("kube_client") {
        asked.to_owned()
    } else {
        format!("{asked},kube_client=off")
    }
}
