//! Connections to the API server: who may write what, and whose requests go first.

use super::{Leadership, halt::Halt};
use client::{Cluster, RequestPriority};
use futures_util::FutureExt as _;
use std::sync::Arc;

/// Connections of one process, by what they may do.
pub(crate) struct Connections {
    pub(crate) cluster: Cluster,
    pub(super) leadership: Leadership,
    pub(super) halt: Halt,
    requests: RequestPriority,
}

impl Connections {
    pub(super) fn new(cluster: &Cluster, requests: RequestPriority) -> Self {
        Self {
            cluster: cluster.clone(),
            leadership: Leadership::default(),
            halt: Halt::default(),
            requests,
        }
    }

    /// The connection for a shop, which lets others go first for whom a person waits.
    pub(super) fn reader(&self, shop: &str) -> Cluster {
        let (requests, shop) = (self.requests.clone(), Arc::<str>::from(shop));
        self.cluster.queued(Arc::new(move || {
            let (requests, shop) = (requests.clone(), Arc::clone(&shop));
            async move { requests.pass(Some(&*shop)).await }.boxed()
        }))
    }

    /// The same that writes, while this process leads.
    pub(crate) fn writer(&self, shop: &str) -> Cluster {
        self.reader(shop).fenced(self.leadership.fence())
    }

    /// The connection that writes for no shop in particular, while this process leads.
    pub(crate) fn fleet_writer(&self) -> Cluster {
        self.cluster.fenced(self.leadership.fence())
    }

    /// The same for what the halt stops, also between one try and the next.
    pub(super) fn mover(&self, shop: &str) -> Cluster {
        let (leads, halt) = (self.leadership.fence(), self.halt.clone());
        self.reader(shop)
            .fenced(Arc::new(move || leads() && halt.lets()))
    }

    /// Whether this process leads.
    pub(crate) fn leads(&self) -> bool {
        self.leadership.is()
    }
}
