//! What the API server says of an edge: a test changes it object by object, as an agent is told.

use super::{Edge, issued};
use api::edge::{EdgeShop, certificate, shard_name, shard_of};
use edge::agent::{
    endpoints::{Pod, State},
    lines::{Shard, Target},
    pem::Pem,
};
use std::{collections::BTreeMap, net::SocketAddr};

/// The slice of each shop.
const SLICE: &str = "web-abcde";

impl Edge {
    /// Changes the ConfigMap in which the lines of a host or a shop are.
    pub fn shard(&mut self, key: &str, change: impl FnOnce(&mut Shard)) {
        let name = shard_name(shard_of(key));
        let shard = self.shards.entry(name.clone()).or_default();
        change(shard);
        self.model.shard(&name, shard.clone());
    }

    /// A host of a shop, with a certificate of its own.
    pub fn host(&mut self, host: &str, target: Target) {
        self.shard(host, |shard| {
            shard.hosts.insert(host.to_owned(), target);
        });
        self.issue(host, issued(host));
    }

    /// A certificate of a host.
    pub fn issue(&mut self, host: &str, pem: Pem) {
        let name = certificate::shard_name(certificate::shard_of(host));
        let issued = self.issued.entry(name.clone()).or_default();
        issued.insert(host.to_owned(), pem);
        self.model.issued(&name, issued.clone());
    }

    /// Every object is gone.
    pub fn forget(&mut self) {
        for name in std::mem::take(&mut self.shards).keys() {
            self.model.shard(name, Shard::default());
        }
        for name in std::mem::take(&mut self.issued).keys() {
            self.model.issued(name, BTreeMap::new());
        }
        for shop in std::mem::take(&mut self.slices) {
            self.model.slice(&shop, SLICE, BTreeMap::new());
        }
    }

    /// A shop with pods.
    pub fn shop(&mut self, shop: &str, workers: u32, pods: &[(&str, SocketAddr)]) {
        let settings = EdgeShop {
            weight: 100,
            workers,
            hsts_seconds: 0,
            to_zero: false,
        };
        self.settings(shop, settings);
        self.pods(
            shop,
            pods.iter().map(|(name, at)| (*name, *at, State::Ready)),
        );
    }

    /// What the maps say of a shop.
    pub fn settings(&mut self, shop: &str, settings: EdgeShop) {
        self.shard(shop, |shard| {
            shard.shops.insert(shop.to_owned(), settings);
        });
    }

    /// The pods of a shop, as they are from now on.
    pub fn pods<'a>(
        &mut self,
        shop: &str,
        pods: impl IntoIterator<Item = (&'a str, SocketAddr, State)>,
    ) {
        let pods = pods.into_iter().map(|(name, address, state)| {
            let pod = Pod {
                address,
                zone: None,
                state,
            };
            (name, pod)
        });
        self.slice(shop, pods);
    }

    /// The same, with all that is said of them.
    pub fn slice<'a>(&mut self, shop: &str, pods: impl IntoIterator<Item = (&'a str, Pod)>) {
        let pods = pods.into_iter().map(|(name, pod)| (name.to_owned(), pod));
        self.model.slice(shop, SLICE, pods.collect());
        self.slices.insert(shop.to_owned());
    }
}
