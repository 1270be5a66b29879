//! Hosts that a shop names and does not get.

use super::{Claim, Claims, Kind};
use crate::proof;
use std::{collections::BTreeSet, fmt};

/// A host that a shop names and that gets no traffic for it. The rest of the shop goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The host.
    pub host: String,
    /// The shop.
    shop: String,
    /// The shop to which the host is proven, if there is one.
    owner: Option<String>,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, shop, owner } = self;
        let line = proof::line(host, shop);
        match owner {
            None => write!(f, "{host} gets no traffic until DNS has the record {line}"),
            Some(owner) => write!(
                f,
                "{host} gets no traffic here, because its DNS names shop {owner}; the record \
                 {line} in place of that one moves it"
            ),
        }
    }
}

impl Claims {
    /// The hosts of a shop that get no traffic: nobody proved them yet, or the owner of the domain
    /// named another shop.
    #[must_use]
    pub fn withheld(&self, name: &str) -> Vec<Withheld> {
        let Some(shop) = self.shops.get(name) else {
            return Vec::new();
        };
        let withheld = |host: &str, owner: Option<&str>| Withheld {
            host: host.to_owned(),
            shop: name.to_owned(),
            owner: owner.map(str::to_owned),
        };
        let unproven = shop.unproven.iter().map(|host| {
            let owner = self.proven_elsewhere(name, &Claim::host(host));
            withheld(host, owner)
        });
        let elsewhere = shop.claims.iter().filter_map(|claim| {
            let owner = self.proven_elsewhere(name, claim)?;
            Some(withheld(&claim.name, Some(owner)))
        });
        unproven.chain(elsewhere).collect()
    }

    /// The shops that name a host and for which it counts, or may once it is proven.
    #[must_use]
    pub fn shops_that_name(&self, host: &str) -> BTreeSet<String> {
        let owners = self.owners.get(&Claim::host(host)).into_iter().flatten();
        let unproven = self.unproven.get(host).into_iter().flatten();
        owners.chain(unproven).cloned().collect()
    }

    /// Whether a shop waits for the proof of a host.
    #[must_use]
    pub fn waits_for(&self, host: &str) -> bool {
        self.unproven.contains_key(host)
    }

    /// How many hosts get no traffic, because nobody proved them.
    #[must_use]
    pub fn unproven_hosts(&self) -> usize {
        self.unproven.len()
    }

    /// The shop to which a host is proven, if it is another one.
    pub(super) fn proven_elsewhere(&self, name: &str, claim: &Claim) -> Option<&str> {
        if claim.kind != Kind::Host {
            return None;
        }
        let owner = self.owner_of_host(&claim.name)?;
        let proven = self.shops.get(owner)?.proven.contains(&claim.name);
        (proven && owner != name).then_some(owner)
    }
}

#[cfg(test)]
mod tests;
