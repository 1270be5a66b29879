//! `Release`: a signed release object in the cluster.

use super::{Condition, pattern};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A release of a channel, as CI signed it. It never changes: to go back, publish another Release.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "longshore.dev",
    version = "v1alpha1",
    kind = "Release",
    doc = "A release of a channel, as CI signed it. It never changes: to go back, publish another Release.",
    derive = "PartialEq",
    shortname = "rel",
    category = "longshore",
    printcolumn(name = "Channel", type_ = "string", json_path = ".spec.channel"),
    printcolumn(name = "Sequence", type_ = "integer", json_path = ".spec.sequence"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Readable",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Readable\")].status"
    ),
    selectable = ".spec.channel",
    status = "ReleaseStatus"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("a Release never changes; make another one")
)]
pub struct ReleaseSpec {
    /// Channel that the envelope names.
    #[schemars(length(min = 1, max = 128), regex(pattern = pattern::CHANNEL))]
    pub channel: String,
    /// Sequence that the envelope names.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub sequence: u64,
    /// The release object, byte for byte: a DSSE envelope in JSON, as `longshore release resource`
    /// prints it. Pods verify its signatures.
    #[schemars(length(min = 1, max = 65536))]
    pub envelope: String,
}

/// What the scheduler observed of a release.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// Its builds, by class. Each starts once.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["class".to_owned()]))]
    pub builds: Vec<ReleaseBuild>,
    /// Readable: the envelope is a release object and matches the fields.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// A build of a release.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseBuild {
    /// Class that defines the build.
    #[schemars(length(max = 63))]
    pub class: String,
    /// Its Job, in the namespace longshore-builds.
    #[schemars(length(max = 63))]
    pub job: String,
    /// State of the build.
    pub state: BuildState,
    /// Time of the last change.
    #[schemars(length(max = 40))]
    pub since: String,
}

/// State of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BuildState {
    /// It runs, or waits for a node.
    Running,
    /// It succeeded.
    Done,
    /// It failed, or its Job is gone.
    Failed,
}
