//! What the scheduler found of a shop.

use crate::crd::Condition;
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
    /// Release before it, to which a failed wave goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<ShopRelease>,
    /// Sequence up to which the shop's database is migrated.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrated: Option<i64>,
    /// Pods that are ready, of those wanted, such as 2/2.
    #[schemars(length(max = 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,
    /// Digest of what was applied last.
    #[schemars(length(max = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    /// Ready, Rendered, Applied, WorkloadAvailable and Degraded; where they apply, RoutesProgrammed, DatabaseCurrent and BackupFresh.
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
    /// Sequence of the release that failed, where the shop went back to this one: pods that run the other are replaced.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned_from: Option<i64>,
}
