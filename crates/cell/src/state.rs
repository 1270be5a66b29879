//! What is known of the cluster. It is kept small, because it is in memory for every
//! shop.

use crate::observed::{LAST_BACKUP, Pods, Progress, Route, migration_of};
use api::{
    Fleet, Identity, ObjectMetaSummary, Release, ReleaseStatus, ResolvedRelease, Rollout, Shop,
    ShopClass, claims::Claims, symptom::Failure,
};
use client::Kind;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// An object of the cluster, and its drift token when we wrote it last, or first saw it.
#[derive(Debug, Clone)]
pub struct Record {
    /// How it is in the cluster.
    pub live: ObjectMetaSummary,
    /// Its token then.
    pub ours: Option<i64>,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct State {
    /// The registry.
    pub fleet: Fleet,
    /// What its shops claim for themselves.
    pub claims: Claims,
    /// Releases whose envelope cannot be read, and why.
    pub unreadable: BTreeMap<String, String>,
    /// Objects of the cluster, by shop.
    pub world: HashMap<String, BTreeMap<Identity, Record>>,
    /// Deployments `web`, by shop.
    pub pods: HashMap<String, Pods>,
    /// Shops whose Deployment `cron` wants pods, or has them.
    pub crons: BTreeSet<String>,
    /// Migration Jobs by shop and sequence.
    pub migrations: HashMap<String, BTreeMap<u64, Progress>>,
    /// Why the migration of a sequence failed, by shop; nothing if its pod was gone.
    pub failures: HashMap<String, (u64, Option<Failure>)>,
    /// When each shop's CronJob `backup` last succeeded, if there is one.
    pub backups: HashMap<String, Option<Timestamp>>,
    /// Jobs of last backups, of shops that are about to be taken down.
    pub last_backups: HashMap<String, BTreeMap<String, Progress>>,
    /// Shops that have objects and no Shop, and since when.
    pub missing: BTreeMap<String, Timestamp>,
    /// Whether one of them came back since they were noted.
    pub came_back: bool,
    /// Shops that are being taken down: one whose objects go in several attempts counts once.
    pub leaving: BTreeSet<String>,
    /// Times at which shops were taken down.
    pub removed: Vec<Timestamp>,
    /// Why everything is halted, if it is.
    pub halted: Option<String>,
    /// The kinds that are not read yet.
    pub unread: BTreeSet<&'static str>,
    /// How often fields were taken from other managers, by object.
    pub taken: HashMap<Identity, u32>,
    /// What the status of each Release says.
    pub release_statuses: BTreeMap<String, ReleaseStatus>,
    /// Jobs that build.
    pub builds: BTreeMap<String, Progress>,
    /// What was said of each shop's Ingress or `HTTPRoutes`, by kind and name: both may be there
    /// while a class changes from one to the other.
    pub routes: HashMap<String, BTreeMap<(String, String), Route>>,
    /// The maps of the edge.
    pub edge: crate::edge::Edge,
    /// What is remembered of hosts' certificates.
    pub certificates: crate::certificates::Certificates,
    /// What DNS says of hosts that need a proof.
    pub proofs: crate::proof::Lookups,
    /// Who visits shops that may be scaled to zero.
    pub visits: crate::visits::Visits,
}

impl State {
    /// Whether everything was read at least once.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.unread.is_empty()
    }

    /// Objects of a shop, without our own notes.
    #[must_use]
    pub fn live(&self, shop: &str) -> BTreeMap<Identity, ObjectMetaSummary> {
        self.world
            .get(shop)
            .map(|objects| {
                objects
                    .iter()
                    .map(|(identity, record)| (identity.clone(), record.live.clone()))
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Takes in an object that a watch reported, and returns whether its shop has to reconcile.
    pub fn see(&mut self, shop: &str, identity: Identity, live: ObjectMetaSummary) -> bool {
        let old = self
            .world
            .get(shop)
            .and_then(|objects| objects.get(&identity));
        // What we wrote since may be known already.
        if old.is_some_and(|old| live.is_before(&old.live)) {
            return false;
        }
        self.take(shop, identity, live)
    }

    fn take(&mut self, shop: &str, identity: Identity, live: ObjectMetaSummary) -> bool {
        let objects = self.world.entry(shop.to_owned()).or_default();
        let (old, found) = (objects.get(&identity), live.drift_token(&identity.kind));
        // Another digest is the scheduler's own writing, of this process or another one, or is
        // written again anyway.
        let same = |old: &&Record| old.live.uid == live.uid && old.live.applied == live.applied;
        let ours = old.filter(same).map_or(found, |old| old.ours);
        let news = old.is_none_or(|old| {
            old.live.applied != live.applied
                || old.live.uid != live.uid
                || old.live.deleting != live.deleting
        }) || found != ours;
        objects.insert(identity, Record { live, ours });
        news
    }

    /// What we wrote ourselves.
    pub fn wrote(
        &mut self,
        shop: &str,
        written: Vec<(Identity, ObjectMetaSummary)>,
        deleted: &[Identity],
    ) {
        let objects = self.world.entry(shop.to_owned()).or_default();
        for (identity, live) in written {
            // Before its watch tells: others count how many run.
            if let Some(sequence) = (identity.kind == "Job")
                .then(|| migration_of(&identity.name))
                .flatten()
            {
                self.migrations
                    .entry(shop.to_owned())
                    .or_default()
                    .entry(sequence)
                    .or_insert(Progress::Runs);
            }
            let ours = live.drift_token(&identity.kind);
            objects.insert(identity, Record { live, ours });
        }
        for identity in deleted {
            objects.remove(identity);
        }
    }

    /// An object is gone.
    pub fn gone(&mut self, shop: &str, identity: &Identity) {
        if let Some(objects) = self.world.get_mut(shop) {
            objects.remove(identity);
            if objects.is_empty() {
                self.world.remove(shop);
            }
        }
    }

    /// A list of a kind came whole: what is not in it is gone. Gives the shops that it changed.
    pub fn replace(
        &mut self,
        kind: &Kind,
        listed: Vec<(String, Identity, ObjectMetaSummary)>,
    ) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        let present: HashSet<_> = listed
            .iter()
            .map(|(_, identity, _)| identity.clone())
            .collect();
        self.world.retain(|shop, objects| {
            let before = objects.len();
            objects.retain(|identity, _| identity.kind != kind.name || present.contains(identity));
            if objects.len() != before {
                changed.insert(shop.clone());
            }
            !objects.is_empty()
        });
        for (shop, identity, live) in listed {
            // Whatever it says: the store may have been put back to an earlier day.
            if self.take(&shop, identity, live) {
                changed.insert(shop);
            }
        }
        changed
    }

    /// A list of a kind of workloads came whole, as shops and names: others are forgotten.
    pub fn forget(&mut self, kind: &str, listed: &HashSet<(String, String)>) {
        let there = |shop: &str, name: &str| listed.contains(&(shop.to_owned(), name.to_owned()));
        match kind {
            "Deployment" => {
                self.pods.retain(|shop, _| there(shop, "web"));
                self.crons.retain(|shop| there(shop, "cron"));
            }
            "Job" => {
                for (shop, jobs) in &mut self.migrations {
                    let known = jobs.len();
                    jobs.retain(|sequence, _| there(shop, &format!("release-{sequence}")));
                    // As with a Job whose end was seen.
                    if jobs.len() < known {
                        self.failures.remove(shop);
                    }
                }
                self.last_backups
                    .iter_mut()
                    .for_each(|(shop, jobs)| jobs.retain(|name, _| there(shop, name)));
            }
            "CronJob" => self.backups.retain(|shop, _| there(shop, "backup")),
            "Ingress" | "HTTPRoute" => {
                for (shop, routes) in &mut self.routes {
                    routes.retain(|(of, name), _| of != kind || there(shop, name));
                }
            }
            _ => {}
        }
    }

    /// A Job is gone: what it did is no longer known from it.
    pub fn forget_job(&mut self, shop: &str, name: &str) {
        if name.starts_with(LAST_BACKUP) {
            self.last_backups
                .get_mut(shop)
                .map(|jobs| jobs.remove(name));
        } else if let Some(sequence) = migration_of(name) {
            self.migrations
                .get_mut(shop)
                .map(|jobs| jobs.remove(&sequence));
            self.failures.remove(shop);
        }
    }

    /// Takes a Shop in, and distinguishes a person's change from our own write of the status.
    pub fn shop(&mut self, shop: Shop) -> ShopChange {
        let name = shop.metadata.name.clone().unwrap_or_default();
        self.came_back |= self.missing.remove(&name).is_some();
        let old = self.fleet.shops.insert(name.clone(), shop);
        let new = &self.fleet.shops[&name];
        self.claims
            .see(&name, new, self.fleet.classes.get(&new.spec.class));
        let Some(old) = old else {
            return ShopChange::Spec;
        };
        let assignment = |shop: &Shop| {
            shop.status.as_ref().map(|status| {
                (
                    status.release.clone(),
                    status.previous.clone(),
                    status.rejected.clone(),
                )
            })
        };
        let proven = |shop: &Shop| Some(shop.status.as_ref()?.proven_hosts.clone());
        if old.metadata.generation != new.metadata.generation {
            ShopChange::Spec
        } else if proven(&old).unwrap_or_default() != proven(new).unwrap_or_default() {
            ShopChange::Proven
        } else if assignment(&old) != assignment(new) {
            ShopChange::Assigned
        } else {
            ShopChange::Nothing
        }
    }

    /// Takes a class in, and says whether its spec is another one.
    pub fn class(&mut self, class: ShopClass) -> bool {
        let name = class.metadata.name.clone().unwrap_or_default();
        let old = self.fleet.classes.insert(name.clone(), class);
        let changed = old.is_none_or(|old| old.spec != self.fleet.classes[&name].spec);
        if changed {
            self.claimed_anew(&name);
        }
        changed
    }

    /// Servers of a class are others now, or nobody knows them.
    fn claimed_anew(&mut self, class: &str) {
        for (name, shop) in self
            .fleet
            .shops
            .iter()
            .filter(|(_, shop)| shop.spec.class == class)
        {
            self.claims.see(name, shop, self.fleet.classes.get(class));
        }
    }

    /// A Shop is gone.
    pub fn left(&mut self, name: &str) {
        self.fleet.shops.remove(name);
        self.claims.forget(name);
    }

    /// A list of Shops came whole: what is not in it is gone.
    pub fn only(&mut self, present: &BTreeSet<String>) {
        let gone: Vec<_> = self
            .fleet
            .shops
            .keys()
            .filter(|name| !present.contains(*name))
            .cloned()
            .collect();
        for name in &gone {
            self.left(name);
        }
    }

    /// A class is gone.
    pub fn class_left(&mut self, name: &str) {
        if self.fleet.classes.remove(name).is_some() {
            self.claimed_anew(name);
        }
    }

    /// Takes a Release in, and returns whether it differs from the one before.
    pub fn release(&mut self, release: &Release) -> bool {
        let name = release.metadata.name.clone().unwrap_or_default();
        self.release_statuses
            .insert(name.clone(), release.status.clone().unwrap_or_default());
        match ResolvedRelease::read(release) {
            Ok(read) => {
                self.unreadable.remove(&name);
                let channel = self.fleet.releases.entry(read.channel.clone()).or_default();
                channel
                    .insert(read.sequence.get(), read.clone())
                    .is_none_or(|old| old != read)
            }
            Err(error) => self
                .unreadable
                .insert(name, runtime::Chain(&error).to_string())
                .is_none(),
        }
    }

    /// Takes a rollout in.
    pub fn rollout(&mut self, rollout: Rollout) {
        self.fleet
            .rollouts
            .insert(rollout.metadata.name.clone().unwrap_or_default(), rollout);
    }

    /// Notes which shops have objects and are not in the registry, and since when. If one came
    /// back, the waiting time of all starts again: whoever repairs a registry puts its shops back
    /// one by one, and the last few, which are within the limit, must not be taken down meanwhile.
    pub fn note_missing(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.came_back) {
            self.missing.clear();
        }
        let mut missing = BTreeMap::new();
        for shop in self
            .world
            .keys()
            .filter(|shop| !self.fleet.shops.contains_key(*shop))
        {
            if plan::dry_run::goes(&self.live(shop), now) {
                missing.insert(shop.clone(), self.missing.get(shop).copied().unwrap_or(now));
            }
        }
        self.leaving.retain(|shop| missing.contains_key(shop));
        self.missing = missing;
        self.removed
            .retain(|at| now.duration_since(*at) < jiff::SignedDuration::from_hours(1));
    }

    /// Every shop that is known, from the registry or from its objects.
    #[must_use]
    pub fn shops(&self) -> Vec<String> {
        self.fleet.shops.keys().cloned().collect()
    }
}

/// What changed of a Shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShopChange {
    /// What it should be.
    Spec,
    /// The release that it is assigned.
    Assigned,
    /// The hosts that are proven to be its own.
    Proven,
    /// Nothing that matters here.
    Nothing,
}

#[cfg(test)]
mod tests;
