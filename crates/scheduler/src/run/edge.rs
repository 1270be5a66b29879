//! The maps of the edge, kept as the registry says: every process knows which shards are as they
//! should be, and the leader of the whole fleet writes those that are not.
//!
//! A shop that left the registry keeps its lines until it is taken down, so that an empty or
//! truncated registry routes nobody into nothing.

pub(super) mod certificates;

use super::Controller;
use api::{Object, Step};
use cell::{State, edge::Problem};
use client::{
    Kind, ObjectSummary, Priority,
    apply::{self, Ownership, Stopped},
};
use jiff::Timestamp;
use render::edge::{self, Site};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// How long changes are gathered: a whole fleet that is imported is not a thousand passes.
const GATHER: Duration = Duration::from_secs(1);
/// How often it is looked without a reason: what could not be written is written then.
const EVERY: Duration = Duration::from_secs(30);

pub(super) async fn run(
    controller: Arc<Controller>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = controller.edge.notified() => {}
            () = sleep(EVERY) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(GATHER) => {}
        }
        if controller.complete() {
            pass(&controller, Timestamp::now()).await;
        }
    }
}

async fn pass(controller: &Controller, now: Timestamp) {
    let sites = {
        let mut state = controller.lock();
        let of_platform = !controller.settings.platform_hosts.is_empty();
        let of_shops = || !edge::sites(&state.fleet, &state.claims).is_empty();
        if state.edge.unused() && !of_platform && !of_shops() {
            return;
        }
        let State { fleet, edge, .. } = &mut *state;
        fleet
            .shops
            .iter()
            .filter(|(_, shop)| fleet.classes.contains_key(&shop.spec.class))
            .for_each(|(name, _)| edge.see(name));
        sites(&state, now)
    };
    let made = sites.and_then(|sites| {
        let of_shops = sites.iter().map(|(shop, site)| (shop.as_str(), site));
        let shards = edge::maps(of_shops, &controller.settings.platform_hosts)?;
        Ok((sites, shards))
    });
    let problem = match made {
        Err(problem) => Some(problem),
        Ok((sites, shards)) => {
            controller.lock().edge.want(sites, &shards);
            if controller.connections.leads() {
                write(controller, &shards).await.err()
            } else {
                None
            }
        }
    };
    tell(controller, problem);
    let changed = controller.lock().edge.settle(now);
    for shop in &changed {
        controller.queue.ask(shop, Priority::Slow);
    }
}

/// The sites of all shops: those of the registry, and those that left it and are not taken down
/// yet.
fn sites(state: &State, now: Timestamp) -> Result<BTreeMap<String, Site>, Problem> {
    let mut sites = edge::sites(&state.fleet, &state.claims);
    let (mut unknown, mut stay) = (Vec::new(), BTreeMap::new());
    for shop in state.world.keys() {
        let class = state
            .fleet
            .shops
            .get(shop)
            .map(|shop| state.fleet.classes.contains_key(&shop.spec.class));
        let live = || state.live(shop);
        // Who has a route of its own has no lines; who has nothing to take down has been.
        let keeps = match class {
            Some(true) => false,
            Some(false) => true,
            None => plan::dry_run::goes(&live(), now),
        };
        if !keeps
            || live()
                .keys()
                .any(|identity| ["Ingress", "HTTPRoute"].contains(&identity.kind.as_ref()))
        {
            continue;
        }
        match state.edge.site(shop) {
            Some(site) => {
                stay.insert(shop.clone(), site.clone());
            }
            None if state.edge.saw(shop) => {}
            None => unknown.push(shop.clone()),
        }
    }
    // A host moves to the shop that claims it now once the one that left is taken down.
    let kept: BTreeSet<String> = stay
        .values()
        .flat_map(Site::hosts)
        .map(str::to_owned)
        .collect();
    for site in sites.values_mut() {
        site.without(&kept);
    }
    sites.extend(stay);
    if unknown.is_empty() {
        Ok(sites)
    } else {
        Err(Problem::Unknown(unknown))
    }
}

/// Writes the shards that differ: none where nothing changed, one where one host did.
async fn write(controller: &Controller, shards: &[Object]) -> Result<(), Problem> {
    let steps: Vec<_> = {
        let state = controller.lock();
        shards
            .iter()
            .filter(|shard| !state.edge.holds(shard))
            .map(Step::Write)
            .collect()
    };
    if steps.is_empty() {
        return Ok(());
    }
    let count = steps.len();
    let (done, error) = match apply::steps(
        &controller.connections.fleet_writer(),
        steps,
        Ownership::Take,
    )
    .await
    {
        Ok(done) => (done, None),
        Err(Stopped { done, error }) => (done, Some(error)),
    };
    controller
        .counts
        .writes
        .fetch_add(done.written.len() as u64, Relaxed);
    let written = done.written.len();
    controller.lock().edge.wrote(done.written);
    info!(shards = written, of = count, "maps of the edge written");
    match error {
        None => Ok(()),
        Some(error) => Err(Problem::NotWritten(runtime::Chain(&error).to_string())),
    }
}

/// Says what is wrong once, where it is another problem than before.
fn tell(controller: &Controller, problem: Option<Problem>) {
    let mut state = controller.lock();
    if state.edge.problem == problem {
        return;
    }
    match &problem {
        None => info!("the maps of the edge are made again"),
        Some(problem) => error!(%problem, "the maps of the edge stay as they are"),
    }
    state.edge.problem = problem;
}

/// Takes in an object that is watched, where it is a shard of the maps.
pub(super) fn took(controller: &Controller, object: &ObjectSummary) {
    if controller.lock().edge.take(object) {
        controller.edge.notify_one();
    }
}

/// The same for a list that came whole.
pub(super) fn listed(controller: &Controller, kind: &Kind, objects: &[ObjectSummary]) {
    if controller.lock().edge.list(kind, objects) {
        controller.edge.notify_one();
    }
}

/// The same for an object that is gone.
pub(super) fn gone(controller: &Controller, object: &ObjectSummary) {
    if controller.lock().edge.forget(object) {
        controller.edge.notify_one();
    }
}

#[cfg(test)]
mod tests;
