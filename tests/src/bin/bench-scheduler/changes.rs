//! Changes of shops, one after another, and how long each takes until it is in the cluster. They go
//! over HTTP and are seen by a watch: kubectl, started for each, and looks many times a second
//! would take from the cores what is measured.

use futures_util::{StreamExt as _, pin_mut};
use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher::watch_object},
};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::{runtime::Builder, time::timeout};

/// Longer than any change may take.
const LONG: Duration = Duration::from_mins(10);

/// Gives each of these shops another configuration. The times are from the API server's answer to
/// the change of the shop's Deployment, the shortest first.
pub(crate) fn times(shops: impl Iterator<Item = String>, title: &str) -> Vec<Duration> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("{error}"));
    let mut times = runtime.block_on(async {
        let client = Client::try_default()
            .await
            .unwrap_or_else(|error| panic!("the cluster's kubeconfig: {error}"));
        let mut times = Vec::new();
        for shop in shops {
            let time = timeout(LONG, one(&client, &shop, title)).await;
            times.push(
                time.unwrap_or_else(|_elapsed| panic!("shop {shop} is not changed after {LONG:?}")),
            );
        }
        times
    });
    times.sort_unstable();
    times
}

async fn one(client: &Client, shop: &str, title: &str) -> Duration {
    let kind =
        |group, version, kind| ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let shops: Api<DynamicObject> =
        Api::all_with(client.clone(), &kind("longshore.dev", "v1alpha1", "Shop"));
    let namespace = format!("shop-{shop}");
    let deployments: Api<DynamicObject> = Api::namespaced_with(
        client.clone(),
        &namespace,
        &kind("apps", "v1", "Deployment"),
    );
    // A watch that breaks is taken up again by itself, and misses nothing.
    let generations = watch_object(deployments, "cron").default_backoff();
    let generations =
        generations.filter_map(async |event| event.ok().flatten()?.metadata.generation);
    pin_mut!(generations);
    let before = generations.next().await;
    let change = json!({ "spec": { "config": { "values": { "app/title": title } } } });
    let changed = shops
        .patch(shop, &PatchParams::default(), &Patch::Merge(change))
        .await;
    changed.unwrap_or_else(|error| panic!("shop {shop} cannot be changed: {error}"));
    let start = Instant::now();
    while generations.next().await == before {}
    start.elapsed()
}
