//! Whose hosts are, by what DNS says.

mod lookups;
mod verdict;

pub use lookups::{DnsAnswer, HostToProve, Lookups, wanted};
pub use verdict::{proven, withheld};

use crate::state::State;
use std::collections::BTreeSet;

impl State {
    /// Other hosts are proven to be a shop's; gives the shops that name one of its hosts.
    pub fn proved(&mut self, name: &str, hosts: Vec<String>) -> BTreeSet<String> {
        let Some(shop) = self.fleet.shops.get_mut(name) else {
            return BTreeSet::new();
        };
        shop.status.get_or_insert_default().proven_hosts = hosts;
        self.claims
            .see(name, shop, self.fleet.classes.get(&shop.spec.class));
        self.beside(name)
    }

    /// The shops that name a host of a shop, itself among them.
    #[must_use]
    pub fn beside(&self, name: &str) -> BTreeSet<String> {
        let domains = self.fleet.shops.get(name).map(|shop| &shop.spec.domains);
        domains
            .into_iter()
            .flatten()
            .flat_map(|domain| self.claims.shops_that_name(&domain.host))
            .chain([name.to_owned()])
            .collect()
    }
}
