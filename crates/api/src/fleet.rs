//! Everything that the registry says.

use crate::{ResolvedRelease, Rollout, Shop, ShopClass};
use release::ChannelName;
use std::collections::BTreeMap;

/// Shops, classes, releases and rollouts, by name.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// Shops.
    pub shops: BTreeMap<String, Shop>,
    /// Classes.
    pub classes: BTreeMap<String, ShopClass>,
    /// Releases in the order of their sequences; the last of a channel is in force where no
    /// cluster says otherwise.
    pub releases: BTreeMap<ChannelName, BTreeMap<u64, ResolvedRelease>>,
    /// Rollouts.
    pub rollouts: BTreeMap<String, Rollout>,
}

impl Fleet {
    /// The newest release of a channel.
    #[must_use]
    pub fn newest(&self, channel: &str) -> Option<&ResolvedRelease> {
        let channel: ChannelName = channel.parse().ok()?;
        self.releases.get(&channel)?.values().next_back()
    }
}
