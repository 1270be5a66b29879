//! What the scheduler and the edge tell each other: names, and the lines of the maps.

pub mod certificate;
pub mod visits;

use crate::name;
use serde::{Deserialize, Serialize};

/// The namespace of the edge.
pub const NAMESPACE: &str = "edge";
/// The namespace of what the issuer alone reads: the key of its account.
pub const PRIVATE: &str = "edge-acme";
/// How many ConfigMaps hold the maps. Another number moves every host: it never changes.
pub const SHARDS: u32 = 64;

/// The contents of a shard that say which shop has a host.
pub const BACKENDS: &str = "backends.map";
/// Those that say to which other host one redirects.
pub const REDIRECTS: &str = "redirects.map";
/// Those that say why nobody answers for a host.
pub const CLOSED: &str = "closed.map";
/// Those that say what the edge has to know of a shop: [`EdgeShop`], as JSON.
pub const SHOPS: &str = "shops.map";

/// Those that name the Secret, of this namespace, with the certificate that people bring for a
/// host.
pub const OWN_CERTIFICATES: &str = "certificates.map";

/// What the edge has to know of a shop besides its hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeShop {
    /// Its share of an overloaded edge.
    pub weight: u32,
    /// Requests that each of its pods answers at once.
    pub workers: u32,
    /// For how long browsers shall ask by TLS only; 0 says nothing to them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hsts_seconds: u32,
    /// Whether it may have no pods: its visitors' requests then wait for one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub to_zero: bool,
}

/// The shard of a host, or of a shop's namespace.
#[must_use]
pub fn shard_of(key: &str) -> u32 {
    name::spread(key, SHARDS)
}

/// The name of a shard's ConfigMap.
#[must_use]
pub fn shard_name(shard: u32) -> String {
    format!("edge-{shard:02}")
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
