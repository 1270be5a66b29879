//! The last report of each shop.

use cell::AgentsReport;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The last report of each shop: the rollouts loop writes them, others read.
#[derive(Debug, Default)]
pub(super) struct Reports {
    all: Mutex<BTreeMap<String, AgentsReport>>,
    /// Whether agents are asked at all.
    asked: bool,
}

impl Reports {
    /// None yet, of agents that are `asked` or not.
    pub(super) fn new(asked: bool) -> Self {
        Self {
            asked,
            ..Self::default()
        }
    }

    /// Calls with what agents said; with nothing if nobody asks them.
    pub(super) fn with<T>(
        &self,
        call: impl FnOnce(Option<&BTreeMap<String, AgentsReport>>) -> T,
    ) -> T {
        let all = self.all.lock();
        call(self.asked.then_some(&*all))
    }

    pub(super) fn insert(&self, shop: String, report: AgentsReport) {
        let mut all = self.all.lock();
        all.insert(shop, report);
    }

    pub(super) fn remove(&self, shop: &str) {
        let mut all = self.all.lock();
        all.remove(shop);
    }
}
