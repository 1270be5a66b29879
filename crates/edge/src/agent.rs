//! `longshore-edge agent`: keeps the HAProxy beside it as the cluster says.
//!
//! ```text
//!  watch ──► Model ──► Slots ──► Snapshot ──► files             HAProxy starts from these
//!            what the API       how HAProxy ──► difference ──► socket
//!            server says        should be         ▲
//!                                               Snapshot, as HAProxy is
//! ```
//!
//! A change costs what it touches: both snapshots have the hosts and shops that it names and no
//! others. All of them are compared at the start, every five minutes, and if anything went wrong.

pub mod caps;
pub mod command_text;
pub mod dashboard;
pub mod difference;
pub mod endpoints;
pub mod figures;
pub mod files;
pub mod haproxy;
pub mod issuers;
pub mod keeper;
pub mod lines;
pub mod metrics;
pub mod model;
pub mod pem;
pub mod prepare;
pub mod reachability;
pub mod run;
pub mod shared;
pub mod slots;
pub mod snapshot;
pub mod touched;
pub mod visits;
pub mod wanted;
pub mod watch;
