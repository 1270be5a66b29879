//! `Release`: a signed release object in the cluster.

use super::pattern;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A release of a channel, as CI signed it. It never changes: going back is another Release.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "longshore.dev",
    version = "v1alpha1",
    kind = "Release",
    doc = "A release of a channel, as CI signed it. It never changes: going back is another Release.",
    derive = "PartialEq",
    shortname = "rel",
    category = "longshore",
    printcolumn(name = "Channel", type_ = "string", json_path = ".spec.channel"),
    printcolumn(name = "Sequence", type_ = "integer", json_path = ".spec.sequence"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.channel"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a Release never changes; make another one"))]
pub struct ReleaseSpec {
    /// Channel that the envelope names.
    #[schemars(length(min = 1, max = 128), regex(pattern = pattern::CHANNEL))]
    pub channel: String,
    /// Sequence that the envelope names.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub sequence: u64,
    /// The release object, byte for byte: a DSSE envelope in JSON, as `longshore release export` prints it. Pods verify its signatures.
    #[schemars(length(min = 1, max = 65536))]
    pub envelope: String,
}
