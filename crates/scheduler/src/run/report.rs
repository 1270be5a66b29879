//! What agents said of a release, as far as rollouts care.

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// What the agents of a shop said about one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The sequence that was asked about.
    pub(crate) sequence: u64,
    /// All of them run it.
    pub(crate) all: bool,
    /// The first of them that rejected it.
    pub(crate) rejected: Option<Rejection>,
}

/// What an agent said of a release that failed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) pod: String,
    pub(crate) why: String,
}

impl Report {
    /// Why the shop does not work with the release, for people.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.rejected
            .as_ref()
            .map(|Rejection { pod, why }| format!("agent of pod {pod} rejected it: {why}"))
    }
}

/// The last report of each shop: the rollouts loop writes them, others read.
#[derive(Debug, Default)]
pub(super) struct Reports {
    all: Mutex<BTreeMap<String, Report>>,
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
    pub(super) fn with<T>(&self, call: impl FnOnce(Option<&BTreeMap<String, Report>>) -> T) -> T {
        let all = self.all.lock();
        call(self.asked.then_some(&*all))
    }

    pub(super) fn insert(&self, shop: String, report: Report) {
        let mut all = self.all.lock();
        all.insert(shop, report);
    }

    pub(super) fn remove(&self, shop: &str) {
        let mut all = self.all.lock();
        all.remove(shop);
    }
}
