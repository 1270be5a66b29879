//! Watches: what the API server says, taken into the state, and which shops it concerns.

mod objects;
mod workloads;

pub(super) use objects::objects;
pub(super) use workloads::{progress, workloads};

use super::{Controller, edge, queue::Priority, state::Change, visits};
use api::edge::{NAMESPACE, certificate, visits::NAME as VISITS};
use api::{Identity, ObjectMetaSummary, Release, Rollout, Shop, ShopClass};
use client::Kind;
use futures_util::{Stream, StreamExt as _, future, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Resource,
    api::Api,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeSet, fmt::Debug, sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Objects in one page of a list, which is held whole, with who wrote which field of each object.
const PAGE: u32 = 100;
/// How long the list of one kind waits for that of another.
const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// Follows one stream until `stop`. `init` gets a whole list, `apply` and `delete` what changes
/// after it.
async fn follow<K, S>(
    what: &'static str,
    controller: &Controller,
    stream: S,
    stop: &CancellationToken,
    init: impl Fn(Vec<K>),
    apply: impl Fn(K),
    delete: impl Fn(K),
) where
    S: Stream<Item = Result<Event<K>, watcher::Error>>,
{
    let stream = stream.default_backoff();
    pin_mut!(stream);
    let mut listed = Vec::new();
    // One kind is listed after another: all lists at once, each held until it is whole, would be
    // most of the process's memory for ever.
    let mut turn = None;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = stream.next() => event,
        };
        if !matches!(event, Some(Ok(Event::InitApply(_)))) {
            drop(turn.take());
        }
        match event {
            None => return,
            // The watcher lists anew, after a pause: also where its place in time was forgotten
            // (410).
            Some(Err(error)) => warn!(what, error = %runtime::Chain(&error), "watch broken"),
            Some(Ok(Event::Init)) => {
                listed.clear();
                // One that takes that long waits for an answer, and not for memory.
                turn = timeout(PATIENCE, controller.lists.acquire()).await.ok();
            }
            Some(Ok(Event::InitApply(object))) => listed.push(object),
            Some(Ok(Event::InitDone)) => {
                info!(what, objects = listed.len(), "listed");
                init(std::mem::take(&mut listed));
                controller.read(what);
            }
            Some(Ok(Event::Apply(object))) => apply(object),
            Some(Ok(Event::Delete(object))) => delete(object),
        }
    }
}

/// A stream with what is held of each object, as soon as it came; those of which nothing is held
/// are left out.
fn kept<K, T>(
    stream: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    keep: impl Fn(K) -> Option<T>,
) -> impl Stream<Item = Result<Event<T>, watcher::Error>> {
    let kept = move |event| {
        Some(match event {
            Event::Init => Event::Init,
            Event::InitApply(object) => Event::InitApply(keep(object)?),
            Event::InitDone => Event::InitDone,
            Event::Apply(object) => Event::Apply(keep(object)?),
            Event::Delete(object) => Event::Delete(keep(object)?),
        })
    };
    stream.filter_map(move |event| future::ready(event.map(&kept).transpose()))
}

fn resources<K>(
    controller: &Controller,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + use<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let stream = watcher(
        Api::<K>::all(controller.connections.cluster.client()),
        config(),
    );
    stream.map(|event| {
        event.map(|event| event.modify(|object| object.meta_mut().managed_fields = None))
    })
}

fn name(resource: &impl Resource) -> String {
    resource.meta().name.clone().unwrap_or_default()
}

/// What `longshore-edge issue` remembers of each host.
pub(super) async fn certificates(controller: Arc<Controller>, stop: CancellationToken) {
    let api = Api::<ConfigMap>::namespaced(controller.connections.cluster.client(), NAMESPACE);
    let (key, value) = certificate::LABEL;
    let stream = watcher(api, config().labels(&format!("{key}={value}")));
    let one = |map: ConfigMap| edge::certificates::took(&controller, &map);
    let all = |maps: Vec<ConfigMap>| maps.into_iter().for_each(one);
    let gone = |map: ConfigMap| edge::certificates::gone(&controller, &map);
    follow("certificates", &controller, stream, &stop, all, one, gone).await;
}

/// What the edge tells of visitors.
pub(super) async fn visits(controller: Arc<Controller>, stop: CancellationToken) {
    let api = Api::<ConfigMap>::namespaced(controller.connections.cluster.client(), NAMESPACE);
    let only = config().fields(&format!("metadata.name={VISITS}"));
    let one = |map: ConfigMap| visits::took(&controller, &map);
    let all = |maps: Vec<ConfigMap>| maps.into_iter().for_each(one);
    let gone = |_| visits::took(&controller, &ConfigMap::default());
    follow(
        "visits",
        &controller,
        watcher(api, only),
        &stop,
        all,
        one,
        gone,
    )
    .await;
}

pub(super) async fn shops(controller: Arc<Controller>, stop: CancellationToken) {
    let one = |shop: Shop| {
        let name = name(&shop);
        match controller.lock().shop(shop) {
            Change::Spec => {
                controller.edge.notify_one();
                controller.queue.ask(&name, Priority::Urgent);
            }
            Change::Assigned => controller.queue.ask(&name, Priority::Normal),
            Change::Nothing => {}
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
            .filter(|(_, change)| *change != Change::Nothing)
            .collect();
        drop(state);
        for (name, _) in &changed {
            controller.queue.ask(name, Priority::Slow);
        }
        controller.edge.notify_one();
    };
    let gone = |shop: Shop| {
        controller.lock().left(&name(&shop));
        controller.queue.forget(&name(&shop));
        controller.edge.notify_one();
    };
    follow(
        "shops",
        &controller,
        resources(&controller),
        &stop,
        all,
        one,
        gone,
    )
    .await;
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
    follow(
        "classes",
        &controller,
        resources(&controller),
        &stop,
        all,
        one,
        gone,
    )
    .await;
}

pub(super) async fn releases(controller: Arc<Controller>, stop: CancellationToken) {
    let one = |release: Release| {
        let mut state = controller.lock();
        // Its status is ours, and no news.
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
    follow(
        "releases",
        &controller,
        resources(&controller),
        &stop,
        all,
        one,
        gone,
    )
    .await;
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
    follow(
        "rollouts",
        &controller,
        resources(&controller),
        &stop,
        all,
        one,
        gone,
    )
    .await;
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
