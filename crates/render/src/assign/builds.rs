//! Which releases are built, and by which class: once for each, however many shops run it.

use super::{assigned, served};
use crate::build;
use api::{Fleet, Object, Phase, ShopClass};
use std::collections::{BTreeMap, BTreeSet};

/// A build of a release.
#[derive(Debug)]
pub struct Build {
    /// Name of the Release.
    pub release: String,
    /// The class that says how.
    pub class: String,
    /// What is to be done.
    pub job: Object,
}

/// The build of each release that shops are assigned, or are about to be assigned, whose class says
/// how.
#[must_use]
pub fn builds(fleet: &Fleet) -> Vec<Build> {
    let mut builds = Vec::new();
    for (name, class) in building(&fleet.classes) {
        let wanted = wanted(fleet, &class.spec.store.location);
        let releases = fleet
            .releases
            .values()
            .flat_map(|all| all.values())
            .filter(|release| wanted.contains(release.name.as_str()));
        builds.extend(releases.filter_map(|release| {
            let job = build(class, &release.channel, release.sequence)?;
            Some(Build {
                release: release.name.clone(),
                class: name.clone(),
                job,
            })
        }));
    }
    builds
}

/// Classes that build. Of those that share a store one is enough, as they share its releases: the
/// first by name.
fn building(classes: &BTreeMap<String, ShopClass>) -> impl Iterator<Item = (&String, &ShopClass)> {
    let mut stores = BTreeSet::new();
    classes.iter().filter(move |(_, class)| {
        class.spec.build.is_some() && stores.insert(class.spec.store.location.clone())
    })
}

/// Releases that shops of this store are assigned, or that a rollout is about to assign to them, by
/// name.
fn wanted<'a>(fleet: &'a Fleet, store: &str) -> BTreeSet<&'a str> {
    let ours = |class: &str| {
        fleet
            .classes
            .get(class)
            .is_some_and(|class| class.spec.store.location == store)
    };
    let shops: Vec<_> = fleet
        .shops
        .values()
        .filter(|shop| served(shop) && ours(&shop.spec.class))
        .collect();
    let mut wanted: BTreeSet<&str> = shops
        .iter()
        .filter_map(|shop| assigned(shop, fleet).ok().flatten())
        .map(|release| release.name.as_str())
        .collect();
    let channels: BTreeSet<&str> = shops
        .iter()
        .map(|shop| shop.spec.channel.as_str())
        .collect();
    let over = |phase: Phase| {
        matches!(
            phase,
            Phase::Completed | Phase::Aborted | Phase::Stopped | Phase::Returning
        )
    };
    let moving = fleet.rollouts.values().filter(|rollout| {
        !rollout
            .status
            .as_ref()
            .and_then(|status| status.phase)
            .is_some_and(over)
    });
    let names: BTreeSet<&str> = moving
        .map(|rollout| rollout.spec.release.as_str())
        .collect();
    let releases = fleet
        .releases
        .iter()
        .filter(|(channel, _)| channels.contains(channel.as_str()))
        .flat_map(|(_, all)| all.values());
    wanted.extend(
        releases
            .map(|release| release.name.as_str())
            .filter(|name| names.contains(name)),
    );
    wanted
}
