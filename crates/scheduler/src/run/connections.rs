//! Connections to the API server: who may write what, and whose requests go first.

use super::{Leadership, halt::Halt};
use api::name::spread;
use client::{Cluster, RequestPriority};
use futures_util::FutureExt as _;
use plan::guard::Limit;
use std::sync::Arc;

/// Shops are spread over so many slots, and slots over shards.
const SLOTS: u32 = 64;

/// Connections of one process, by what they may do.
pub(crate) struct Connections {
    pub(crate) cluster: Cluster,
    /// One for each shard.
    pub(super) held: Vec<Leadership>,
    pub(super) halt: Halt,
    requests: RequestPriority,
}

impl Connections {
    pub(super) fn new(cluster: &Cluster, shards: u32, requests: RequestPriority) -> Self {
        Self {
            cluster: cluster.clone(),
            held: (0..shards).map(|_| Leadership::default()).collect(),
            halt: Halt::default(),
            requests,
        }
    }

    fn shard(&self, shop: &str) -> &Leadership {
        &self.held[spread(shop, SLOTS) as usize % self.held.len()]
    }

    /// The connection for a shop, which lets others go first for whom a person waits.
    pub(super) fn reader(&self, shop: &str) -> Cluster {
        let (requests, shop) = (self.requests.clone(), Arc::<str>::from(shop));
        self.cluster.queued(Arc::new(move || {
            let (requests, shop) = (requests.clone(), Arc::clone(&shop));
            async move { requests.pass(Some(&*shop)).await }.boxed()
        }))
    }

    /// The same that writes, while this process leads the shop's shard.
    pub(crate) fn writer(&self, shop: &str) -> Cluster {
        self.reader(shop).fenced(self.shard(shop).fence())
    }

    /// The connection that writes for whoever works on the whole fleet, while this process does.
    pub(crate) fn first_writer(&self) -> Cluster {
        self.cluster.fenced(self.held[0].fence())
    }

    /// The same for what the halt stops, also between one try and the next.
    pub(super) fn mover(&self, shop: &str) -> Cluster {
        let (leads, halt) = (self.held[0].fence(), self.halt.clone());
        self.reader(shop)
            .fenced(Arc::new(move || leads() && halt.lets()))
    }

    /// Whether this process leads the shard that works on the whole fleet.
    pub(crate) fn leads(&self) -> bool {
        self.held[0].is()
    }

    /// Whether this process leads the shop's shard.
    pub(super) fn leads_shop(&self, shop: &str) -> bool {
        self.shard(shop).is()
    }

    /// Shards that this process leads.
    pub(super) fn led(&self) -> usize {
        self.held.iter().filter(|held| held.is()).count()
    }

    /// How many of `shops` may lose their workloads here in an hour: the share of the shards that
    /// this process leads. All processes together keep the limit, but for one shop for each of
    /// them.
    pub(super) fn removals(&self, limit: Limit, shops: usize) -> usize {
        share(limit.shops(shops), self.led(), self.held.len())
    }
}

/// The part of a limit that falls to who leads `led` of `all` shards; nobody is left with nothing
/// but by a limit of nothing.
fn share(limit: usize, led: usize, all: usize) -> usize {
    (limit * led / all.max(1)).max(limit.min(1))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_limit_is_shared_by_shards() {
        for (limit, led, all, expected) in [
            (5, 1, 1, 5),
            (5, 2, 4, 2),
            (50, 1, 64, 1),
            (50, 0, 64, 1),
            (0, 1, 1, 0),
        ] {
            assert_eq!(share(limit, led, all), expected, "{limit} {led}/{all}");
        }
    }
}
