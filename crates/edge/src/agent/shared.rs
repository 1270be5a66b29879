//! What the tasks of the agent share.

use super::{figures::Figures, haproxy::HaProxy, visits::Last, watch::Watched};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// What the agent knows.
#[derive(Debug)]
pub struct Shared {
    /// What the API server says.
    pub watched: Arc<Watched>,
    /// What it counts.
    pub figures: Figures,
    /// What an overloaded HAProxy gives each shop.
    pub caps: Mutex<BTreeMap<String, u32>>,
    /// Visitors, as HAProxy told of them a second ago.
    pub visits: Mutex<Last>,
    /// The HAProxy beside it.
    pub haproxy: HaProxy,
}
