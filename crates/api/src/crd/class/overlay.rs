//! What a class adds to the generated objects: a small vocabulary, and no templates.

use super::Size;
use crate::crd::pattern;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a class adds to the generated objects. The API server refuses names that Longshore sets
/// itself.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.labels) && self.labels.exists(k, k.startsWith('longshore.dev/') || k.startsWith('app.kubernetes.io/')), has(self.podLabels) && self.podLabels.exists(k, k.startsWith('longshore.dev/') || k.startsWith('app.kubernetes.io/'))].filter(given, given).size() == 0")
    .message("labels under longshore.dev and app.kubernetes.io are set by Longshore"),
    validation = Rule::new("!(has(self.annotations) && self.annotations.exists(k, k.startsWith('longshore.dev/'))) && !(has(self.podAnnotations) && self.podAnnotations.exists(k, k.startsWith('longshore.dev/')))")
        .message("annotations under longshore.dev are set by Longshore"),
    validation = Rule::new("!has(self.extraEnv) || self.extraEnv.all(v, !(v.name in ['PHP_INI_SCAN_DIR', 'POD_UID']) && !v.name.startsWith('LONGSHORE_'))")
        .message("PHP_INI_SCAN_DIR, POD_UID and LONGSHORE_... are set by Longshore").field_path(".extraEnv"),
    validation = Rule::new("!has(self.extraContainers) || self.extraContainers.all(c, !(c.name in ['agent', 'backup', 'build', 'cron', 'migrate', 'nginx', 'php-fpm', 'pull']))")
        .message("agent, backup, build, cron, migrate, nginx, php-fpm and pull are containers of Longshore").field_path(".extraContainers"))]
pub struct Overlay {
    /// Labels of all objects.
    #[schemars(
        extend("maxProperties" = 20, "additionalProperties" = { "type": "string", "maxLength": 63 })
    )]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of all objects.
    #[schemars(extend("maxProperties" = 20, "additionalProperties" = { "type": "string", "maxLength": 1024 }))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels of the pods.
    #[schemars(
        extend("maxProperties" = 20, "additionalProperties" = { "type": "string", "maxLength": 63 })
    )]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of the pods.
    #[schemars(extend("maxProperties" = 20, "additionalProperties" = { "type": "string", "maxLength": 1024 }))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_annotations: BTreeMap<String, String>,
    /// Labels of the nodes that pods may run on.
    #[schemars(
        extend("maxProperties" = 10, "additionalProperties" = { "type": "string", "maxLength": 63 })
    )]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that the pods tolerate.
    #[schemars(length(max = 10))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Variables of the shop's own containers.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".to_owned()]))]
    pub extra_env: Vec<ExtraVariable>,
    /// Containers beside nginx and php-fpm, under the same restrictions.
    #[schemars(length(max = 5))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".to_owned()]))]
    pub extra_containers: Vec<ExtraContainer>,
    /// PriorityClass to use instead of that of the class's priority.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
}

impl Overlay {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A taint that the pods tolerate.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Key of the taint.
    #[schemars(length(min = 1, max = 316), regex(pattern = pattern::KEY))]
    pub key: String,
    /// Value of the taint. If unset, any value.
    #[schemars(length(max = 63))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Effect of the taint. If unset, any effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}

/// What a taint does to pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Effect {
    /// No pods are scheduled there.
    NoSchedule,
    /// No pods are scheduled there while other nodes have room.
    PreferNoSchedule,
    /// Pods that run there are evicted.
    NoExecute,
}

/// A variable of the shop's own containers.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtraVariable {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = pattern::VARIABLE))]
    pub name: String,
    /// Its value. Never a secret.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// A container beside nginx and php-fpm.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtraContainer {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Image, by digest.
    #[schemars(length(max = 512), regex(pattern = pattern::IMAGE))]
    pub image: String,
    /// Program and arguments. If empty, those of the image.
    #[schemars(length(max = 50), inner(length(max = 1024)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Resources that it requests.
    pub size: Size,
    /// Its variables.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<ExtraVariable>,
}
