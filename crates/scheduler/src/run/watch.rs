//! Watches: takes what the API server says into the state, and asks for reconciles of the shops
//! that it concerns.

mod objects;
#[cfg(test)]
mod testing;
mod workloads;

pub(super) use objects::objects;
pub(super) use workloads::{progress, workloads};

use super::{Controller, edge, proof, to_zero};
use api::edge::{NAMESPACE, certificate, visits::NAME as VISITS};
use api::{Identity, ObjectMetaSummary, Release, Rollout, Shop, ShopClass};
use cell::ShopChange;
use client::{Kind, Priority, Watch, WatchEvent};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, api::Api, runtime::watcher::Config};
use serde::de::DeserializeOwned;
use std::{collections::BTreeSet, fmt::Debug, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Objects in one page of a list. The page is in memory as a whole, with the managers of all
/// fields.
const PAGE: u32 = 100;

fn config() -> Config {
    Config::default().page_size(PAGE)
}

/// Follows one kind until `stop`. `init` gets a whole list, `apply` and `delete` what changes after
/// it.
async fn follow<K, T>(
    what: &'static str,
    controller: &Controller,
    (api, config): (Api<K>, Config),
    stop: &CancellationToken,
    keep: impl Fn(K) -> Option<T>,
    (init, apply, delete): (impl Fn(Vec<T>), impl Fn(T), impl Fn(T)),
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let watch = Watch {
        what,
        api,
        config,
        lists: Some(&controller.lists),
    };
    let take = |change| match change {
        WatchEvent::All(listed) => {
            init(listed);
            controller.read(what);
        }
        WatchEvent::Applied(object) => apply(object),
        WatchEvent::Deleted(object) => delete(object),
        // The state keeps what it knows; the log reports the error.
        WatchEvent::Broken | WatchEvent::Mended => {}
    };
    client::follow(watch, stop, keep, take).await;
}

/// Follows one of our own resources.
async fn resources<K>(
    what: &'static str,
    controller: &Controller,
    stop: &CancellationToken,
    changes: (impl Fn(Vec<K>), impl Fn(K), impl Fn(K)),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let keep = |mut object: K| {
        object.meta_mut().managed_fields = None;
        Some(object)
    };
    let api = Api::all(controller.connections.cluster.client());
    follow(what, controller, (api, config()), stop, keep, changes).await;
}

fn name(resource: &impl Resource) -> String {
    resource.meta().name.clone().unwrap_or_default()
}

/// What `longshore-edge issue` remembers of each host.
pub(super) async fn certificates(controller: Arc<Controller>, stop: CancellationToken) {
    let api = Api::<ConfigMap>::namespaced(controller.connections.cluster.client(), NAMESPACE);
    let (key, value) = certificate::LABEL;
    let watch = (api, config().labels(&format!("{key}={value}")));
    let one = |map: ConfigMap| edge::certificates::took(&controller, &map);
    let all = |maps: Vec<ConfigMap>| edge::certificates::listed(&controller, &maps);
    let gone = |map: ConfigMap| edge::certificates::gone(&controller, &map);
    let changes = (all, one, gone);
    follow("certificates", &controller, watch, &stop, Some, changes).await;
}

/// What the edge tells of visitors.
pub(super) async fn visits(controller: Arc<Controller>, stop: CancellationToken) {
    let api = Api::<ConfigMap>::namespaced(controller.connections.cluster.client(), NAMESPACE);
    let watch = (api, config().fields(&format!("metadata.name={VISITS}")));
    let one = |map: ConfigMap| to_zero::took(&controller, &map);
    // There is one, if any: without it, it is gone.
    let all = |maps: Vec<ConfigMap>| one(maps.into_iter().next().unwrap_or_default());
    let gone = |_| to_zero::took(&controller, &ConfigMap::default());
    let changes = (all, one, gone);
    follow("visits", &controller, watch, &stop, Some, changes).await;
}

pub(super) async fn shops(controller: Arc<Controller>, stop: CancellationToken) {
    let one = |shop: Shop| {
        let name = name(&shop);
        // Its lock is given back before anybody is told.
        let change = controller.lock().shop(shop);
        match change {
            ShopChange::Spec => {
                controller.edge.notify_one();
                controller.proofs.notify_one();
                controller.queue.ask(&name, Priority::Urgent);
            }
            ShopChange::Assigned => controller.queue.ask(&name, Priority::Normal),
            ShopChange::Proven => {
                let concerned = controller.lock().beside(&name);
                proof::tell(&controller, &concerned);
            }
            ShopChange::Nothing => {}
        }
    };
    let all = |shops: Vec<Shop>| {
        let mut state = controller.lock();
        let present: BTreeSet<_> = shops.iter().map(name).collect();
        state.only(&present);
        // At the start every shop reconciles, and later those that differ.
        let changed: Vec<_> = shops
            .into_iter()
            .map(|shop| (name(&shop), state.shop(shop)))
            .filter(|(_, change)| *change != ShopChange::Nothing)
            .collect();
        drop(state);
        for (name, _) in &changed {
            controller.queue.ask(name, Priority::Slow);
        }
        controller.edge.notify_one();
        controller.proofs.notify_one();
    };
    let gone = |shop: Shop| {
        controller.lock().left(&name(&shop));
        controller.queue.forget(&name(&shop));
        controller.edge.notify_one();
    };
    resources("shops", &controller, &stop, (all, one, gone)).await;
}

pub(super) async fn classes(controller: Arc<Controller>, stop: CancellationToken) {
    let one = |class: ShopClass| {
        let name = name(&class);
        let mut state = controller.lock();
        if state.class(class) {
            let concerned: Vec<_> = state
                .fleet
                .shops
                .iter()
                .filter(|(_, shop)| shop.spec.class == name)
                .map(|(name, _)| name.clone())
                .collect();
            drop(state);
            controller.edge.notify_one();
            controller.proofs.notify_one();
            // A person waits for the first of them, and not for each.
            for shop in &concerned {
                controller.queue.ask(shop, Priority::Slow);
            }
        }
    };
    let all = |classes: Vec<ShopClass>| {
        let present: BTreeSet<_> = classes.iter().map(name).collect();
        {
            let mut state = controller.lock();
            let gone: Vec<_> = state
                .fleet
                .classes
                .keys()
                .filter(|name| !present.contains(*name))
                .cloned()
                .collect();
            for name in &gone {
                state.class_left(name);
            }
        }
        classes.into_iter().for_each(one);
    };
    let gone = |class: ShopClass| controller.lock().class_left(&name(&class));
    resources("classes", &controller, &stop, (all, one, gone)).await;
}

pub(super) async fn releases(controller: Arc<Controller>, stop: CancellationToken) {
    let one = |release: Release| {
        let mut state = controller.lock();
        // The scheduler writes its status itself, so that is no news.
        if !state.release(&release) {
            return;
        }
        // Shops that wait for a first release, or for this one.
        let waits = |shop: &Shop| {
            let assigned = shop
                .status
                .as_ref()
                .and_then(|status| status.release.as_ref());
            shop.spec.channel == release.spec.channel
                && assigned
                    .is_none_or(|assigned| Some(&assigned.name) == release.metadata.name.as_ref())
        };
        let concerned: Vec<_> = state
            .fleet
            .shops
            .iter()
            .filter(|(_, shop)| waits(shop))
            .map(|(name, _)| name.clone())
            .collect();
        drop(state);
        if controller.complete() {
            for shop in &concerned {
                controller.queue.ask(shop, Priority::Normal);
            }
        }
    };
    let all = |releases: Vec<Release>| {
        let present: BTreeSet<_> = releases.iter().map(name).collect();
        controller
            .lock()
            .release_statuses
            .retain(|name, _| present.contains(name));
        controller
            .lock()
            .unreadable
            .retain(|name, _| present.contains(name));
        controller
            .lock()
            .fleet
            .releases
            .values_mut()
            .for_each(|channel| channel.retain(|_, release| present.contains(&release.name)));
        releases.into_iter().for_each(one);
    };
    let gone = |release: Release| {
        let name = name(&release);
        let mut state = controller.lock();
        state
            .fleet
            .releases
            .values_mut()
            .for_each(|channel| channel.retain(|_, release| release.name != name));
        state.release_statuses.remove(&name);
        state.unreadable.remove(&name);
    };
    resources("releases", &controller, &stop, (all, one, gone)).await;
}

pub(super) async fn rollouts(controller: Arc<Controller>, stop: CancellationToken) {
    let one = |rollout: Rollout| {
        controller.lock().rollout(rollout);
        controller.wake_rollouts();
    };
    let all = |rollouts: Vec<Rollout>| {
        controller.lock().fleet.rollouts.clear();
        rollouts.into_iter().for_each(one);
    };
    let gone = |rollout: Rollout| {
        controller.lock().fleet.rollouts.remove(&name(&rollout));
    };
    resources("rollouts", &controller, &stop, (all, one, gone)).await;
}

fn replace(
    controller: &Controller,
    kind: &Kind,
    items: Vec<(String, Identity, ObjectMetaSummary)>,
) {
    let changed = controller.lock().replace(kind, items);
    if controller.complete() {
        for shop in &changed {
            controller.queue.ask(shop, Priority::Normal);
        }
    }
}

#[cfg(test)]
mod tests;
