//! What `longshore-edge issue` remembers of the certificates of hosts, as it is watched.

use crate::run::{Controller, queue::Priority};
use api::edge::certificate::{CertificateRecord, host_of};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};

/// Takes in what was listed or watched of the ConfigMaps of certificates.
pub(in crate::run) fn took(controller: &Controller, map: &ConfigMap) {
    let data = map.data.iter().flatten();
    let records = data
        .filter_map(|(key, text)| Some((host_of(key), serde_json::from_str(text).ok()?)))
        .collect();
    change(controller, map, records);
}

/// The same of one that is gone.
pub(in crate::run) fn gone(controller: &Controller, map: &ConfigMap) {
    change(controller, map, BTreeMap::new());
}

fn change(controller: &Controller, map: &ConfigMap, records: BTreeMap<String, CertificateRecord>) {
    let name = map.metadata.name.as_deref().unwrap_or_default();
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
