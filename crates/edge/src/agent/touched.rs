//! The hosts and shops of which something changed.

use std::collections::BTreeSet;

/// Hosts and shops, whatever changed of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Hosts.
    pub hosts: BTreeSet<String>,
    /// Shops.
    pub shops: BTreeSet<String>,
}

impl Touched {
    /// These and others.
    pub fn extend(&mut self, others: Self) {
        self.hosts.extend(others.hosts);
        self.shops.extend(others.shops);
    }
}
