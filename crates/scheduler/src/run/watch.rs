//! Watches: what the API server says, taken into the state, and which shops it concerns.

use super::{
    Controller, builds, edge, last_backup,
    observed::Observed,
    queue::Priority,
    state::{Change, Pods, Progress, State, migration},
};
use crate::{
    api::{self, Kind, OURS, SHOP},
    crd::{Release, Rollout, Shop, ShopClass},
    plan::Live,
    render::Identity,
};
use futures_util::{Stream, StreamExt as _, pin_mut};
use kube::{
    Resource,
    api::{Api, DynamicObject},
    core::PartialObjectMeta,
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

/// Follows one stream until `stop`. `init` gets a whole list, `apply` and `delete` what changes after it.
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
    // One kind is listed after another: all lists at once, each held until it is whole, would be most of the process's memory for ever.
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
            // The watcher lists anew, after a pause: also where its place in time was forgotten (410).
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

fn resources<K>(controller: &Controller) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + use<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let stream = watcher(Api::<K>::all(controller.cluster.client()), config());
    stream.map(|event| event.map(|event| event.modify(|object| object.meta_mut().managed_fields = None)))
}

fn name(resource: &impl Resource) -> String {
    resource.meta().name.clone().unwrap_or_default()
}

pub(super) async fn shops(controller: Arc<Controller>, stop: CancellationToken) {
    let one = |shop: Shop| {
        let name = name(&shop);
        match controller.lock().shop(shop) {
            Change::Spec => {
                controller.edge.notify_one();
                controller.ask(&name, Priority::Urgent);
            }
            Change::Told => controller.ask(&name, Priority::Normal),
            Change::Nothing => {}
        }
    };
    let all = |shops: Vec<Shop>| {
        let mut state = controller.lock();
        let present: BTreeSet<_> = shops.iter().map(name).collect();
        state.fleet.shops.retain(|name, _| present.contains(name));
        // At the start everything is looked at, and later what differs.
        let changed: Vec<_> =
            shops.into_iter().map(|shop| (name(&shop), state.shop(shop))).filter(|(_, change)| *change != Change::Nothing).collect();
        drop(state);
        for (name, _) in &changed {
            controller.ask(name, Priority::Slow);
        }
        controller.edge.notify_one();
    };
    let gone = |shop: Shop| {
        controller.lock().fleet.shops.remove(&name(&shop));
        controller.forget(&name(&shop));
        controller.edge.notify_one();
    };
    follow("shops", &controller, resources(&controller), &stop, all, one, gone).await;
}

pub(super) async fn classes(controller: Arc<Controller>, stop: CancellationToken) {
    let one = |class: ShopClass| {
        let name = name(&class);
        let mut state = controller.lock();
        if state.class(class) {
            let concerned: Vec<_> =
                state.fleet.shops.iter().filter(|(_, shop)| shop.spec.class == name).map(|(name, _)| name.clone()).collect();
            drop(state);
            controller.edge.notify_one();
            // A person waits for the first of them, and not for each.
            for shop in &concerned {
                controller.ask(shop, Priority::Slow);
            }
        }
    };
    let all = |classes: Vec<ShopClass>| {
        let present: BTreeSet<_> = classes.iter().map(name).collect();
        controller.lock().fleet.classes.retain(|name, _| present.contains(name));
        classes.into_iter().for_each(one);
    };
    let gone = |class: ShopClass| drop(controller.lock().fleet.classes.remove(&name(&class)));
    follow("classes", &controller, resources(&controller), &stop, all, one, gone).await;
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
            let told = shop.status.as_ref().and_then(|status| status.release.as_ref());
            shop.spec.channel == release.spec.channel && told.is_none_or(|told| Some(&told.name) == release.metadata.name.as_ref())
        };
        let concerned: Vec<_> = state.fleet.shops.iter().filter(|(_, shop)| waits(shop)).map(|(name, _)| name.clone()).collect();
        drop(state);
        if controller.complete() {
            for shop in &concerned {
                controller.ask(shop, Priority::Normal);
            }
        }
    };
    let all = |releases: Vec<Release>| {
        let present: BTreeSet<_> = releases.iter().map(name).collect();
        controller.lock().release_statuses.retain(|name, _| present.contains(name));
        controller.lock().unreadable.retain(|name, _| present.contains(name));
        controller.lock().fleet.releases.values_mut().for_each(|channel| channel.retain(|_, release| present.contains(&release.name)));
        releases.into_iter().for_each(one);
    };
    let gone = |release: Release| {
        let name = name(&release);
        let mut state = controller.lock();
        state.fleet.releases.values_mut().for_each(|channel| channel.retain(|_, release| release.name != name));
        state.release_statuses.remove(&name);
        state.unreadable.remove(&name);
    };
    follow("releases", &controller, resources(&controller), &stop, all, one, gone).await;
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
    let gone = |rollout: Rollout| drop(controller.lock().fleet.rollouts.remove(&name(&rollout)));
    follow("rollouts", &controller, resources(&controller), &stop, all, one, gone).await;
}

/// Objects of a kind, by their metadata alone.
pub(super) async fn objects(controller: Arc<Controller>, kind: &'static Kind, stop: CancellationToken) {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(controller.cluster.client(), &kind.resource());
    let stream = watcher(api, config().labels(OURS));
    // Who wrote which field is most of an object's metadata: dropped before a whole list of it is held.
    let stream = stream.map(|event| event.map(|event| event.modify(|object| object.metadata.managed_fields = None)));
    let taken = |item: PartialObjectMeta<DynamicObject>| api::entry(kind, item);
    let one = |item| {
        edge::took(&controller, kind, &item);
        if let Some((shop, identity, live)) = taken(item)
            && controller.lock().see(&shop, identity, live)
        {
            controller.ask(&shop, Priority::Normal);
        }
    };
    let all = |items: Vec<_>| {
        edge::listed(&controller, kind, &items);
        replace(&controller, kind, items.into_iter().filter_map(taken).collect());
    };
    let gone = |item| {
        edge::gone(&controller, kind, &item);
        if let Some((shop, identity, _)) = taken(item) {
            controller.lock().gone(&shop, &identity);
            controller.ask(&shop, Priority::Normal);
        }
    };
    follow(kind.name, &controller, stream, &stop, all, one, gone).await;
}

fn replace(controller: &Controller, kind: &Kind, items: Vec<(String, Identity, Live)>) {
    let changed = controller.lock().replace(kind, items);
    if controller.complete() {
        for shop in &changed {
            controller.ask(shop, Priority::Normal);
        }
    }
}

/// Deployments, Jobs, CronJobs and routes: also how they are.
pub(super) async fn workloads(controller: Arc<Controller>, kind: &'static Kind, end: CancellationToken) {
    let api: Api<Observed> = Api::all_with(controller.cluster.client(), &kind.resource());
    let stream =
        watcher(api, config().labels(OURS)).map(|event| event.map(|event| event.modify(|object| object.metadata.managed_fields = None)));
    let place = |object: &Observed| {
        let shop = object.metadata.labels.as_ref()?.get(SHOP)?.clone();
        Some((shop, kind.identity(object.metadata.namespace.clone(), object.metadata.name.clone()?), Live::of(&object.metadata)))
    };
    let one = |object: Observed| {
        let Some((shop, identity, live)) = place(&object) else { return builds::took(&mut controller.lock(), kind, &object) };
        let mut state = controller.lock();
        let changed = status(&mut state, &shop, &identity, &object);
        let news = state.see(&shop, identity, live);
        drop(state);
        if changed || news {
            controller.ask(&shop, Priority::Normal);
        }
        if changed {
            controller.wake_rollouts();
        }
    };
    let all = |objects: Vec<Observed>| {
        let mut state = controller.lock();
        builds::listed(&mut state, kind, &objects);
        let mut changed = BTreeSet::new();
        for object in &objects {
            if let Some((shop, identity, _)) = place(object)
                && status(&mut state, &shop, &identity, object)
            {
                changed.insert(shop);
            }
        }
        state.forget(kind.name, &objects.iter().filter_map(|object| Some((place(object)?.0, object.metadata.name.clone()?))).collect());
        drop(state);
        replace(&controller, kind, objects.iter().filter_map(place).collect());
        if controller.complete() {
            for shop in &changed {
                controller.ask(shop, Priority::Normal);
            }
        }
    };
    let gone = |object: Observed| {
        builds::gone(&mut controller.lock(), kind, &object);
        if let Some((shop, identity, _)) = place(&object) {
            let mut state = controller.lock();
            match identity.kind.as_ref() {
                "Deployment" if identity.name == "web" => drop(state.pods.remove(&shop)),
                "Deployment" if identity.name == "cron" => drop(state.crons.remove(&shop)),
                // Who deletes a Job that failed wants another one.
                "Job" => state.forget_job(&shop, &identity.name),
                "CronJob" => drop(state.backups.remove(&shop)),
                "Ingress" | "HTTPRoute" => drop(state.routes.get_mut(&shop).map(|routes| routes.remove(&identity.name))),
                _ => {}
            }
            state.gone(&shop, &identity);
            drop(state);
            controller.ask(&shop, Priority::Normal);
        }
    };
    follow(kind.name, &controller, stream, &end, all, one, gone).await;
}

/// How a Job goes.
pub(super) fn progress(job: &Observed) -> Progress {
    let ended = |kind: &str| job.status.conditions.iter().any(|condition| condition.kind == kind && condition.status == "True");
    match (ended("Complete"), ended("Failed")) {
        (true, _) => Progress::Done,
        (_, true) => Progress::Failed,
        _ => Progress::Runs,
    }
}

/// Takes in how a workload is; says whether that changed.
fn status(state: &mut State, shop: &str, identity: &Identity, object: &Observed) -> bool {
    let wanted = object.spec.replicas.unwrap_or(1);
    let current = object.status.observed_generation >= object.metadata.generation.unwrap_or_default();
    match (identity.kind.as_ref(), identity.name.as_str()) {
        ("Deployment", "web") => {
            let pods = Pods { wanted, ready: object.status.ready_replicas, updated: object.status.updated_replicas, current };
            state.pods.insert(shop.to_owned(), pods) != Some(pods)
        }
        ("Deployment", "cron") if wanted == 0 && object.status.replicas == 0 && current => state.crons.remove(shop),
        ("Deployment", "cron") => state.crons.insert(shop.to_owned()),
        ("Ingress" | "HTTPRoute", name) => {
            let route = object.status.route();
            let routes = state.routes.entry(shop.to_owned()).or_default();
            routes.insert(name.to_owned(), route.clone()).as_ref() != Some(&route)
        }
        ("Job", name) => {
            let progress = progress(object);
            if name.starts_with(last_backup::PREFIX) {
                return state.last_backups.entry(shop.to_owned()).or_default().insert(name.to_owned(), progress) != Some(progress);
            }
            let Some(sequence) = migration(name) else { return false };
            state.migrations.entry(shop.to_owned()).or_default().insert(sequence, progress) != Some(progress)
        }
        ("CronJob", "backup") => {
            let last = object.status.last_successful_time.as_ref().map(|time| time.0);
            state.backups.insert(shop.to_owned(), last) != Some(last)
        }
        _ => false,
    }
}
