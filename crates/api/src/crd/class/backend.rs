//! Servers that shops name in their `services`.

use crate::crd::pattern;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Servers that shops name in their `services`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backends {
    /// MySQL and compatible servers.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".to_owned()]))]
    pub databases: Vec<Database>,
    /// Redis and compatible servers.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".to_owned()]))]
    pub caches: Vec<Cache>,
    /// File systems for media.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".to_owned()]))]
    pub media: Vec<Media>,
    /// OpenSearch and Elasticsearch servers, which Magento 2 searches in.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".to_owned()]))]
    pub search: Vec<Search>,
    /// RabbitMQ servers, for Magento 2's queues.
    #[schemars(length(max = 50))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".to_owned()]))]
    pub queues: Vec<Queue>,
    /// Varnish servers: every shop of the class that runs Magento 2 tells them what has changed.
    #[schemars(length(max = 20))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_caches: Vec<HttpCache>,
}

/// A MySQL server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// What shops call it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "mysql")]
    pub port: u32,
    /// Connections are encrypted, and the server's certificate is checked, where this is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Addresses that pods may reach it at.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// A Redis server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cache {
    /// What shops call it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "redis")]
    pub port: u32,
    /// Whether connections are encrypted, and the server's certificate checked against those that
    /// the shop's image trusts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// Whether its shops are kept apart, or trust each other. Kept apart, each has a Redis user of
    /// its own, by the shop's name, which reaches keys of the shop's prefix alone, and which `shop
    /// acl` prints; sessions, whose keys bear no prefix, cannot be there. Otherwise one password
    /// reaches the caches and the sessions of all.
    #[serde(default)]
    pub tenants: Tenants,
    /// Addresses that pods may reach it at.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// What the shops of one server are to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Tenants {
    /// Strangers: what the server cannot keep from others is refused.
    #[default]
    Separate,
    /// They trust each other, or there is one.
    Trusted,
}

/// How a server's certificate is checked.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// File of the shop's image with the certificates that sign servers.
    #[schemars(length(min = 2, max = 200), regex(pattern = pattern::ABSOLUTE_PATH))]
    #[serde(default = "authorities")]
    pub ca_file: String,
}

/// An OpenSearch or Elasticsearch server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    /// What shops call it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// What it is, as Magento 2 calls it.
    #[serde(default)]
    pub engine: SearchEngine,
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "opensearch")]
    pub port: u32,
    /// How it is spoken to.
    #[serde(default)]
    pub scheme: Scheme,
    /// Addresses that pods may reach it at.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// What a search server is, as Magento 2 calls it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchEngine {
    /// OpenSearch.
    #[default]
    Opensearch,
    /// Elasticsearch 7.
    Elasticsearch7,
    /// Elasticsearch 8.
    Elasticsearch8,
}

/// How an HTTP server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In plain text.
    #[default]
    Http,
    /// Encrypted.
    Https,
}

/// A RabbitMQ server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// What shops call it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port; servers with TLS usually listen on 5671.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "rabbitmq")]
    pub port: u32,
    /// Connections are encrypted, and the server's certificate is checked, where this is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Addresses that pods may reach it at.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// A Varnish server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpCache {
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "http")]
    pub port: u32,
    /// Addresses that pods may reach it at.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// A file system for media: exactly one of efs, nfs and directory.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.efs), has(self.nfs), has(self.directory)].filter(given, given).size() == 1")
    .message("exactly one of efs, nfs and directory"))]
pub struct Media {
    /// What shops call it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Amazon EFS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efs: Option<Efs>,
    /// Another NFSv4.1 server, such as Azure Files or Filestore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nfs: Option<Nfs>,
    /// A directory that every node has already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Directory>,
    /// Whether its shops are kept apart, or trust each other. It counts where agents mount, as the
    /// pods can reach the server then: kept apart, each shop has an access point of EFS, which it
    /// gets by IAM, and other NFS servers, which believe every pod, are refused.
    #[serde(default)]
    pub tenants: Tenants,
    /// Addresses that pods may reach it at.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// An Amazon EFS file system.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.tls || !self.iam").message("iam needs tls"))]
pub struct Efs {
    /// Id, such as fs-0123456789abcdef0.
    #[schemars(length(max = 64), regex(pattern = "^fs-[0-9a-f]{8,40}$"))]
    pub file_system: String,
    /// Region of it.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z0-9-]+$"))]
    pub region: String,
    /// Whether data is encrypted on its way.
    #[serde(default = "yes")]
    pub tls: bool,
    /// Whether EFS is told by IAM who mounts: where agents mount, the class's identity; with Csi,
    /// that of the driver.
    #[serde(default = "yes")]
    pub iam: bool,
}

/// An NFSv4.1 server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nfs {
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub server: String,
    /// Exported directory.
    #[schemars(length(min = 1, max = 200), regex(pattern = "^/[A-Za-z0-9._/-]*$"))]
    pub export: String,
    /// Whether data is encrypted on its way; needs a server that speaks TLS on its port, and
    /// agents that mount.
    #[serde(default)]
    pub tls: bool,
    /// CSI driver for shops with csi storage; the kubelet's own NFS client, where this is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csi: Option<CsiDriver>,
}

/// A volume of a CSI driver.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CsiDriver {
    /// Name of the driver, such as file.csi.azure.com.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::SUBDOMAIN))]
    pub driver: String,
    /// What the driver calls the volume; the shop's name is added, as a handle must be unique.
    #[schemars(length(min = 1, max = 200))]
    pub handle: String,
    /// What else the driver wants to know.
    #[schemars(extend("maxProperties" = 20, "additionalProperties" = { "type": "string", "maxLength": 512 }))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A directory that every node has already.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// Its path on the nodes.
    #[schemars(length(min = 2, max = 200), regex(pattern = pattern::ABSOLUTE_PATH))]
    pub path: String,
}

fn mysql() -> u32 {
    3306
}

fn redis() -> u32 {
    6379
}

fn opensearch() -> u32 {
    9200
}

fn rabbitmq() -> u32 {
    5672
}

fn http() -> u32 {
    80
}

/// Where Debian's package ca-certificates has them.
fn authorities() -> String {
    "/etc/ssl/certs/ca-certificates.crt".to_owned()
}

fn yes() -> bool {
    true
}
