//! What the issuer watches: the maps of the scheduler, and certificates that people bring.

use super::hosts::{self, Want};
use crate::certificate::{LABEL, host_of};
use api::edge::{NAMESPACE, SHARDS, shard_name};
use client::{Cluster, Watch, WatchEvent};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Resource, ResourceExt as _, core::NamespaceResourceScope, runtime::watcher::Config,
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Debug},
    sync::Arc,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

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

/// What is known of the cluster from watches.
#[derive(Debug, Default)]
pub(super) struct WatchCache {
    state: Mutex<State>,
    /// Something changed.
    pub(super) changed: Notify,
}

/// What is held of objects, by name; nothing before all were listed.
type Listed<T> = Option<BTreeMap<String, T>>;

#[derive(Debug, Default)]
struct State {
    /// Hosts by shard.
    maps: Listed<BTreeMap<String, Want>>,
    /// What people bring, by name.
    brought: Listed<Brought>,
    /// Hosts that have a certificate, by shard.
    stored: Listed<BTreeSet<String>>,
    /// Grows with each change.
    version: u64,
}

/// What is wanted, and what people bring.
#[derive(Debug, Clone, Default)]
pub(super) struct DesiredCertificates {
    pub(super) hosts: BTreeMap<String, Want>,
    /// Hosts that have a certificate, as far as that is heard of yet.
    pub(super) stored: BTreeSet<String>,
    /// The Secrets that hosts name.
    pub(super) brought: BTreeMap<String, Brought>,
    /// Another one where something changed.
    pub(super) version: u64,
}

impl WatchCache {
    /// What is wanted, where that is not what is known in this version already; nothing before
    /// everything was listed.
    pub(super) fn wanted(&self, known: u64) -> Option<DesiredCertificates> {
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
        Some(DesiredCertificates {
            hosts,
            stored: stored.values().flatten().cloned().collect(),
            brought,
            version: state.version,
        })
    }

    /// Whether everything was listed once.
    pub(super) fn is_listed(&self) -> bool {
        let state = self.state.lock();
        state.maps.is_some() && state.brought.is_some() && state.stored.is_some()
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
pub(super) async fn maps(cluster: Cluster, cache: Arc<WatchCache>, stop: CancellationToken) {
    let names: BTreeSet<String> = (0..SHARDS).map(shard_name).collect();
    let keep = |map: ConfigMap| {
        let name = map.name_any();
        names
            .contains(&name)
            .then(|| (name, hosts::read(&map.data.unwrap_or_default())))
    };
    let config = Config::default().page_size(PAGE);
    follow("maps", &cluster, config, &cache, &stop, keep, |state| {
        &mut state.maps
    })
    .await;
}

/// Watches what people bring until `stop`.
pub(super) async fn brought(cluster: Cluster, cache: Arc<WatchCache>, stop: CancellationToken) {
    let keep = |secret: Secret| {
        let (name, data) = (secret.name_any(), secret.data.unwrap_or_default());
        let part = |key: &str| data.get(key).map(|it| it.0.as_slice()).unwrap_or_default();
        // A file need not end with a line's end.
        let pem = [part("tls.key"), b"\n", part("tls.crt")].concat();
        Some((name, Brought(Arc::new(pem))))
    };
    let config = Config::default()
        .fields(&format!("type={TLS}"))
        .page_size(PAGE);
    follow(
        "brought certificates",
        &cluster,
        config,
        &cache,
        &stop,
        keep,
        |state| &mut state.brought,
    )
    .await;
}

/// Watches which hosts have a certificate until `stop`: somebody may delete one. The certificates
/// themselves are not held.
pub(super) async fn stored(cluster: Cluster, cache: Arc<WatchCache>, stop: CancellationToken) {
    let keep = |secret: Secret| {
        let name = secret.name_any();
        let keys = secret.data.unwrap_or_default().into_keys();
        Some((name, keys.map(|key| host_of(&key)).collect()))
    };
    let config = Config::default()
        .labels(&format!("{}={}", LABEL.0, LABEL.1))
        .page_size(LARGE);
    follow(
        "certificates",
        &cluster,
        config,
        &cache,
        &stop,
        keep,
        |state| &mut state.stored,
    )
    .await;
}

/// Follows one kind into the part of the state that holds it.
async fn follow<K, T>(
    what: &'static str,
    cluster: &Cluster,
    config: Config,
    cache: &WatchCache,
    stop: &CancellationToken,
    keep: impl Fn(K) -> Option<(String, T)>,
    held: fn(&mut State) -> &mut Listed<T>,
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let watch = Watch {
        what,
        api: Api::<K>::namespaced(cluster.client(), NAMESPACE),
        config,
        lists: None,
    };
    let take = |change| match change {
        WatchEvent::All(all) => {
            cache.change(|state| *held(state) = Some(all.into_iter().collect()));
        }
        WatchEvent::Applied((name, kept)) => cache.change(|state| {
            held(state).get_or_insert_default().insert(name, kept);
        }),
        WatchEvent::Deleted((name, _)) => cache.change(|state| {
            held(state).get_or_insert_default().remove(&name);
        }),
        // What is known stays; the log says it.
        WatchEvent::Broken | WatchEvent::Mended => {}
    };
    client::follow(watch, stop, keep, take).await;
}
