//! `longshore-scheduler`: shops as Kubernetes workloads.
//!
//! ```text
//!  Shop + ShopClass + Release + moment ──render──► objects ──check──► files
//!        crd                     │                 pure    ──plan───► what would change ──apply──► the API server
//!                             assign, rollout                guard: what may go            run: the same, for ever
//! ```
//!
//! What to run is signed by CI and verified by the pods; this program decides when, and holds no key.

mod api;
mod apply;
pub mod assign;
pub mod check;
pub mod claims;
pub mod cluster;
mod command;
pub mod crd;
pub mod evidence;
pub mod file;
pub mod guard;
pub mod list;
pub mod plan;
pub mod redis;
pub mod render;
pub mod rollout;
mod run;
pub mod schedule;
pub mod symptom;
pub mod why;

pub use command::run;
