//! What is true of a resource, since when, and why: as `kubectl wait --for=condition=…` reads it.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is true of a resource, or is not.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What this is about, such as Ready.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,
    /// Whether it is so.
    pub status: Truth,
    /// Why, in one word for programs.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub reason: String,
    /// Why, in a sentence for people.
    #[schemars(length(max = 2048))]
    #[serde(default)]
    pub message: String,
    /// Generation of the resource that this was found at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Since when.
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
