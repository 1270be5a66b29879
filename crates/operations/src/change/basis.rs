//! What a plan is made of: of everything that is known, as much as the Shops in question need.

use crate::{OperationError, parallel::at_once};
use api::{Fleet, Release, ResolvedRelease, Shop, claims::Claims};
use client::{ApiError, Cluster};
use kube::api::{Api, ListParams};
use render::assign;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Releases that are asked for one by one; of more, all are listed.
const ONE_BY_ONE: usize = 64;
/// Releases in one page of a list.
const PAGE: u32 = 200;

/// Some Shops, with what they name, and what all Shops claim.
#[derive(Debug, Clone, Default)]
pub struct Basis {
    pub(super) fleet: Fleet,
    pub(super) claims: Arc<Claims>,
    /// Releases that Shops are rendered with.
    rendered: BTreeSet<String>,
}

impl Basis {
    /// The part of a fleet that is about these Shops; `claims` are those of the whole fleet, and
    /// `channels` those of others that would be stored.
    #[must_use]
    pub fn new<'a>(
        (all, claims): (&Fleet, &Arc<Claims>),
        shops: impl Iterator<Item = &'a str>,
        channels: impl Iterator<Item = &'a str>,
    ) -> Self {
        let known = shops.filter_map(|name| all.shops.get_key_value(name));
        let shops: BTreeMap<_, _> = known
            .map(|(name, shop)| (name.clone(), shop.clone()))
            .collect();
        let mut rendered = BTreeSet::new();
        let mut channels: BTreeSet<_> = channels.map(str::to_owned).collect();
        let mut begin = channels.clone();
        for shop in shops.values() {
            let status = shop.status.as_ref();
            let (assigned, previous) = (
                status.and_then(|status| status.release.as_ref()),
                status.and_then(|status| status.previous.as_ref()),
            );
            rendered.extend(
                assigned
                    .into_iter()
                    .chain(previous)
                    .map(|it| it.name.clone()),
            );
            if assigned.is_none() {
                begin.insert(shop.spec.channel.clone());
            }
            channels.insert(shop.spec.channel.clone());
        }
        let first = |channel: &String| assign::initial_release(channel, all);
        let first = begin.iter().filter_map(first);
        rendered.extend(first.map(|release| release.name.clone()));
        // A shop that was moved to another channel may still run a release of the one before.
        let runs = |release: &ResolvedRelease| rendered.contains(&release.name);
        let releases = all.releases.iter().filter(|(channel, releases)| {
            channels.contains(channel.as_str()) || releases.values().any(runs)
        });
        let releases: BTreeMap<_, _> = releases
            .map(|(channel, releases)| (channel.clone(), releases.clone()))
            .collect();
        let names: BTreeSet<_> = releases
            .values()
            .flat_map(BTreeMap::values)
            .map(|release| release.name.as_str())
            .collect();
        let of_these = |rollout: &&api::Rollout| names.contains(rollout.spec.release.as_str());
        let rollouts = all.rollouts.iter().filter(|(_, it)| of_these(it));
        let rollouts = rollouts
            .map(|(name, it)| (name.clone(), it.clone()))
            .collect();
        Self {
            claims: Arc::clone(claims),
            rendered,
            fleet: Fleet {
                classes: all.classes.clone(),
                rollouts,
                releases,
                shops,
            },
        }
    }

    /// Takes in a release that a Shop would move to.
    #[must_use]
    pub fn and(mut self, release: &ResolvedRelease) -> Self {
        self.rendered.insert(release.name.clone());
        self
    }

    /// Reads the envelopes of the releases that Shops are rendered with, if whoever keeps the fleet
    /// does not keep those.
    ///
    /// # Errors
    ///
    /// If the API server does not say them.
    pub async fn complete(mut self, cluster: &Cluster) -> Result<Self, ApiError> {
        let all = self.fleet.releases.values().flat_map(BTreeMap::values);
        let missing: BTreeSet<String> = all
            .filter(|it| it.envelope.is_empty() && self.rendered.contains(&it.name))
            .map(|it| it.name.clone())
            .collect();
        let params: Vec<_> = if missing.len() <= ONE_BY_ONE {
            let one = |name| ListParams::default().fields(&format!("metadata.name={name}"));
            missing.iter().map(one).collect()
        } else {
            vec![ListParams::default().limit(PAGE)]
        };
        let lists = params
            .into_iter()
            .map(|params| list(cluster, params, &missing));
        for list in at_once(lists).await {
            for read in list? {
                let channel = self.fleet.releases.entry(read.channel.clone());
                channel.or_default().insert(read.sequence.get(), read);
            }
        }
        Ok(self)
    }

    /// The release of this name.
    #[must_use]
    pub fn release(&self, name: &str) -> Option<&ResolvedRelease> {
        let mut all = self.fleet.releases.values().flat_map(BTreeMap::values);
        all.find(|release| release.name == name)
    }

    /// The Shop of this name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn shop(&self, name: &str) -> Result<&Shop, OperationError> {
        let missing = || OperationError::Missing(format!("shop {name} is not in the registry"));
        self.fleet.shops.get(name).ok_or_else(missing)
    }

    /// What all Shops would claim; nothing if that is what they claim now.
    pub(super) fn claims_of(&self, then: &BTreeMap<String, Shop>) -> Option<Claims> {
        let same = |(name, shop): (&String, &Shop)| {
            self.fleet.shops.get(name).is_some_and(|before| {
                let (before, shop) = (&before.spec, &shop.spec);
                (&before.class, &before.domains, &before.services)
                    == (&shop.class, &shop.domains, &shop.services)
            })
        };
        if then.iter().all(same) {
            return None;
        }
        let mut claims = Claims::clone(&self.claims);
        for (name, shop) in then {
            claims.see(name, shop, self.fleet.classes.get(&shop.spec.class));
        }
        Some(claims)
    }
}

/// The releases of a list that are asked for.
async fn list(
    cluster: &Cluster,
    params: ListParams,
    wanted: &BTreeSet<String>,
) -> Result<Vec<ResolvedRelease>, ApiError> {
    let api: Api<Release> = Api::all(cluster.client());
    let api = &api;
    cluster
        .pages(
            "list releases",
            params,
            |params| async move { api.list(&params).await },
            |release: Release| {
                let name = release.metadata.name.as_ref();
                let own = name.is_some_and(|name| wanted.contains(name));
                own.then(|| ResolvedRelease::read(&release).ok()).flatten()
            },
        )
        .await
}
