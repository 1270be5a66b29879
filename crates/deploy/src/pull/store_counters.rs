//! What one pull cost of the store.

use super::Figures;
use std::time::Duration;
use store::ObjectStore;

// The store's counters at one moment: it may have served others before.
pub(super) struct StoreCounters {
    requests: u64,
    retries: u64,
    received: u64,
    network: Duration,
}

impl StoreCounters {
    pub(super) fn read(store: &dyn ObjectStore) -> Self {
        let stats = store.stats();
        Self {
            requests: stats.requests(),
            retries: stats.retries(),
            received: stats.received(),
            network: stats.network(),
        }
    }

    pub(super) fn add_to(&self, figures: &mut Figures, store: &dyn ObjectStore) {
        let now = Self::read(store);
        figures.requests = now.requests - self.requests;
        figures.retries = now.retries - self.retries;
        figures.downloaded_bytes = now.received - self.received;
        figures.network = now.network.saturating_sub(self.network);
    }
}
