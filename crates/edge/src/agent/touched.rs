//! The hosts and shops of which something changed.

use super::{model::Model, slots::Slots};
use std::collections::{BTreeMap, BTreeSet};

/// Hosts and shops, whatever changed of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Hosts.
    pub hosts: BTreeSet<String>,
    /// Shops.
    pub shops: BTreeSet<String>,
}

impl Touched {
    /// Everything that HAProxy may have to know.
    #[must_use]
    pub fn all(model: &Model, slots: &Slots, caps: &BTreeMap<String, u32>) -> Self {
        let shops = slots.lines().map(|(shop, _)| shop.to_owned());
        Self {
            hosts: model
                .hosts()
                .chain(model.certificates().keys())
                .cloned()
                .collect(),
            shops: shops.chain(caps.keys().cloned()).collect(),
        }
    }

    /// These and others.
    pub fn extend(&mut self, others: Self) {
        self.hosts.extend(others.hosts);
        self.shops.extend(others.shops);
    }
}
