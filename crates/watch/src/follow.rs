//! What is followed of the cluster: Shops, their classes, and their pods.
//!
//! It needs, in the whole cluster, list and watch of `shops` and `shopclasses` of `longshore.dev`,
//! and of `pods`.

use crate::{
    collect::pods::{Pods, pod},
    fleet::{Fleet, class, shop},
};
use api::{Shop, ShopClass};
use client::{Cluster, Watch, WatchEvent};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Resource, runtime::watcher::Config};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt::Debug, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Objects in one page of a list.
const PAGE: u32 = 100;
/// The pods that have an agent.
const AGENTS: &str = "app.kubernetes.io/managed-by=longshore,app.kubernetes.io/component=web";

type Listed<T> = Option<BTreeMap<String, T>>;

/// Follows Shops until `stop`.
pub(crate) async fn shops(cluster: Cluster, fleet: Arc<Mutex<Fleet>>, stop: CancellationToken) {
    own::<Shop, _>("shops", &cluster, &fleet, &stop, shop, |it| &mut it.shops).await;
}

/// Follows classes until `stop`.
pub(crate) async fn classes(cluster: Cluster, fleet: Arc<Mutex<Fleet>>, stop: CancellationToken) {
    own::<ShopClass, _>("classes", &cluster, &fleet, &stop, class, |it| {
        &mut it.classes
    })
    .await;
}

async fn own<K, T>(
    what: &'static str,
    cluster: &Cluster,
    fleet: &Mutex<Fleet>,
    stop: &CancellationToken,
    keep: impl Fn(K) -> Option<(String, T)>,
    held: fn(&mut Fleet) -> &mut Listed<T>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    T: PartialEq,
{
    let watch = Watch {
        what,
        api: Api::<K>::all(cluster.client()),
        config: Config::default().page_size(PAGE),
        lists: None,
    };
    let take = |change| match change {
        WatchEvent::All(all) => {
            let all = all.into_iter().collect();
            fleet.lock().change(|it| *held(it) = Some(all));
        }
        WatchEvent::Applied((name, kept)) => {
            let mut fleet = fleet.lock();
            let known = held(&mut fleet).get_or_insert_default();
            // A status is written often, and little of it matters here.
            if known.get(&name) != Some(&kept) {
                fleet.change(|it| {
                    held(it).get_or_insert_default().insert(name, kept);
                });
            }
        }
        WatchEvent::Deleted((name, _)) => fleet.lock().change(|it| {
            held(it).get_or_insert_default().remove(&name);
        }),
        // What is known stays; the log says it.
        WatchEvent::Broken | WatchEvent::Mended => {}
    };
    client::follow(watch, stop, keep, take).await;
}

/// Follows pods of shops until `stop`.
pub(crate) async fn pods(cluster: Cluster, pods: Arc<Pods>, stop: CancellationToken) {
    let watch = Watch {
        what: "pods",
        api: Api::<Pod>::all(cluster.client()),
        config: Config::default().labels(AGENTS).page_size(PAGE),
        lists: None,
    };
    let take = |change| match change {
        WatchEvent::All(all) => pods.all(all),
        WatchEvent::Applied(one) => pods.applied(one),
        WatchEvent::Deleted((uid, _)) => pods.deleted(&uid),
        WatchEvent::Broken | WatchEvent::Mended => {}
    };
    client::follow(watch, &stop, pod, take).await;
}
