//! Who may speak to the pods of a class, to whom they may, and how visitors get to them.

use crate::crd::pattern;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who may connect to the pods, and to whom pods may connect. Everything else is denied, in both
/// directions.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Pods that send visitors' requests.
    #[serde(default = "edge")]
    pub edge: Peer,
    /// Addresses that send visitors' requests, such as those of the edge's pods. nginx believes
    /// what these say in X-Forwarded-For. If empty, a visitor's address is that of the edge.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edge_cidrs: Vec<String>,
    /// Address at which pods find their shop's own domains. Programs that request their own public
    /// address, such as SOAP for its WSDL, find the edge there. If unset, pods ask DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Own>,
    /// Who reads metrics.
    #[serde(default = "monitoring")]
    pub monitoring: Peer,
    /// Who resolves names.
    #[serde(default = "dns")]
    pub dns: Peer,
    /// Addresses of the store, on its port. 0.0.0.0/0 means everything but private networks, the
    /// cluster's and the cloud's own.
    #[schemars(length(max = 50), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub store: Vec<String>,
    /// Addresses of the API server, as pods see them. It asks agents for their status. Needed only
    /// if the CNI counts them as outside the cluster.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_server: Vec<String>,
    /// Other addresses that shops call on port 443, such as those of payment providers. 0.0.0.0/0
    /// has the same meaning as in store.
    #[schemars(length(max = 50), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// Further addresses and ports that shops call, such as an inventory system.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".to_owned()]))]
    pub outgoing: Vec<Outgoing>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            edge: edge(),
            edge_cidrs: Vec::new(),
            own: None,
            monitoring: monitoring(),
            dns: dns(),
            store: Vec::new(),
            api_server: Vec::new(),
            outside: Vec::new(),
            outgoing: Vec::new(),
        }
    }
}

/// The edge, as pods reach it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Own {
    /// Its address. /etc/hosts of each pod maps all of the shop's domains to it.
    #[schemars(length(max = 15), regex(pattern = pattern::ADDRESS))]
    pub address: String,
    /// TCP ports that pods may reach there. For the address of a Service, list also the ports on
    /// which its pods listen, because CNIs check those.
    #[schemars(length(min = 1, max = 20), inner(range(min = 1, max = 65535)))]
    #[serde(default = "https")]
    pub ports: Vec<u32>,
}

/// Addresses that shops call, and the ports there.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// What it is, for people.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Addresses.
    #[schemars(length(min = 1, max = 50), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    pub cidrs: Vec<String>,
    /// TCP ports.
    #[schemars(length(min = 1, max = 20), inner(range(min = 1, max = 65535)))]
    pub ports: Vec<u32>,
}

/// Pods of another namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Their namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub namespace: String,
    /// Their labels. If empty, all pods of the namespace.
    #[schemars(
        extend("maxProperties" = 10, "additionalProperties" = { "type": "string", "maxLength": 63 })
    )]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// How traffic reaches the pods: exactly one of these.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.map), has(self.ingress), has(self.gateway)].filter(given, given).size() == 1")
    .message("exactly one of map, ingress and gateway"))]
pub struct Route {
    /// Lines in the maps of an HAProxy at the edge. Shops have no object of their own for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<MapRoute>,
    /// An Ingress for each shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// An HTTPRoute for each shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            map: Some(MapRoute::default()),
            ingress: None,
            gateway: None,
        }
    }
}

/// How shops prove that their owner has the domains that they name.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainProof {
    /// Domains of the platform itself, such as shops.host.example. A shop needs no proof for
    /// NAME.shops.host.example, where NAME is its own name, nor for hosts below that.
    #[schemars(length(max = 20), inner(length(min = 4, max = 253), regex(pattern = pattern::HOST)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platform_domains: Vec<String>,
}

/// Lines in the maps of an HAProxy at the edge.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MapRoute {
    /// Weight of this class's shops when a worker of the edge is overloaded, from 1 to 256: their
    /// share of its requests.
    #[schemars(range(min = 1, max = 256))]
    #[serde(default = "weight")]
    pub weight: u32,
    /// Seconds for which browsers that were here ask by TLS only (Strict-Transport-Security). 0
    /// sends no such header. A shop that moves to a host without TLS cannot be reached for as long.
    #[schemars(range(max = 63_072_000))]
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hsts_seconds: u32,
}

impl Default for MapRoute {
    fn default() -> Self {
        Self {
            weight: weight(),
            hsts_seconds: 0,
        }
    }
}

/// An Ingress for each shop.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// IngressClass.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub class_name: String,
    /// cert-manager issuer of the shop's certificate. If unset, the Ingress has no TLS.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_issuer: Option<String>,
}

/// An HTTPRoute for each shop.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub name: String,
    /// Its namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub namespace: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn https() -> Vec<u32> {
    vec![443]
}

fn edge() -> Peer {
    Peer {
        namespace: "edge".to_owned(),
        labels: BTreeMap::new(),
    }
}

fn monitoring() -> Peer {
    Peer {
        namespace: "monitoring".to_owned(),
        labels: BTreeMap::new(),
    }
}

fn dns() -> Peer {
    Peer {
        namespace: "kube-system".to_owned(),
        labels: BTreeMap::from([("k8s-app".to_owned(), "kube-dns".to_owned())]),
    }
}

fn weight() -> u32 {
    100
}
