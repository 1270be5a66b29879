//! The maps of the edge: which shop a host belongs to, where it redirects, and what weight the shop
//! has.
//!
//! ```text
//!  ConfigMap edge-<shard>      shard = hash(host) mod 64
//!    backends.map              www.acme.example shop-acme          HAProxy: host → backend
//!    redirects.map             acme.example     www.acme.example   host → host, answered with 301
//!    weights.map               www.acme.example 100                host → share of an overloaded edge
//!    closed.map                www.gone.example Suspended          host → why nobody answers
//! ```
//!
//! A host has its shard by its own hash, so that one host's change touches one ConfigMap, whatever
//! else changes. 64 shards hold some 500,000 hosts below [`SHARD_LIMIT`].

use api::{Fleet, Object, Shop, ShopClass, ShopState, claims::Claims, name};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fmt::Write as _,
};

/// The namespace of the edge.
pub const NAMESPACE: &str = "edge";
/// How many shards there are. Another number moves every host: it never changes.
pub const SHARDS: u32 = 64;
/// Bytes of a ConfigMap's contents at most (Kubernetes, `MaxSecretSize`).
pub const SHARD_LIMIT: usize = 1 << 20;

const FILES: [&str; 4] = ["backends.map", "closed.map", "redirects.map", "weights.map"];

/// What the edge knows of a shop: all that the maps are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Hosts, and where each redirects.
    domains: Vec<(String, Option<String>)>,
    weight: u32,
    closed: Option<ShopState>,
}

impl Site {
    /// The site of a shop whose class uses the maps.
    #[must_use]
    pub fn of(shop: &Shop, class: &ShopClass) -> Option<Self> {
        let route = class.spec.route.map.as_ref()?;
        let closed = matches!(shop.spec.state, ShopState::Suspended | ShopState::Archived)
            .then_some(shop.spec.state);
        let domains = shop
            .spec
            .domains
            .iter()
            .map(|domain| (domain.host.clone(), domain.redirect_to.clone()))
            .collect();
        Some(Self {
            domains,
            weight: route.weight,
            closed,
        })
    }

    /// Its hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(|(host, _)| host.as_str())
    }

    /// Takes hosts away that another shop still has.
    pub fn without(&mut self, hosts: &BTreeSet<String>) {
        self.domains.retain(|(host, _)| !hosts.contains(host));
    }

    /// The shards that its hosts are in.
    pub fn shards(&self) -> impl Iterator<Item = u32> {
        self.domains.iter().map(|(host, _)| shard_of(host))
    }
}

/// Why the maps cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EdgeError {
    /// More hosts than the shards hold.
    #[error("shard {shard} of the edge's maps has {bytes} bytes, over the limit of {SHARD_LIMIT}")]
    Full {
        /// Which shard.
        shard: u32,
        /// Its size.
        bytes: usize,
    },
}

/// A host: its shop, that shop's site, and where it redirects.
type Host<'a> = (&'a str, &'a Site, Option<&'a str>);

/// The sites of shops of which all are known, each with the hosts that no other shop has.
#[must_use]
pub fn sites(fleet: &Fleet, claims: &Claims) -> BTreeMap<String, Site> {
    let site = |(name, shop): (&String, &Shop)| {
        let mut site = Site::of(shop, fleet.classes.get(&shop.spec.class)?)?;
        site.domains.retain(|(host, _)| claims.has_host(name, host));
        Some((name.clone(), site))
    };
    fleet.shops.iter().filter_map(site).collect()
}

/// All shards, of the shops whose class uses maps. Shards without hosts are there, too: a missing
/// one would look like a lost one.
///
/// # Errors
///
/// Where a shard is full.
pub fn maps<'a>(
    sites: impl Iterator<Item = (&'a str, &'a Site)>,
) -> Result<Vec<Object>, EdgeError> {
    let mut hosts = BTreeMap::<&str, Host<'a>>::new();
    for (shop, site) in sites {
        hosts.extend(
            site.domains
                .iter()
                .map(|(host, redirect)| (host.as_str(), (shop, site, redirect.as_deref()))),
        );
    }
    let mut shards: BTreeMap<u32, BTreeMap<&str, String>> = (0..SHARDS)
        .map(|shard| (shard, FILES.map(|file| (file, String::new())).into()))
        .collect();
    for (host, (shop, site, redirect)) in hosts {
        let shard = shards.entry(shard_of(host)).or_default();
        let mut line = |file: &'static str, value: &dyn fmt::Display| {
            // Writing to a String never fails.
            writeln!(shard.entry(file).or_default(), "{host} {value}").ok();
        };
        match (site.closed, redirect) {
            (Some(state), _) => line("closed.map", &format_args!("{state:?}")),
            (None, Some(target)) => line("redirects.map", &target),
            (None, None) => {
                line("backends.map", &name::namespace(shop));
                line("weights.map", &site.weight);
            }
        }
    }
    shards
        .into_iter()
        .map(|(shard, files)| config_map(shard, files))
        .collect()
}

/// The shard of a host.
#[must_use]
pub fn shard_of(host: &str) -> u32 {
    name::spread(host, SHARDS)
}

/// The name of a shard's ConfigMap.
#[must_use]
pub fn shard_name(shard: u32) -> String {
    format!("edge-{shard:02}")
}

fn config_map(shard: u32, files: BTreeMap<&str, String>) -> Result<Object, EdgeError> {
    let bytes = files.values().map(String::len).sum();
    if bytes > SHARD_LIMIT {
        return Err(EdgeError::Full { shard, bytes });
    }
    let metadata = ObjectMeta {
        name: Some(shard_name(shard)),
        namespace: Some(NAMESPACE.to_owned()),
        labels: Some(api::name::system_labels()),
        ..ObjectMeta::default()
    };
    let data = files
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text))
        .collect();
    Ok(Object::of(&ConfigMap {
        metadata,
        data: Some(data),
        ..ConfigMap::default()
    }))
}
