//! `longshore-watch`: errors of shops are collected and kept, and their hosts are probed.
//!
//! ```text
//!  API server ── Shops, classes, pods ──► follow ─► fleet, pods
//!  agents ── GET /errors?since= ──► collect ──┐                      ┌──► serve: /v1, /metrics
//!  edge, DNS, hosts ── TLS, GET ──► probe ────┴─► store (SQLite) ────┘
//!  API server ── TLS, GET /apis/custom.metrics.k8s.io ──► custom_metrics
//! ```
//!
//! It changes nothing in the cluster. While it is away, nothing stops: agents keep their last
//! groups, and what it missed of them is told when it is back.
//!
//! | file | gives |
//! |---|---|
//! | `fleet`, `group` | which hosts are probed, and what becomes of a group: decisions, without IO |
//! | `performance` | how fast shops answer: likewise |
//! | `follow` | the cluster |
//! | `collect` | what agents say |
//! | `probe` | how hosts answer |
//! | `store` | what is kept |
//! | `keep` | what is forgotten |
//! | `serve`, `metrics` | what is answered |
//! | `custom_metrics` | what autoscalers are answered |
//! | `dashboard` | what Grafana shows of it |

mod collect;
mod command;
mod custom_metrics;
mod dashboard;
mod exchange;
mod fleet;
mod follow;
mod group;
mod keep;
mod metrics;
mod performance;
mod probe;
mod run;
mod serve;
mod settings;
mod store;

pub use command::run;
pub use dashboard::dashboard;
pub use metrics::reference;
pub use run::{WatchError, serve};
pub use settings::{CustomMetrics, Outside, Pace, Settings};
pub use store::DatabaseError;
