//! What `longshore-edge issue` remembers of the certificates of hosts, as it is watched.

use crate::run::Controller;
use api::edge::certificate::{CertificateRecord, host_of};
use client::Priority;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};

/// Takes in all ConfigMaps of certificates. The others are gone, maybe while nobody watched.
pub(in crate::run) fn listed(controller: &Controller, maps: &[ConfigMap]) {
    let present: BTreeSet<_> = maps.iter().map(name).collect();
    let known = controller.lock().certificates.names();
    for gone in known.iter().filter(|it| !present.contains(it.as_str())) {
        change(controller, gone, BTreeMap::new());
    }
    for map in maps {
        took(controller, map);
    }
}

/// Takes in one that was created or changed.
pub(in crate::run) fn took(controller: &Controller, map: &ConfigMap) {
    let data = map.data.iter().flatten();
    let records = data
        .filter_map(|(key, text)| Some((host_of(key), serde_json::from_str(text).ok()?)))
        .collect();
    change(controller, name(map), records);
}

/// Takes in that one is gone.
pub(in crate::run) fn gone(controller: &Controller, map: &ConfigMap) {
    change(controller, name(map), BTreeMap::new());
}

fn name(map: &ConfigMap) -> &str {
    map.metadata.name.as_deref().unwrap_or_default()
}

fn change(controller: &Controller, name: &str, records: BTreeMap<String, CertificateRecord>) {
    let shops: BTreeSet<_> = {
        let mut state = controller.lock();
        let hosts = state.certificates.take(name, records);
        let owner = |host: &String| state.claims.owner_of_host(host).map(str::to_owned);
        hosts.iter().filter_map(owner).collect()
    };
    // Before everything was read, every shop is about to reconcile anyway.
    if controller.complete() {
        for shop in &shops {
            controller.queue.ask(shop, Priority::Slow);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing;
    use api::edge::certificate::{key_of, shard_name, shard_of};
    use client::scripted::Script;
    use serde_json::json;

    #[tokio::test]
    async fn what_was_deleted_while_nobody_watched_is_forgotten() {
        let controller = testing::controller(&Script::new([]));
        let map = |host: &str| -> ConfigMap {
            serde_json::from_value(json!({
                "metadata": { "name": shard_name(shard_of(host)) },
                "data": { (key_of(host)): json!({ "state": "Issued" }).to_string() },
            }))
            .unwrap()
        };
        let (one, other) = (map("www.a.example"), map("www.b.example"));
        listed(&controller, &[one, other.clone()]);
        assert_eq!(controller.lock().certificates.names().len(), 2);
        listed(&controller, std::slice::from_ref(&other));
        assert_eq!(controller.lock().certificates.names(), [name(&other)]);
        gone(&controller, &other);
        assert!(controller.lock().certificates.names().is_empty());
    }
}
