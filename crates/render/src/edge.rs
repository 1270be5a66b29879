//! The maps of the edge: which shop a host belongs to, where it redirects, and what the edge has to
//! know of the shop.
//!
//! ```text
//!  ConfigMap edge-<shard>      shard = hash(first word of the line) mod 64
//!    backends.map              www.acme.example shop-acme          host → shop
//!    redirects.map             acme.example     www.acme.example   host → host, answered with 301
//!    closed.map                www.gone.example Suspended          host → why nobody answers
//!    certificates.map          www.acme.example acme-tls           host → Secret that people bring
//!    shops.map                 shop-acme {"weight":100,"workers":16}
//! ```
//!
//! A host has its shard by its own hash, so that one host's change touches one ConfigMap, whatever
//! else changes. 64 shards hold some 500,000 hosts below [`SHARD_LIMIT`].

mod platform;

pub use self::platform::PlatformHost;
pub use api::edge::{NAMESPACE, SHARDS, shard_name, shard_of};
use api::{
    Domain, Fleet, Object, Shop, ShopClass, ShopState,
    claims::Claims,
    edge::{BACKENDS, CLOSED, EdgeShop, OWN_CERTIFICATES, REDIRECTS, SHOPS},
    name,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fmt::Write as _,
};

/// Bytes of a ConfigMap's contents at most (Kubernetes, `MaxSecretSize`).
pub const SHARD_LIMIT: usize = 1 << 20;

const FILES: [&str; 5] = [BACKENDS, OWN_CERTIFICATES, CLOSED, REDIRECTS, SHOPS];

/// What the edge knows of a shop: all that the maps are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    domains: Vec<Domain>,
    shop: EdgeShop,
    closed: Option<ShopState>,
}

impl Site {
    /// The site of a shop whose class uses the maps.
    #[must_use]
    pub fn new(shop: &Shop, class: &ShopClass) -> Option<Self> {
        let route = class.spec.route.map.as_ref()?;
        let closed = matches!(shop.spec.state, ShopState::Suspended | ShopState::Archived)
            .then_some(shop.spec.state);
        Some(Self {
            domains: shop.spec.domains.clone(),
            shop: EdgeShop {
                weight: route.weight,
                workers: class.spec.php.workers,
                hsts_seconds: route.hsts_seconds,
                to_zero: shop.spec.scale.to_zero_after().is_some(),
            },
            closed,
        })
    }

    /// Its hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(|domain| domain.host.as_str())
    }

    /// Takes hosts away that another shop still has.
    pub fn without(&mut self, hosts: &BTreeSet<String>) {
        self.domains.retain(|domain| !hosts.contains(&domain.host));
    }

    /// The shards that its hosts are in, and that what is said of the shop is in.
    pub fn shards(&self, shop: &str) -> impl Iterator<Item = u32> {
        let own = shard_of(&name::namespace(shop));
        self.hosts().map(shard_of).chain([own])
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

/// The sites of shops of which all are known, each with the hosts that no other shop has.
#[must_use]
pub fn sites(fleet: &Fleet, claims: &Claims) -> BTreeMap<String, Site> {
    let site = |(name, shop): (&String, &Shop)| {
        let mut site = Site::new(shop, fleet.classes.get(&shop.spec.class)?)?;
        site.domains
            .retain(|domain| claims.has_host(name, &domain.host));
        Some((name.clone(), site))
    };
    fleet.shops.iter().filter_map(site).collect()
}

/// All shards, of the shops whose class uses maps, and of the platform's own hosts, which no shop
/// has. Shards without hosts are there, too: a missing
/// one would look like a lost one.
///
/// # Errors
///
/// If a shard is full.
pub fn maps<'a>(
    sites: impl Iterator<Item = (&'a str, &'a Site)>,
    platform: &[PlatformHost],
) -> Result<Vec<Object>, EdgeError> {
    // Sorted, so that the same fleet has the same lines.
    let mut hosts = BTreeMap::<&str, (&str, &Site, &Domain)>::new();
    let mut shards: BTreeMap<u32, BTreeMap<&str, String>> = (0..SHARDS)
        .map(|shard| (shard, FILES.map(|file| (file, String::new())).into()))
        .collect();
    let mut line = |file: &'static str, key: &str, value: &dyn fmt::Display| {
        let shard = shards.entry(shard_of(key)).or_default();
        // Writing to a String never fails.
        writeln!(shard.entry(file).or_default(), "{key} {value}").ok();
    };
    for (shop, site) in sites {
        if site.closed.is_none() && !site.domains.is_empty() {
            let known = serde_json::to_string(&site.shop).unwrap_or_default();
            line(SHOPS, &name::namespace(shop), &known);
        }
        let of_host = |domain: &'a Domain| (domain.host.as_str(), (shop, site, domain));
        hosts.extend(site.domains.iter().map(of_host));
    }
    for PlatformHost {
        host,
        namespace,
        certificate,
    } in platform
    {
        // A shop that had it before may have left the registry.
        hosts.remove(host.as_str());
        line(BACKENDS, host, namespace);
        let known = serde_json::to_string(&PlatformHost::settings()).unwrap_or_default();
        line(SHOPS, namespace, &known);
        if let Some(secret) = certificate {
            line(OWN_CERTIFICATES, host, secret);
        }
    }
    for (host, (shop, site, domain)) in hosts {
        match (site.closed, &domain.redirect_to) {
            (Some(state), _) => line(CLOSED, host, &format_args!("{state:?}")),
            (None, Some(target)) => line(REDIRECTS, host, target),
            (None, None) => line(BACKENDS, host, &name::namespace(shop)),
        }
        if let Some(secret) = &domain.certificate {
            line(OWN_CERTIFICATES, host, secret);
        }
    }
    shards
        .into_iter()
        .map(|(shard, files)| config_map(shard, files))
        .collect()
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
    Ok(Object::new(&ConfigMap {
        metadata,
        data: Some(data),
        ..ConfigMap::default()
    }))
}
