//! Who the pods of a class are for the cloud: what lets them read the bucket of releases.

use crate::crd::pattern;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Identity of the pods for the cloud: at most one of these. Only the containers that need it get
/// it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.podIdentity), has(self.webIdentity), has(self.azure), has(self.google), has(self.secret)].filter(given, given).size() <= 1")
    .message("at most one of podIdentity, webIdentity, azure, google and secret"))]
pub struct CloudIdentity {
    /// EKS Pod Identity: an association made outside of the cluster gives the shop's service
    /// account a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_identity: Option<PodIdentity>,
    /// A token of the cluster that AWS, or a store that speaks its language, takes for a role;
    /// works on every cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentity>,
    /// Azure workload identity, beside which the store needs a Secret or a web identity of its
    /// own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureIdentity>,
    /// GKE workload identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub google: Option<GoogleIdentity>,
    /// Keys in a Secret of the shop's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretIdentity>,
}

impl CloudIdentity {
    /// Whether pods show the store a token of the cluster.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.web_identity.is_some() || self.azure.is_some() || self.google.is_some()
    }
}

/// EKS Pod Identity.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodIdentity {}

/// A token of the cluster that is taken for a role.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebIdentity {
    /// Role, such as arn:aws:iam::111122223333:role/shop-releases-read.
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^[A-Za-z0-9+=,.@:/_-]+$")
    )]
    pub role_arn: String,
    /// Audience of the token.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[^\s]+$"))]
    #[serde(default = "audience")]
    pub audience: String,
}

/// Azure workload identity.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureIdentity {
    /// Client ID of the managed identity.
    #[schemars(
        length(max = 36),
        regex(pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    )]
    pub client_id: String,
    /// Role that the store takes the same token for.
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^[A-Za-z0-9+=,.@:/_-]+$")
    )]
    pub role_arn: String,
}

/// GKE workload identity.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoogleIdentity {
    /// Service account of Google Cloud, as an address.
    #[schemars(
        length(min = 6, max = 253),
        regex(pattern = r"^[a-z0-9-]+@[a-z0-9.-]+$")
    )]
    pub service_account: String,
    /// Role that the store takes a token of the cluster for.
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^[A-Za-z0-9+=,.@:/_-]+$")
    )]
    pub role_arn: String,
}

/// Keys in a Secret.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretIdentity {
    /// Its name. Keys: access-key-id and secret-access-key.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub name: String,
}

fn audience() -> String {
    "sts.amazonaws.com".to_owned()
}
