//! What the API server says, as far as HAProxy has to know it.

use super::{
    endpoints::Pod,
    lines::{Shard, Target},
    pem::Pem,
};
use crate::certificate::check;
use api::edge::EdgeShop;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Everything that was read, each object by itself, so that one that changes replaces itself.
#[derive(Debug, Default)]
pub struct Model {
    /// The maps, by ConfigMap.
    pub shards: BTreeMap<String, Shard>,
    /// Pods, by shop, and by the `EndpointSlice` that names them.
    pub slices: BTreeMap<String, BTreeMap<String, BTreeMap<String, Pod>>>,
    /// Certificates of `longshore-edge issue`, by Secret, and by the host they are for.
    pub issued: BTreeMap<String, BTreeMap<String, Pem>>,
    /// Those that people brought, by Secret.
    pub brought: BTreeMap<String, Pem>,
    /// Of all these, those that are good; see [`Self::check`].
    certificates: BTreeMap<String, Pem>,
    /// Hosts whose certificate is not, and why.
    pub refused: BTreeMap<String, String>,
    /// Of the key of the ACME account: what proves that a host is ours.
    pub thumbprint: Option<String>,
}

impl Model {
    /// Each host, and what is to be done with a request for it.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, &Target)> {
        self.shards
            .values()
            .flat_map(|shard| &shard.hosts)
            .map(|(host, target)| (host.as_str(), target))
    }

    /// Each shop, and what is to be known of it.
    #[must_use]
    pub fn shops(&self) -> BTreeMap<&str, &EdgeShop> {
        let shops = self.shards.values().flat_map(|shard| &shard.shops);
        shops.map(|(name, shop)| (name.as_str(), shop)).collect()
    }

    /// The pods of a shop.
    pub fn pods(&self, shop: &str) -> impl Iterator<Item = (&str, &Pod)> {
        let slices = self.slices.get(shop).into_iter().flat_map(BTreeMap::values);
        slices.flatten().map(|(name, pod)| (name.as_str(), pod))
    }

    /// The certificate of each host that has a good one.
    #[must_use]
    pub const fn certificates(&self) -> &BTreeMap<String, Pem> {
        &self.certificates
    }

    /// Looks at the certificates that are new. One that was good stays until another one is: an old
    /// one is better than none.
    pub fn check(&mut self, now: Timestamp) {
        let issued = self.issued.values().flatten();
        let brought = self
            .shards
            .values()
            .flat_map(|shard| &shard.brought)
            .filter_map(|(host, secret)| Some((host, self.brought.get(secret)?)));
        // What people brought goes before what was issued.
        let there: BTreeMap<_, _> = issued.chain(brought).collect();
        let mut old = std::mem::take(&mut self.certificates);
        self.refused.clear();
        for (host, pem) in there {
            let known = old.remove(host);
            if known.as_ref() == Some(pem) {
                self.certificates.insert(host.clone(), pem.clone());
                continue;
            }
            match check(pem.text().as_bytes(), host, now) {
                Ok(_) => {
                    self.certificates.insert(host.clone(), pem.clone());
                }
                Err(problem) => {
                    self.refused.insert(host.clone(), problem.to_string());
                    self.certificates
                        .extend(known.map(|known| (host.clone(), known)));
                }
            }
        }
    }

    /// Takes in the slice of a shop; without pods, it is gone.
    pub fn slice(&mut self, shop: &str, slice: &str, pods: BTreeMap<String, Pod>) {
        if pods.is_empty() {
            if let Some(slices) = self.slices.get_mut(shop) {
                slices.remove(slice);
                if slices.is_empty() {
                    self.slices.remove(shop);
                }
            }
        } else {
            let slices = self.slices.entry(shop.to_owned()).or_default();
            slices.insert(slice.to_owned(), pods);
        }
    }
}
