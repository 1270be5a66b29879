//! The maps of the edge: which shop a host belongs to, where it redirects, and what weight the shop has.
//!
//! ```text
//!  ConfigMap edge-<shard>      shard = hash(host) mod 64
//!    backends.map              www.acme.example shop-acme          HAProxy: host → backend
//!    redirects.map             acme.example     www.acme.example   host → host, answered with 301
//!    weights.map               www.acme.example 100                host → share of an overloaded edge
//!    closed.map                www.gone.example Suspended          host → why nobody answers
//! ```
//!
//! A host has its shard by its own hash, so that one host's change touches one ConfigMap, whatever else changes. 64 shards hold some
//! 500,000 hosts below [`SHARD_LIMIT`].

use crate::{
    crd::{Shop, ShopClass, ShopState},
    render::{Object, name},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;
use std::{collections::BTreeMap, fmt::Write as _};

/// The namespace of the edge.
pub const NAMESPACE: &str = "edge";
/// How many shards there are. Another number moves every host: it never changes.
pub const SHARDS: u32 = 64;
/// Bytes of a ConfigMap's contents at most (Kubernetes, `MaxSecretSize`).
pub const SHARD_LIMIT: usize = 1 << 20;

const FILES: [&str; 4] = ["backends.map", "closed.map", "redirects.map", "weights.map"];

/// Why the maps cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EdgeError {
    /// Two shops claim one host. Neither is favoured: the maps stay as they are until a person decides.
    #[error("host {host} belongs to shop {first} and to shop {second}")]
    Claimed {
        /// The host.
        host: String,
        /// One shop.
        first: String,
        /// The other one.
        second: String,
    },
    /// More hosts than the shards hold.
    #[error("shard {shard} of the edge's maps has {bytes} bytes, over the limit of {SHARD_LIMIT}")]
    Full {
        /// Which shard.
        shard: u32,
        /// Its size.
        bytes: usize,
    },
}

struct Host<'a> {
    shop: &'a Shop,
    redirect: Option<&'a str>,
    weight: u32,
}

/// All shards, of the shops whose class uses maps. Shards without hosts are there, too: a missing one would look like a lost one.
///
/// # Errors
///
/// Where two shops claim one host, or a shard is full.
pub fn maps<'a>(shops: impl Iterator<Item = (&'a Shop, &'a ShopClass)>) -> Result<Vec<Object>, EdgeError> {
    let mut hosts: BTreeMap<&str, Host<'a>> = BTreeMap::new();
    for (shop, class) in shops {
        let Some(route) = &class.spec.route.map else { continue };
        for domain in &shop.spec.domains {
            let host = Host { shop, redirect: domain.redirect_to.as_deref(), weight: route.weight };
            if let Some(other) = hosts.insert(&domain.host, host) {
                return Err(EdgeError::Claimed { host: domain.host.clone(), first: called(other.shop), second: called(shop) });
            }
        }
    }
    let mut shards: BTreeMap<u32, BTreeMap<&str, String>> =
        (0..SHARDS).map(|shard| (shard, FILES.map(|file| (file, String::new())).into())).collect();
    for (host, of) in hosts {
        let shard = shards.entry(shard_of(host)).or_default();
        let mut line = |file: &'static str, value: &dyn std::fmt::Display| {
            // Writing to a String never fails.
            writeln!(shard.entry(file).or_default(), "{host} {value}").ok();
        };
        match (of.shop.spec.state, of.redirect) {
            (ShopState::Suspended | ShopState::Archived, _) => line("closed.map", &format_args!("{:?}", of.shop.spec.state)),
            (_, Some(target)) => line("redirects.map", &target),
            (_, None) => {
                line("backends.map", &name::namespace(&called(of.shop)));
                line("weights.map", &of.weight);
            }
        }
    }
    shards.into_iter().map(|(shard, files)| config_map(shard, files)).collect()
}

/// The shard of a host.
#[must_use]
pub fn shard_of(host: &str) -> u32 {
    name::spread(host, SHARDS)
}

fn called(shop: &Shop) -> String {
    shop.metadata.name.clone().unwrap_or_default()
}

fn config_map(shard: u32, files: BTreeMap<&str, String>) -> Result<Object, EdgeError> {
    let bytes = files.values().map(String::len).sum();
    if bytes > SHARD_LIMIT {
        return Err(EdgeError::Full { shard, bytes });
    }
    let metadata = ObjectMeta {
        name: Some(format!("edge-{shard:02}")),
        namespace: Some(NAMESPACE.to_owned()),
        labels: Some(super::labels()),
        ..ObjectMeta::default()
    };
    let data = files.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    Ok(Object::of(&ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }))
}
