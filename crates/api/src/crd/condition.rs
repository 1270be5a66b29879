//! What is true of a resource, since when, and why: as `kubectl wait --for=condition=…` reads it.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One aspect of the state of a resource.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type of the condition, such as Ready.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,
    /// Status of the condition.
    pub status: Truth,
    /// Reason of the status, one word for programs.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub reason: String,
    /// Reason of the status, a sentence for people.
    #[schemars(length(max = 2048))]
    #[serde(default)]
    pub message: String,
    /// Generation of the resource for which the condition was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Time of the last change.
    #[schemars(with = "String", length(max = 40), extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
}

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody could find out.
    Unknown,
}
