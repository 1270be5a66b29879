//! What is known of the maps: the shards in the cluster, how they should be, and of which sites
//! that was made.

use super::Problem;
use api::{Identity, Object, ObjectMetaSummary};
use client::{Kind, ObjectSummary};
use jiff::Timestamp;
use release::Sha256;
use render::edge::{NAMESPACE, SHARDS, Site, shard_name};
use std::collections::{BTreeMap, BTreeSet};

/// A shard that should be there.
#[derive(Debug)]
pub struct DesiredShard {
    digest: Sha256,
    /// Since when it is not, where it is not.
    pub differs: Option<Timestamp>,
}

/// What was found of one shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programmed {
    /// Its lines are in the maps.
    Yes,
    /// They are not, why in one word, and in a sentence.
    No(&'static str, String),
}

/// What is known of the maps.
#[derive(Debug, Default)]
pub struct Edge {
    /// Shards in the cluster, by name.
    live: BTreeMap<String, ObjectMetaSummary>,
    /// Versions that we wrote: a ConfigMap has no generation by which to tell that somebody
    /// changed it.
    ours: BTreeMap<String, String>,
    /// Shards as they should be, by name; none before the first pass.
    pub wanted: BTreeMap<String, DesiredShard>,
    /// What they were made of: a shop that left the registry keeps its lines until it is taken
    /// down.
    sites: BTreeMap<String, Site>,
    /// Shops of which it was known once whether they have a part in the maps.
    seen: BTreeSet<String>,
    /// Shops of which it was said last whether visitors get to them.
    pub programmed: BTreeMap<String, Programmed>,
    /// Why the maps stay as they are, where they do.
    pub problem: Option<Problem>,
}

impl Edge {
    /// Takes in an object that is watched, where it is a shard; says whether that is news.
    pub fn take(&mut self, object: &ObjectSummary) -> bool {
        let Some(name) = shard(&object.identity) else {
            return false;
        };
        let old = self.live.insert(name.to_owned(), object.live.clone());
        old.is_none_or(|old| old.version != object.live.version)
    }

    /// The same for a list that came whole.
    pub fn list(&mut self, kind: &Kind, objects: &[ObjectSummary]) -> bool {
        if kind.name != "ConfigMap" {
            return false;
        }
        self.live.clear();
        let news = objects.iter().filter(|object| self.take(object));
        news.count() > 0
    }

    /// The same for an object that is gone.
    pub fn forget(&mut self, object: &ObjectSummary) -> bool {
        let Some(name) = shard(&object.identity) else {
            return false;
        };
        self.live.remove(name);
        true
    }

    /// Whether there is nothing of the maps in the cluster, and nothing that should be.
    #[must_use]
    pub fn unused(&self) -> bool {
        self.live.is_empty() && self.wanted.is_empty()
    }

    /// The site of a shop that the maps were made of last.
    #[must_use]
    pub fn site(&self, shop: &str) -> Option<&Site> {
        self.sites.get(shop)
    }

    /// Whether it was known once that a shop has, or has not, a part in the maps.
    #[must_use]
    pub fn saw(&self, shop: &str) -> bool {
        self.seen.contains(shop)
    }

    /// Takes in a shop of which that is known.
    pub fn see(&mut self, shop: &str) {
        if !self.seen.contains(shop) {
            self.seen.insert(shop.to_owned());
        }
    }

    /// Sites that the maps were made of last.
    pub fn shops(&self) -> impl Iterator<Item = (&String, &Site)> {
        self.sites.iter()
    }

    /// Takes in how the shards should be.
    pub fn want(&mut self, sites: BTreeMap<String, Site>, shards: &[Object]) {
        self.sites = sites;
        let old = std::mem::take(&mut self.wanted);
        let wanted = |shard: &Object| {
            let differs = old.get(&shard.identity().name).and_then(|old| old.differs);
            (
                shard.identity().name.clone(),
                DesiredShard {
                    digest: shard.digest(),
                    differs,
                },
            )
        };
        self.wanted = shards.iter().map(wanted).collect();
    }

    /// Whether the cluster has this shard, as we wrote it.
    #[must_use]
    pub fn holds(&self, shard: &Object) -> bool {
        self.has(&shard.identity().name, shard.digest())
    }

    fn has(&self, name: &str, digest: Sha256) -> bool {
        let Some(live) = self.live.get(name) else {
            return false;
        };
        live.applied == Some(digest) && self.ours.get(name).is_none_or(|ours| *ours == live.version)
    }

    /// What we wrote.
    pub fn wrote(&mut self, written: Vec<(Identity, ObjectMetaSummary)>) {
        for (identity, live) in written {
            self.ours
                .insert(identity.name.clone(), live.version.clone());
            self.live.insert(identity.name, live);
        }
    }

    /// Since when each shard is not as it should be.
    pub fn compare(&mut self, now: Timestamp) {
        let mut wanted = std::mem::take(&mut self.wanted);
        for (name, shard) in &mut wanted {
            shard.differs = if self.has(name, shard.digest) {
                None
            } else {
                shard.differs.or(Some(now))
            };
        }
        self.wanted = wanted;
    }
}

/// Whether an object is a shard; its name then.
fn shard(identity: &Identity) -> Option<&str> {
    let there = identity.kind == "ConfigMap" && identity.namespace.as_deref() == Some(NAMESPACE);
    (there && (0..SHARDS).any(|number| shard_name(number) == identity.name))
        .then_some(&identity.name)
}
