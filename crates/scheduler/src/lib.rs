//! `longshore-scheduler`: shops as Kubernetes workloads.
//!
//! ```text
//!  Shop + ShopClass + Release + moment ──render──► objects ──check──► files, or a server-side apply
//!        crd                                       pure                command
//! ```
//!
//! What to run is signed by CI and verified by the pods; this program decides when, and holds no key.

pub mod check;
pub mod cluster;
mod command;
pub mod crd;
pub mod file;
pub mod list;
pub mod render;
pub mod schedule;

pub use command::run;
