//! What the scheduler found of a shop.

use crate::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What the scheduler found.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShopStatus {
    /// Generation of the Shop that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Release that the shop's pods are told to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ShopRelease>,
    /// Release before it that the shop could run: a failed wave goes back to it, and pods that
    /// start while the shop waits start with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<ShopRelease>,
    /// Releases that pods of the shop rejected, the last ones: pods that start later do not take
    /// them.
    #[schemars(length(max = 8))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<RejectedRelease>,
    /// Sequence up to which the shop's database is migrated.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrated: Option<i64>,
    /// When the shop was first seen to work: its database was there, and an agent saw its page.
    /// From then on pods that are ready are enough.
    #[schemars(length(max = 40))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worked: Option<String>,
    /// Pods that are ready, of those wanted, such as 2/2.
    #[schemars(length(max = 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,
    /// Digest of what was applied last.
    #[schemars(length(max = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    /// What the shop has for itself, and no other shop may have: hosts, a database, a directory,
    /// keys of a cache.
    #[schemars(length(max = 120), inner(length(max = 512)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// Ready, Rendered, Applied, WorkloadAvailable and Degraded; where they apply,
    /// RoutesProgrammed, DatabaseCurrent and BackupFresh.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// A release that a shop runs or ran.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShopRelease {
    /// Name of the Release.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its sequence.
    #[schemars(range(min = 1))]
    pub sequence: i64,
    /// Digest of its manifest.
    #[schemars(length(max = 64))]
    pub manifest: String,
    /// Since when the shop is told to run it.
    #[schemars(length(max = 40))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Sequence of the release that failed, where the shop went back to this one: agents are told
    /// that it is chosen, though it is older.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned_from: Option<i64>,
    /// Whether pods rejected it before it was told once more: agents try it again.
    #[serde(default)]
    pub retried: bool,
}

/// A release that a pod of the shop rejected.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectedRelease {
    /// Digest of its manifest.
    #[schemars(length(max = 64))]
    pub manifest: String,
    /// The sequence under which it was told.
    #[schemars(range(min = 1))]
    pub sequence: i64,
    /// The first pod that was seen to reject it.
    #[schemars(length(max = 253))]
    pub pod: String,
    /// When that was seen.
    #[schemars(length(max = 40))]
    pub at: String,
    /// Why, in the words of its agent.
    #[schemars(length(max = 512))]
    pub why: String,
}
