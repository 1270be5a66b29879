//! Pods of shops, as the API server tells of them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Where an agent runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunningPod {
    /// The namespace says which shop it is.
    pub(crate) namespace: String,
    pub(crate) name: Arc<str>,
    pub(crate) labels: Arc<BTreeMap<String, String>>,
    pub(crate) address: IpAddr,
}

/// Pods that run, by UID; none before they were listed.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    running: Mutex<Option<BTreeMap<String, RunningPod>>>,
    /// Grows with each change.
    version: AtomicU64,
    /// When a pod of a shop answered last, by shop.
    answered: Mutex<HashMap<String, Timestamp>>,
}

/// What is held of a pod: its UID, and where it runs, if it does.
pub(crate) fn pod(pod: Pod) -> Option<(String, Option<RunningPod>)> {
    let (meta, status) = (pod.metadata, pod.status.unwrap_or_default());
    // A pod with the node's network answers at the node's address, as others do.
    let apart = pod.spec.is_none_or(|it| it.host_network != Some(true));
    let runs = apart && status.phase.as_deref() == Some("Running");
    let address = status.pod_ip.filter(|_| runs);
    let address = address.and_then(|it| it.parse().ok());
    let place = address
        .zip(meta.namespace)
        .map(|(address, namespace)| RunningPod {
            namespace,
            name: meta.name.unwrap_or_default().into(),
            labels: Arc::new(meta.labels.unwrap_or_default()),
            address,
        });
    Some((meta.uid?, place))
}

impl Pods {
    /// These run, and no others.
    pub(crate) fn all(&self, all: Vec<(String, Option<RunningPod>)>) {
        let running = all
            .into_iter()
            .filter_map(|(uid, place)| Some((uid, place?)));
        *self.running.lock() = Some(running.collect());
        self.version.fetch_add(1, Relaxed);
    }

    /// One changed.
    pub(crate) fn applied(&self, (uid, place): (String, Option<RunningPod>)) {
        let mut running = self.running.lock();
        let running = running.get_or_insert_default();
        match place {
            Some(place) => running.insert(uid, place),
            None => running.remove(&uid),
        };
        self.version.fetch_add(1, Relaxed);
    }

    /// One is gone.
    pub(crate) fn deleted(&self, uid: &str) {
        if let Some(running) = &mut *self.running.lock() {
            running.remove(uid);
        }
        self.version.fetch_add(1, Relaxed);
    }

    /// Another number where something changed.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// Whether they were listed once.
    pub(crate) fn is_listed(&self) -> bool {
        self.running.lock().is_some()
    }

    /// Those that run.
    pub(crate) fn running(&self) -> BTreeMap<String, RunningPod> {
        self.running.lock().clone().unwrap_or_default()
    }

    /// Where one runs, if it does.
    pub(crate) fn place(&self, uid: &str) -> Option<RunningPod> {
        self.running.lock().as_ref()?.get(uid).cloned()
    }

    /// The UIDs of those that run.
    pub(crate) fn uids(&self) -> BTreeSet<String> {
        let running = self.running.lock();
        running.iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// A pod of a shop answered.
    pub(crate) fn answered(&self, shop: &str, at: Timestamp) {
        let mut answered = self.answered.lock();
        match answered.get_mut(shop) {
            Some(last) => *last = at,
            None => drop(answered.insert(shop.to_owned(), at)),
        }
    }

    /// When one answered last.
    pub(crate) fn as_of(&self, shop: &str) -> Option<Timestamp> {
        self.answered.lock().get(shop).copied()
    }

    /// Forgets when shops answered that are gone.
    pub(crate) fn keep_shops(&self, has: impl Fn(&str) -> bool) {
        self.answered.lock().retain(|shop, _| has(shop));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(status: &serde_json::Value, spec: &serde_json::Value) -> (String, Option<RunningPod>) {
        let it = json!({
            "metadata": { "name": "web-0", "namespace": "shop-acme", "uid": "u" },
            "spec": spec, "status": status,
        });
        pod(serde_json::from_value(it).unwrap()).unwrap()
    }

    #[test]
    fn a_pod_is_asked_while_it_runs_at_an_address_of_its_own() {
        let running = json!({ "phase": "Running", "podIP": "10.0.0.7" });
        let spec = json!({ "containers": [] });
        let place = seen(&running, &spec).1.unwrap();
        assert_eq!(place.namespace, "shop-acme");
        assert_eq!(place.address.to_string(), "10.0.0.7");
        let pending = json!({ "phase": "Pending", "podIP": "10.0.0.7" });
        assert_eq!(seen(&pending, &spec).1, None);
        assert_eq!(seen(&json!({ "phase": "Running" }), &spec).1, None);
        let node = json!({ "containers": [], "hostNetwork": true });
        assert_eq!(seen(&running, &node).1, None);
    }
}
