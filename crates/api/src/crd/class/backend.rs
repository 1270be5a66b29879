//! Servers that shops name in their `services`.

use crate::crd::pattern;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Servers that shops refer to in their `services`.
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
    /// Varnish servers. Every shop of the class that runs Magento 2 tells them what has changed.
    #[schemars(length(max = 20))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_caches: Vec<HttpCache>,
}

/// A MySQL server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// Name by which shops refer to it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "mysql")]
    pub port: u32,
    /// If set, connections are encrypted and the server's certificate is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Addresses at which pods may reach it.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// A Redis server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cache {
    /// Name by which shops refer to it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "redis")]
    pub port: u32,
    /// Whether connections are encrypted and the server's certificate is checked against the
    /// authorities that the shop's image trusts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// Whether the server keeps its shops apart, or the shops trust each other. With Separate, each
    /// shop has its own Redis user, named after the shop. `shop acl` prints this user. It reaches
    /// only keys with the shop's prefix. Sessions cannot be on such a server, because their keys
    /// have no prefix. With Trusted, one password reaches the caches and the sessions of all shops.
    #[serde(default)]
    pub tenants: Tenants,
    /// Addresses at which pods may reach it.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// What the shops of one server are to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Tenants {
    /// The shops do not trust each other. Longshore refuses what the server cannot keep from other
    /// shops.
    #[default]
    Separate,
    /// The shops trust each other, or there is only one.
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
    /// Name by which shops refer to it.
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
    /// Protocol of the connections.
    #[serde(default)]
    pub scheme: Scheme,
    /// Addresses at which pods may reach it.
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

/// Protocol of connections to an HTTP server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Connections are in plain text.
    #[default]
    Http,
    /// Connections are encrypted.
    Https,
}

/// A RabbitMQ server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Name by which shops refer to it.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub name: String,
    /// Host name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SERVER))]
    pub host: String,
    /// Port; servers with TLS usually listen on 5671.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "rabbitmq")]
    pub port: u32,
    /// If set, connections are encrypted and the server's certificate is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Addresses at which pods may reach it.
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
    /// Addresses at which pods may reach it.
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
    /// Name by which shops refer to it.
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
    /// Whether the server keeps its shops apart, or the shops trust each other. It counts if agents
    /// mount the file system, because pods can then reach the server. With Separate, each shop has
    /// an EFS access point, to which IAM gives it access; Longshore refuses other NFS servers,
    /// because they believe every pod.
    #[serde(default)]
    pub tenants: Tenants,
    /// Addresses at which pods may reach it.
    #[schemars(length(max = 20), inner(length(max = 43), regex(pattern = pattern::CIDR)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
}

/// An Amazon EFS file system.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.tls || !self.iam").message("iam needs tls"))]
pub struct Efs {
    /// ID, such as fs-0123456789abcdef0.
    #[schemars(length(max = 64), regex(pattern = "^fs-[0-9a-f]{8,40}$"))]
    pub file_system: String,
    /// Its region.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z0-9-]+$"))]
    pub region: String,
    /// Whether data is encrypted in transit.
    #[serde(default = "yes")]
    pub tls: bool,
    /// Whether EFS learns from IAM who mounts. If agents mount, that is the class's identity; with
    /// Csi, it is the driver's identity.
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
    /// Whether data is encrypted in transit. Needs a server that speaks TLS on its port, and agents
    /// that mount.
    #[serde(default)]
    pub tls: bool,
    /// CSI driver for shops with csi storage. If unset, the kubelet's own NFS client mounts.
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
    /// Name by which the driver knows the volume. Longshore appends the shop's name, because a
    /// handle must be unique.
    #[schemars(length(min = 1, max = 200))]
    pub handle: String,
    /// Further attributes that the driver needs.
    #[schemars(
        extend("maxProperties" = 20, "additionalProperties" = { "type": "string", "maxLength": 512 })
    )]
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

/// The place at which Debian's package ca-certificates has them.
fn authorities() -> String {
    "/etc/ssl/certs/ca-certificates.crt".to_owned()
}

fn yes() -> bool {
    true
}
