//! What the API server says, as far as HAProxy has to know it.

use super::{
    endpoints::{Pod, PodName, State},
    lines::{Shard, Target},
    pem::Pem,
    touched::Touched,
};
use crate::certificate::check;
use api::edge::{EdgeShop, certificate, shard_name, shard_of};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem::take,
};

/// Everything that was read, each object by itself, so that one that changes replaces itself.
///
/// What a host or a shop is called says in which shard its lines are; lines elsewhere count
/// nothing.
#[derive(Debug, Default)]
pub struct Model {
    /// The maps, by ConfigMap.
    shards: BTreeMap<String, Shard>,
    /// Pods, by shop, and by the `EndpointSlice` that names them.
    slices: BTreeMap<String, BTreeMap<String, BTreeMap<String, Pod>>>,
    /// Certificates of `longshore-edge issue`, by Secret, and by the host they are for.
    issued: BTreeMap<String, BTreeMap<String, Pem>>,
    /// Those that people brought, by Secret.
    brought: BTreeMap<String, Pem>,
    /// Of all these, those that are good; see [`Self::check`].
    certificates: BTreeMap<String, Pem>,
    /// Hosts whose certificate is not, and why.
    refused: BTreeMap<String, String>,
    /// Of the key of the ACME account: what proves that a host is ours.
    pub thumbprint: Option<String>,
    /// How many hosts lead to a shop.
    served: BTreeMap<String, u32>,
    /// Hosts that may have another certificate.
    unchecked: BTreeSet<String>,
    /// Pods that take no connections, whatever Kubernetes says of them.
    unreachable: BTreeSet<PodName>,
    touched: Touched,
}

impl Model {
    /// Takes in a ConfigMap of the maps; an empty one is gone.
    pub fn shard(&mut self, name: &str, shard: Shard) {
        let old = self.shards.remove(name).unwrap_or_default();
        for host in changed(&old.hosts, &shard.hosts) {
            self.touched.hosts.insert(host.clone());
            if let Some(Target::Shop(shop)) = old.hosts.get(host)
                && let Some(hosts) = self.served.get_mut(shop)
            {
                *hosts -= 1;
                if *hosts == 0 {
                    self.served.remove(shop);
                }
            }
            if let Some(Target::Shop(shop)) = shard.hosts.get(host) {
                *self.served.entry(shop.clone()).or_default() += 1;
            }
        }
        let shops = changed(&old.shops, &shard.shops).cloned();
        self.touched.shops.extend(shops);
        let brought = changed(&old.brought, &shard.brought).cloned();
        self.unchecked.extend(brought);
        if shard != Shard::default() {
            self.shards.insert(name.to_owned(), shard);
        }
    }

    /// Takes in a Secret of `longshore-edge issue`; an empty one is gone.
    pub fn issued(&mut self, name: &str, issued: BTreeMap<String, Pem>) {
        let old = self.issued.remove(name).unwrap_or_default();
        self.unchecked.extend(changed(&old, &issued).cloned());
        if !issued.is_empty() {
            self.issued.insert(name.to_owned(), issued);
        }
    }

    /// Takes in a Secret that people brought, or that it is gone.
    pub fn brought(&mut self, name: &str, pem: Option<Pem>) {
        let lines = self.shards.values().flat_map(|shard| &shard.brought);
        let hosts = lines.filter(|(_, secret)| *secret == name);
        self.unchecked.extend(hosts.map(|(host, _)| host.clone()));
        match pem {
            Some(pem) => self.brought.insert(name.to_owned(), pem),
            None => self.brought.remove(name),
        };
    }

    /// Takes in the slice of a shop; without pods, it is gone.
    pub fn slice(&mut self, shop: &str, slice: &str, pods: BTreeMap<String, Pod>) {
        let slices = self.slices.entry(shop.to_owned()).or_default();
        let old = slices.remove(slice).unwrap_or_default();
        if old != pods {
            self.touched.shops.insert(shop.to_owned());
        }
        if !pods.is_empty() {
            slices.insert(slice.to_owned(), pods);
        }
        if slices.is_empty() {
            self.slices.remove(shop);
        }
    }

    /// Takes in which pods take no connections.
    pub fn unreachable(&mut self, pods: BTreeSet<PodName>) {
        let changed = self.unreachable.symmetric_difference(&pods);
        let shops = changed.map(|(shop, _)| shop.clone());
        self.touched.shops.extend(shops);
        self.unreachable = pods;
    }

    /// Whether visitors can go to a pod.
    #[must_use]
    pub fn answers(&self, shop: &str, name: &str, pod: &Pod) -> bool {
        let unreachable = || {
            self.unreachable
                .contains(&(shop.to_owned(), name.to_owned()))
        };
        pod.state == State::Ready && (self.unreachable.is_empty() || !unreachable())
    }

    /// How many pods take no connections.
    #[must_use]
    pub fn unreachable_count(&self) -> usize {
        self.unreachable.len()
    }

    /// What changed since this was last asked.
    pub fn touched(&mut self) -> Touched {
        take(&mut self.touched)
    }

    /// Each host.
    pub fn hosts(&self) -> impl Iterator<Item = &String> {
        self.shards.values().flat_map(|shard| shard.hosts.keys())
    }

    /// What is to be done with a request for a host.
    #[must_use]
    pub fn target(&self, host: &str) -> Option<&Target> {
        let shard = self.shards.get(&shard_name(shard_of(host)))?;
        shard.hosts.get(host)
    }

    /// The shops to which a host leads: they need a slot.
    #[must_use]
    pub fn served(&self) -> BTreeSet<&str> {
        self.served.keys().map(String::as_str).collect()
    }

    /// What is to be known of a shop.
    #[must_use]
    pub fn shop(&self, shop: &str) -> Option<&EdgeShop> {
        let shard = self.shards.get(&shard_name(shard_of(shop)))?;
        shard.shops.get(shop)
    }

    /// Each shop that may have no pods.
    pub fn to_zero(&self) -> impl Iterator<Item = &str> {
        let shops = self.shards.values().flat_map(|shard| &shard.shops);
        let to_zero = shops.filter(|(_, shop)| shop.to_zero);
        to_zero.map(|(name, _)| name.as_str())
    }

    /// How many shops are in the maps.
    #[must_use]
    pub fn shop_count(&self) -> usize {
        self.shards.values().map(|shard| shard.shops.len()).sum()
    }

    /// Lines of the maps that say nothing that we know.
    #[must_use]
    pub fn refused_lines(&self) -> usize {
        self.shards.values().map(|shard| shard.refused).sum()
    }

    /// The pods of a shop.
    pub fn pods(&self, shop: &str) -> impl Iterator<Item = (&str, &Pod)> {
        let slices = self.slices.get(shop).into_iter().flat_map(BTreeMap::values);
        slices.flatten().map(|(name, pod)| (name.as_str(), pod))
    }

    /// How many pods there are, whatever they do.
    #[must_use]
    pub fn pod_count(&self) -> usize {
        let slices = self.slices.values().flat_map(BTreeMap::values);
        slices.map(BTreeMap::len).sum()
    }

    /// The certificate of each host that has a good one.
    #[must_use]
    pub const fn certificates(&self) -> &BTreeMap<String, Pem> {
        &self.certificates
    }

    /// Hosts whose newest certificate cannot be served, and why.
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<String, String> {
        &self.refused
    }

    /// Takes in what HAProxy has from a process before this one: it stays for a host whose newest
    /// certificate is bad.
    pub fn keep(&mut self, certificates: BTreeMap<String, Pem>) {
        self.unchecked.extend(certificates.keys().cloned());
        self.certificates = certificates;
    }

    /// Looks at the certificates that are new. One that was good stays until another one is: an old
    /// one is better than none.
    pub fn check(&mut self, now: Timestamp) {
        for host in take(&mut self.unchecked) {
            self.refused.remove(&host);
            let newest = self.newest(&host);
            if newest == self.certificates.get(&host) {
                continue;
            }
            let Some(pem) = newest.cloned() else {
                self.certificates.remove(&host);
                self.touched.hosts.insert(host);
                continue;
            };
            match check(pem.text().as_bytes(), &host, now) {
                Ok(_) => {
                    self.certificates.insert(host.clone(), pem);
                    self.touched.hosts.insert(host);
                }
                Err(problem) => {
                    self.refused.insert(host, problem.to_string());
                }
            }
        }
    }

    /// Has those that were refused looked at again: one may not have been valid yet.
    pub fn check_refused(&mut self, now: Timestamp) {
        self.unchecked.extend(self.refused.keys().cloned());
        self.check(now);
    }

    /// What people brought goes before what was issued.
    fn newest(&self, host: &str) -> Option<&Pem> {
        let brought = self.shards.get(&shard_name(shard_of(host)));
        let secret = brought.and_then(|shard| shard.brought.get(host));
        let brought = secret.and_then(|secret| self.brought.get(secret));
        brought.or_else(|| {
            let shard = certificate::shard_name(certificate::shard_of(host));
            self.issued.get(&shard)?.get(host)
        })
    }
}

/// The keys whose values differ.
fn changed<'a, V: PartialEq>(
    old: &'a BTreeMap<String, V>,
    new: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = &'a String> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let others = new
        .iter()
        .filter(|(key, value)| old.get(*key) != Some(value));
    gone.chain(others.map(|(key, _)| key))
}
