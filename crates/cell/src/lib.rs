//! What is known of the shops of a cell, and what follows from that. Pure: the time is passed in.
//!
//! ```text
//!  watches ──► state ──► in_progress: which shops are between two releases, and how they are
//!                ▲  └──► data, shop_status: what a Shop's status says
//!                │
//!    visits, proof, certificates, edge: what others tell
//! ```
//!
//! A cell is a cluster with its scheduler. Every process of a cell keeps this, and so each decides
//! the same.

pub mod certificates;
pub mod conditions;
pub mod data;
pub mod edge;
pub mod in_progress;
pub mod migration;
mod observed;
mod outcome;
pub mod proof;
mod report;
pub mod shop_status;
mod state;
mod visits;

pub use conditions::{ConditionSet, Verdict};
pub use observed::{LAST_BACKUP, Pods, Progress, RawWorkload, Route, Workload, migration_of};
pub use outcome::ReconcileOutcome;
pub use report::{AgentsReport, Rejection};
pub use state::{Record, ShopChange, State};
pub use visits::Visits;
