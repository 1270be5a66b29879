//! What the issuer watches: the maps of the scheduler, and certificates that people bring.

use super::hosts::{self, Want};
use crate::certificate::{LABEL, host_of};
use api::edge::{NAMESPACE, SHARDS, shard_name};
use client::Cluster;
use futures_util::{Stream, StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Resource, ResourceExt as _,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Objects in one page of a list.
const PAGE: u32 = 50;
/// The same for those that may be a MiB each.
const LARGE: u32 = 16;
/// The type of Secrets that people bring certificates in.
const TLS: &str = "kubernetes.io/tls";

/// What people bring: key, leaf and chain.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Brought(pub(super) Arc<Vec<u8>>);

impl fmt::Debug for Brought {
    // Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Brought(…)")
    }
}

/// What is seen of the cluster.
#[derive(Debug, Default)]
pub(super) struct Seen {
    state: Mutex<State>,
    /// Something changed.
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Hosts by shard; nothing before all were listed.
    maps: Option<BTreeMap<String, BTreeMap<String, Want>>>,
    /// What people bring, by name.
    brought: Option<BTreeMap<String, Brought>>,
    /// Hosts that have a certificate, by shard.
    stored: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Grows with each change.
    version: u64,
}

/// What is wanted, and what people bring.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) hosts: BTreeMap<String, Want>,
    /// Hosts that have a certificate, as far as that is heard of yet.
    pub(super) stored: BTreeSet<String>,
    /// The Secrets that hosts name.
    pub(super) brought: BTreeMap<String, Brought>,
    /// Another one where something changed.
    pub(super) version: u64,
}

impl Seen {
    /// What is wanted, where that is not what is known in this version already; nothing before
    /// everything was listed.
    pub(super) fn wanted(&self, known: u64) -> Option<Wanted> {
        let state = self.state.lock();
        let (maps, brought) = (state.maps.as_ref()?, state.brought.as_ref()?);
        let stored = state.stored.as_ref()?;
        if state.version == known {
            return None;
        }
        let hosts: BTreeMap<String, Want> = maps
            .values()
            .flatten()
            .map(|(host, want)| (host.clone(), want.clone()))
            .collect();
        let named: BTreeSet<&String> = hosts
            .values()
            .filter_map(|want| match want {
                Want::Own(secret) => Some(secret),
                _ => None,
            })
            .collect();
        let brought = brought
            .iter()
            .filter(|(name, _)| named.contains(name))
            .map(|(name, pem)| (name.clone(), pem.clone()))
            .collect();
        Some(Wanted {
            hosts,
            stored: stored.values().flatten().cloned().collect(),
            brought,
            version: state.version,
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        state.version += 1;
        drop(state);
        self.changed.notify_one();
    }
}

/// Watches the maps until `stop`.
pub(super) async fn maps(cluster: Cluster, seen: Arc<Seen>, stop: CancellationToken) {
    let names: BTreeSet<String> = (0..SHARDS).map(shard_name).collect();
    let api: Api<ConfigMap> = Api::namespaced(cluster.client(), NAMESPACE);
    let keep = |map: ConfigMap| {
        let name = map.name_any();
        names
            .contains(&name)
            .then(|| (name, hosts::read(&map.data.unwrap_or_default())))
    };
    let stream = watcher(api, watcher::Config::default().page_size(PAGE));
    let set = |event| match event {
        Change::All(all) => seen.change(|state| state.maps = Some(all)),
        Change::One(name, Some(map)) => seen.change(|state| {
            state.maps.get_or_insert_default().insert(name, map);
        }),
        Change::One(name, None) => seen.change(|state| {
            state.maps.get_or_insert_default().remove(&name);
        }),
    };
    follow("maps", stream, &stop, keep, set).await;
}

/// Watches what people bring until `stop`.
pub(super) async fn brought(cluster: Cluster, seen: Arc<Seen>, stop: CancellationToken) {
    let api: Api<Secret> = Api::namespaced(cluster.client(), NAMESPACE);
    let keep = |secret: Secret| {
        let (name, data) = (secret.name_any(), secret.data.unwrap_or_default());
        let part = |key: &str| data.get(key).map(|it| it.0.as_slice()).unwrap_or_default();
        // A file need not end with a line's end.
        let pem = [part("tls.key"), b"\n", part("tls.crt")].concat();
        Some((name, Brought(Arc::new(pem))))
    };
    let config = watcher::Config::default()
        .fields(&format!("type={TLS}"))
        .page_size(PAGE);
    let set = |event| match event {
        Change::All(all) => seen.change(|state| state.brought = Some(all)),
        Change::One(name, Some(pem)) => seen.change(|state| {
            state.brought.get_or_insert_default().insert(name, pem);
        }),
        Change::One(name, None) => seen.change(|state| {
            state.brought.get_or_insert_default().remove(&name);
        }),
    };
    follow(
        "brought certificates",
        watcher(api, config),
        &stop,
        keep,
        set,
    )
    .await;
}

/// Watches which hosts have a certificate until `stop`: somebody may delete one. The certificates
/// themselves are not held.
pub(super) async fn stored(cluster: Cluster, seen: Arc<Seen>, stop: CancellationToken) {
    let api: Api<Secret> = Api::namespaced(cluster.client(), NAMESPACE);
    let keep = |secret: Secret| {
        let name = secret.name_any();
        let keys = secret.data.unwrap_or_default().into_keys();
        Some((name, keys.map(|key| host_of(&key)).collect()))
    };
    let config = watcher::Config::default()
        .labels(&format!("{}={}", LABEL.0, LABEL.1))
        .page_size(LARGE);
    let set = |event| match event {
        Change::All(all) => seen.change(|state| state.stored = Some(all)),
        Change::One(name, Some(hosts)) => seen.change(|state| {
            state.stored.get_or_insert_default().insert(name, hosts);
        }),
        Change::One(name, None) => seen.change(|state| {
            state.stored.get_or_insert_default().remove(&name);
        }),
    };
    follow("certificates", watcher(api, config), &stop, keep, set).await;
}

enum Change<T> {
    All(BTreeMap<String, T>),
    One(String, Option<T>),
}

/// Follows one stream; what is kept of each object is kept as soon as it came.
async fn follow<K: Resource, T>(
    what: &'static str,
    stream: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    stop: &CancellationToken,
    keep: impl Fn(K) -> Option<(String, T)>,
    set: impl Fn(Change<T>),
) {
    let stream = stream.default_backoff();
    pin_mut!(stream);
    let mut listed = BTreeMap::new();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = stream.next() => event,
        };
        match event {
            None => return,
            // The watcher lists anew, after a pause.
            Some(Err(error)) => warn!(what, error = %runtime::Chain(&error), "watch broken"),
            Some(Ok(Event::Init)) => listed.clear(),
            Some(Ok(Event::InitApply(object))) => listed.extend(keep(object)),
            Some(Ok(Event::InitDone)) => {
                info!(what, objects = listed.len(), "listed");
                set(Change::All(std::mem::take(&mut listed)));
            }
            Some(Ok(Event::Apply(object))) => {
                if let Some((name, kept)) = keep(object) {
                    set(Change::One(name, Some(kept)));
                }
            }
            Some(Ok(Event::Delete(object))) => {
                if let Some((name, _)) = keep(object) {
                    set(Change::One(name, None));
                }
            }
        }
    }
}
