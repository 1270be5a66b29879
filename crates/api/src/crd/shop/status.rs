//! What the scheduler found of a shop.

use crate::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What the scheduler observed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShopStatus {
    /// Generation of the Shop that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Release that the shop is assigned: its pods are told to run it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ShopRelease>,
    /// Release before it that the shop could run. A failed wave goes back to it, and pods that
    /// start while the shop waits start with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<ShopRelease>,
    /// The last releases that pods of the shop rejected. Pods that start later do not run them.
    #[schemars(length(max = 8))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<RejectedRelease>,
    /// Sequence up to which the shop's database is migrated.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrated: Option<i64>,
    /// When the shop first worked: its database was there, and an agent saw its page. From then on,
    /// ready pods are enough.
    #[schemars(length(max = 40))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worked: Option<String>,
    /// When the shop was scaled to zero for want of visitors. The next one scales it up again.
    #[schemars(length(max = 40))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_zero_since: Option<String>,
    /// Ready pods and desired pods, such as 2/2.
    #[schemars(length(max = 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,
    /// Digest of what was applied last.
    #[schemars(length(max = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    /// What the shop claims and no other shop can have: hosts, a database, a directory, keys of a
    /// cache.
    #[schemars(length(max = 120), inner(length(max = 512)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// Hosts of the shop for which DNS named this shop when it last named any, if the class asks
    /// for proofs of domains.
    #[schemars(length(max = 100), inner(length(max = 253)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proven_hosts: Vec<String>,
    /// Certificates of the shop's hosts, as far as the edge has something to say of them.
    #[schemars(length(max = 100))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<DomainCertificate>,
    /// Ready, Rendered, Applied, WorkloadAvailable and Degraded; if they apply, also
    /// RoutesProgrammed, DomainsProven, CertificatesValid, DatabaseCurrent and BackupFresh.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// The certificate of one host.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainCertificate {
    /// Host.
    #[schemars(length(max = 253))]
    pub host: String,
    /// Who issued it.
    #[schemars(length(max = 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// When it ends.
    #[schemars(length(max = 40))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// Why there is none, or why it is not renewed, and what to do.
    #[schemars(length(max = 1024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
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
    /// Time since which the shop is assigned it.
    #[schemars(length(max = 40))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Sequence of the release that failed, if the shop went back to this one. Agents are told that
    /// this one is chosen, although it is older.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned_from: Option<i64>,
    /// Whether pods rejected it before the shop was assigned it once more. Agents then try it
    /// again.
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
    /// Sequence under which the shop was assigned it.
    #[schemars(range(min = 1))]
    pub sequence: i64,
    /// The first pod that rejected it.
    #[schemars(length(max = 253))]
    pub pod: String,
    /// When the scheduler saw that.
    #[schemars(length(max = 40))]
    pub at: String,
    /// Why, in the words of its agent.
    #[schemars(length(max = 512))]
    pub why: String,
}
