//! What the edge tells the scheduler of visitors: who came to shops that may be scaled to zero.
//!
//! ```text
//!  ConfigMap edge/visits
//!    longshore-edge-7d9c-x2x1p   {"at":"2026-11-30T12:00:00Z","seconds":{"shop-acme":4}}
//! ```
//!
//! Each replica of the edge writes its own key, every [`PERIOD`], and at once if a visitor waits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// The ConfigMap.
pub const NAME: &str = "visits";
/// How often a replica writes.
pub const PERIOD: Duration = Duration::from_secs(20);
/// How far back a report goes: one that is lost is made good by the next ones.
pub const WINDOW: Duration = Duration::from_mins(2);
/// Shops in one report at most, some 100 KiB: ten replicas have room in a ConfigMap.
pub const SHOPS: usize = 2000;

/// What one replica saw in the last two minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VisitsReport {
    /// When, by its clock.
    pub at: Timestamp,
    /// How many seconds ago the last visitor came, by the shop's namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seconds: BTreeMap<String, u32>,
    /// Whether there were more shops than fit. Then nobody knows who had no visitor.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub more: bool,
}
