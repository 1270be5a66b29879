//! What a shop has for itself, and no other shop may have: hosts, a database, a directory, keys of
//! a cache. One registry for all of it; no IO.
//!
//! A claim that two shops make is that of who has it already, as its status says, since it was
//! given what it claimed; then of the shop that was created first, then of the first name. The
//! other one is refused: it keeps what was applied before, and no other shop is concerned.
//!
//! Hosts of classes that ask for proofs are otherwise: who owns the domain says whose they are. A
//! host that nobody proved is no claim, unless the shop has it already. One that is proven is that
//! of the proven shop, whoever has it: the other shop goes on without this host. See
//! [`crate::proof`].
//!
//! Hosts of the platform itself, such as the console's, are no shop's, proven or not.

mod claim;
mod of_shop;
mod withheld;

pub use claim::{Claim, Collision};
pub use withheld::Withheld;

use crate::{Fleet, Shop, ShopClass, proof};
use claim::Kind;
use jiff::Timestamp;
use of_shop::of_shop;
use std::collections::{BTreeMap, BTreeSet};

/// What a shop claims, and what decides whether it gets that.
#[derive(Debug, Clone, Default)]
struct ShopClaims {
    claims: Vec<Claim>,
    /// Hosts that it names and does not get before they are proven.
    unproven: BTreeSet<String>,
    /// Hosts that are proven to be its own.
    proven: BTreeSet<String>,
    /// What its status says that it has.
    has: BTreeSet<String>,
    created: Option<Timestamp>,
    /// Nobody has stored it yet: everybody else was before.
    proposed: bool,
}

/// Everything that shops claim.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    shops: BTreeMap<String, ShopClaims>,
    /// Who claims what. Names that begin alike are neighbours.
    owners: BTreeMap<Claim, BTreeSet<String>>,
    /// Which shops name each host that is not proven for them.
    unproven: BTreeMap<String, BTreeSet<String>>,
    /// Hosts of the platform itself.
    reserved: BTreeSet<String>,
}

impl Claims {
    /// What all shops of a fleet claim.
    #[must_use]
    pub fn new(fleet: &Fleet) -> Self {
        let mut claims = Self::default();
        fleet
            .shops
            .iter()
            .for_each(|(name, shop)| claims.see(name, shop, fleet.classes.get(&shop.spec.class)));
        claims
    }

    /// Takes a shop in, as it is from now on. Where nobody knows its class, servers are those that
    /// the class calls so.
    pub fn see(&mut self, name: &str, shop: &Shop, class: Option<&ShopClass>) {
        let created = shop.metadata.creation_timestamp.as_ref().map(|time| time.0);
        self.see_since(name, shop, class, created);
    }

    /// The same of a shop that was created at another time than it says.
    pub fn see_since(
        &mut self,
        name: &str,
        shop: &Shop,
        class: Option<&ShopClass>,
        created: Option<Timestamp>,
    ) {
        let status = shop.status.as_ref();
        let has: BTreeSet<String> = status
            .map_or(&[][..], |status| &status.claims)
            .iter()
            .cloned()
            .collect();
        let shown = status.map_or(&[][..], |status| &status.proven_hosts);
        let (proven, missing): (BTreeSet<_>, BTreeSet<_>) = proof::needed(shop, class)
            .map(str::to_owned)
            .partition(|host| shown.contains(host));
        let unproven: BTreeSet<_> = missing
            .into_iter()
            .filter(|host| !has.contains(&Claim::host(host).to_string()))
            .collect();
        let mut claims = of_shop(shop, class);
        claims.retain(|claim| claim.kind != Kind::Host || !unproven.contains(&claim.name));
        let new = ShopClaims {
            claims,
            unproven,
            proven,
            has,
            created,
            proposed: false,
        };
        let known = self.shops.get(name);
        if known
            .is_none_or(|known| (&known.claims, &known.unproven) != (&new.claims, &new.unproven))
        {
            self.forget(name);
            for host in &new.unproven {
                let shops = self.unproven.entry(host.clone()).or_default();
                shops.insert(name.to_owned());
            }
            for claim in &new.claims {
                self.owners
                    .entry(claim.clone())
                    .or_default()
                    .insert(name.to_owned());
            }
        }
        self.shops.insert(name.to_owned(), new);
    }

    /// Takes a shop in that is not stored yet.
    pub fn propose(&mut self, name: &str, shop: &Shop, class: &ShopClass) {
        self.see_since(name, shop, Some(class), None);
        self.shops
            .entry(name.to_owned())
            .and_modify(|shop| shop.proposed = true);
    }

    /// Takes in a host of the platform itself, which no shop gets.
    pub fn reserve(&mut self, host: &str) {
        self.reserved.insert(host.to_owned());
    }

    /// A shop is gone.
    pub fn forget(&mut self, name: &str) {
        let ShopClaims {
            claims, unproven, ..
        } = self.shops.remove(name).unwrap_or_default();
        for claim in claims {
            remove(&mut self.owners, &claim, name);
        }
        for host in unproven {
            remove(&mut self.unproven, &host, name);
        }
    }

    /// What a shop claims, as its status says once it was given that.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.shops
            .get(name)
            .into_iter()
            .flat_map(|shop| &shop.claims)
            .filter(|claim| self.proven_elsewhere(name, claim).is_none())
            .map(Claim::to_string)
            .collect()
    }

    /// What a shop claims, and another one has: the first such one for each claim. A shop without
    /// any has all that it claims.
    #[must_use]
    pub fn refused(&self, name: &str) -> Vec<Collision> {
        let claims = self.shops.get(name).map_or(&[][..], |shop| &shop.claims);
        claims
            .iter()
            .filter(|claim| self.proven_elsewhere(name, claim).is_none())
            .filter_map(|claim| self.collision(name, claim))
            .collect()
    }

    /// Whether a shop gets a host that it names.
    #[must_use]
    pub fn has_host(&self, name: &str, host: &str) -> bool {
        let unproven = |it: &ShopClaims| it.unproven.contains(host);
        !self.shops.get(name).is_some_and(unproven)
            && self.collision(name, &Claim::host(host)).is_none()
    }

    /// The shop that has a host.
    #[must_use]
    pub fn owner_of_host(&self, host: &str) -> Option<&str> {
        if self.reserved.contains(host) {
            return None;
        }
        let claim = Claim::host(host);
        let shops = self.owners.get(&claim)?;
        let first = shops.iter().min_by_key(|shop| self.rank(shop, &claim))?;
        Some(first)
    }

    /// The host of a shop that another one has, if there is one.
    #[must_use]
    pub fn lost_host(&self, name: &str) -> Option<Collision> {
        self.refused(name)
            .into_iter()
            .find(|collision| collision.ours.kind == Kind::Host)
    }

    fn collision(&self, name: &str, ours: &Claim) -> Option<Collision> {
        if ours.kind == Kind::Host && self.reserved.contains(&ours.name) {
            return Some(Collision {
                ours: ours.clone(),
                theirs: ours.clone(),
                shop: None,
            });
        }
        let own = self.rank(name, ours);
        let before = |(theirs, shops): (&Claim, &BTreeSet<String>)| {
            let first = shops
                .iter()
                .find(|shop| *shop != name && self.rank(shop, theirs) < own)?;
            Some(Collision {
                ours: ours.clone(),
                theirs: theirs.clone(),
                shop: Some(first.clone()),
            })
        };
        if ours.kind == Kind::Tenants {
            let others = self.owners.range(
                Claim {
                    name: String::new(),
                    ..ours.clone()
                }..,
            );
            let same_server = others
                .take_while(|(theirs, _)| (theirs.kind, &theirs.place) == (ours.kind, &ours.place));
            return same_server
                .filter(|(theirs, _)| theirs.name != ours.name)
                .find_map(before);
        }
        if !ours.contains() {
            return self.owners.get_key_value(ours).and_then(before);
        }
        // What it is within, from the widest; then itself, and what is within it.
        let ends = (0..ours.name.len()).filter(|end| {
            ours.name.is_char_boundary(*end)
                && (ours.kind != Kind::Directory || ours.name[..*end].ends_with('/'))
        });
        let around = ends.filter_map(|end| {
            self.owners.get_key_value(&Claim {
                name: ours.name[..end].to_owned(),
                ..ours.clone()
            })
        });
        let within = |theirs: &Claim| {
            (theirs.kind, &theirs.place) == (ours.kind, &ours.place)
                && theirs.name.starts_with(&ours.name)
        };
        let within = self
            .owners
            .range(ours..)
            .take_while(|(theirs, _)| within(theirs));
        around.chain(within).find_map(before)
    }

    /// Who has the lower rank has the claim.
    fn rank<'a>(
        &self,
        name: &'a str,
        claim: &Claim,
    ) -> (bool, bool, bool, bool, Option<Timestamp>, &'a str) {
        let shop = self.shops.get(name);
        let proven =
            claim.kind == Kind::Host && shop.is_some_and(|shop| shop.proven.contains(&claim.name));
        let created = shop.and_then(|shop| shop.created);
        let has =
            shop.is_some_and(|shop| !shop.has.is_empty() && shop.has.contains(&claim.to_string()));
        (
            shop.is_some_and(|shop| shop.proposed),
            !proven,
            !has,
            created.is_none(),
            created,
            name,
        )
    }
}

fn remove<K: Ord>(all: &mut BTreeMap<K, BTreeSet<String>>, key: &K, shop: &str) {
    if let Some(shops) = all.get_mut(key) {
        shops.remove(shop);
        if shops.is_empty() {
            all.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
