//! Where a class's releases come from, and how its shared file system gets into the pods.

use crate::crd::pattern;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Source of the releases, and who may sign them.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// Bucket and prefix, such as s3://releases/prod.
    #[schemars(length(min = 6, max = 512), regex(pattern = pattern::STORE))]
    pub location: String,
    /// Region of the bucket.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z0-9-]+$"))]
    pub region: String,
    /// Endpoint of a store that is not AWS's.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The trust root that pods use, as `longshore trust new` wrote it. It holds public keys only.
    #[schemars(length(min = 1, max = 65536))]
    pub trust: String,
    /// The lowest version of the trust root that pods accept. Raise it after a key was withdrawn: a
    /// new pod then does not trust that key, even if somebody removed the newer root from the
    /// bucket.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_floor: Option<u64>,
}

/// How pods mount the shared file system.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Who mounts it.
    #[serde(default)]
    pub mode: StorageMode,
    /// Directory of the node below which the agents mount.
    #[schemars(length(min = 2, max = 200), regex(pattern = pattern::ABSOLUTE_PATH))]
    #[serde(default = "directory")]
    pub directory: String,
    /// Directories of the release that are on the shared file system. If empty, the engine's usual
    /// ones. The release's manifest lists the same directories as `shared`.
    #[schemars(
        length(max = 20),
        inner(length(min = 1, max = 200), regex(pattern = pattern::RELATIVE_PATH))
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<String>,
    /// Size that a csi volume claims. Network file systems do not enforce it.
    #[schemars(length(max = 16), regex(pattern = pattern::QUANTITY))]
    #[serde(default = "claim")]
    pub claim: String,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            mode: StorageMode::default(),
            directory: directory(),
            shared: Vec::new(),
            claim: claim(),
        }
    }
}

/// Who mounts the shared file system.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum StorageMode {
    /// The agent mounts it, with its own TLS and probes. The agent's container is privileged.
    #[default]
    Agent,
    /// A CSI driver mounts it, and the agent only supervises it. No container is privileged.
    Csi,
}

/// Chunks that the pods of a node share.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCache {
    /// Directory of the node.
    #[schemars(length(min = 2, max = 200), regex(pattern = pattern::ABSOLUTE_PATH))]
    #[serde(default = "cache_directory")]
    pub directory: String,
    /// Its maximum size, such as 20GiB.
    #[schemars(
        length(max = 16),
        regex(pattern = "^[1-9][0-9]{0,6}(MiB|GiB|TiB|MB|GB|TB)$")
    )]
    #[serde(default = "cache_limit")]
    pub limit: String,
}

fn directory() -> String {
    "/var/lib/longshore/mounts".to_owned()
}

fn claim() -> String {
    "100Gi".to_owned()
}

fn cache_directory() -> String {
    "/var/lib/longshore/node".to_owned()
}

fn cache_limit() -> String {
    "20GiB".to_owned()
}
