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
use std::{collections::BTreeMap, fmt, fmt::Write as _};

/// The namespace of the edge.
pub const NAMESPACE: &str = "edge";
/// How many shards there are. Another number moves every host: it never changes.
pub const SHARDS: u32 = 64;
/// Bytes of a ConfigMap's contents at most (Kubernetes, `MaxSecretSize`).
pub const SHARD_LIMIT: usize = 1 << 20;

const FILES: [&str; 4] = ["backends.map", "closed.map", "redirects.map", "weights.map"];
/// Claims named in an error message at most.
const SHOWN: usize = 10;

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
        let closed = matches!(shop.spec.state, ShopState::Suspended | ShopState::Archived).then_some(shop.spec.state);
        let domains = shop.spec.domains.iter().map(|domain| (domain.host.clone(), domain.redirect_to.clone())).collect();
        Some(Self { domains, weight: route.weight, closed })
    }

    /// The shards that its hosts are in.
    pub fn shards(&self) -> impl Iterator<Item = u32> {
        self.domains.iter().map(|(host, _)| shard_of(host))
    }
}

/// A host that two shops claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The host.
    pub host: String,
    /// Both shops.
    pub shops: [String; 2],
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {} belongs to shop {} and to shop {}", self.host, self.shops[0], self.shops[1])
    }
}

/// Why the maps cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EdgeError {
    /// Two shops claim one host. Neither is favoured: the maps stay as they are until a person decides.
    #[error("{}", told(.0))]
    Claimed(Vec<Claim>),
    /// More hosts than the shards hold.
    #[error("shard {shard} of the edge's maps has {bytes} bytes, over the limit of {SHARD_LIMIT}")]
    Full {
        /// Which shard.
        shard: u32,
        /// Its size.
        bytes: usize,
    },
}

fn told(claims: &[Claim]) -> String {
    let more = claims.len().saturating_sub(SHOWN);
    let first: Vec<_> = claims.iter().take(SHOWN).map(Claim::to_string).collect();
    first.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() }
}

/// A host: its shop, that shop's site, and where it redirects.
type Host<'a> = (&'a str, &'a Site, Option<&'a str>);

fn hosts<'a>(sites: impl Iterator<Item = (&'a str, &'a Site)>) -> (BTreeMap<&'a str, Host<'a>>, Vec<Claim>) {
    let (mut hosts, mut claims) = (BTreeMap::<&str, Host<'a>>::new(), Vec::new());
    for (shop, site) in sites {
        for (host, redirect) in &site.domains {
            if let Some((other, ..)) = hosts.insert(host, (shop, site, redirect.as_deref())) {
                claims.push(Claim { host: host.clone(), shops: [other.to_owned(), shop.to_owned()] });
            }
        }
    }
    (hosts, claims)
}

/// Every host that two shops claim.
pub fn claims<'a>(sites: impl Iterator<Item = (&'a str, &'a Site)>) -> Vec<Claim> {
    hosts(sites).1
}

/// The sites of shops of which all are known.
#[must_use]
pub fn sites(shops: &BTreeMap<String, Shop>, classes: &BTreeMap<String, ShopClass>) -> BTreeMap<String, Site> {
    let site = |(name, shop): (&String, &Shop)| Some((name.clone(), Site::of(shop, classes.get(&shop.spec.class)?)?));
    shops.iter().filter_map(site).collect()
}

/// All shards, of the shops whose class uses maps. Shards without hosts are there, too: a missing one would look like a lost one.
///
/// # Errors
///
/// Where two shops claim one host, or a shard is full.
pub fn maps<'a>(sites: impl Iterator<Item = (&'a str, &'a Site)>) -> Result<Vec<Object>, EdgeError> {
    let (hosts, claims) = hosts(sites);
    if !claims.is_empty() {
        return Err(EdgeError::Claimed(claims));
    }
    let mut shards: BTreeMap<u32, BTreeMap<&str, String>> =
        (0..SHARDS).map(|shard| (shard, FILES.map(|file| (file, String::new())).into())).collect();
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
    shards.into_iter().map(|(shard, files)| config_map(shard, files)).collect()
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
        labels: Some(super::labels()),
        ..ObjectMeta::default()
    };
    let data = files.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    Ok(Object::of(&ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }))
}
