//! Where a shop's data is: names of its class's backends, and the shop's part of each.

use crate::crd::pattern;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The data of a shop.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Services {
    /// The shop's database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseRef>,
    /// The shop's part of a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheRef>,
    /// The shop's media.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaRef>,
    /// Search of Magento 2. If set, the admin cannot change the settings of the search engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchRef>,
    /// Magento 2's queues in RabbitMQ. If unset, they are in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueRef>,
}

/// A database of one of the class's servers.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRef {
    /// Server: a name of the class's `databases`.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub server: String,
    /// Database on it.
    #[schemars(length(min = 1, max = 64), regex(pattern = pattern::DATABASE))]
    pub name: String,
    /// Prefix of the names of the shop's tables. If unset, there is none.
    #[schemars(length(max = 10), regex(pattern = "^[a-z][a-z0-9_]*$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_prefix: Option<String>,
}

/// A part of one of the class's search servers.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchRef {
    /// Server: a name of the class's `search`.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub server: String,
    /// Prefix of the names of the shop's indexes, such as acme. Two shops of a server cannot have
    /// the same.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-z0-9][a-z0-9_-]*$"))]
    pub prefix: String,
}

/// A virtual host of one of the class's queue servers.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueRef {
    /// Server: a name of the class's `queues`.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub server: String,
    /// Virtual host of the shop there. The keys queue-user and queue-password of the shop's Secret
    /// hold its user and password.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9/._-]+$"))]
    pub virtual_host: String,
}

/// A part of one of the class's caches.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.prefix.matches('[0-9a-f]{16}_[0-9a-f]{8}_$')")
    .message("a prefix does not end like that of a release").field_path(".prefix"))]
pub struct CacheRef {
    /// Server: a name of the class's `caches`.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub server: String,
    /// Prefix of the keys of the shop's caches, such as acme_. The release and a hash of the shop's
    /// configuration follow.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[A-Za-z0-9_]+$"))]
    pub prefix: String,
    /// Number of the Redis database that holds the shop's sessions. No other shop of that server
    /// can have the same, because keys of sessions have no prefix. 0 and 1 hold caches. If unset,
    /// sessions are in the shop's own SQL database.
    #[schemars(range(min = 2, max = 1_199_999))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
}

/// A directory of one of the class's file systems.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaRef {
    /// File system: a name of the class's `media`.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::LABEL))]
    pub server: String,
    /// Directory of the shop there. For an access point, its root directory.
    #[schemars(length(min = 2, max = 200), regex(pattern = pattern::ABSOLUTE_PATH))]
    pub path: String,
    /// EFS access point of the shop, such as fsap-0123456789abcdef0, whose root directory is
    /// `path`.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^fsap-[0-9a-f]{8,40}$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_point: Option<String>,
}
