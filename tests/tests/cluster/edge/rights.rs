//! What the edge's two accounts may do, and what of it they do.

use api::edge::{NAMESPACE, PRIVATE};
use e2e::cluster::Cluster;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the two accounts asked for, and what of it was forbidden.
fn asked(cluster: &Cluster) -> (BTreeSet<String>, Vec<Value>) {
    let line = "grep -F '\"username\":\"system:serviceaccount:edge:' \"$CLUSTER_DIR/logs/audit\"";
    let log = cluster.program("sh").args(["-c", line]).run().expect(0);
    let (mut used, mut forbidden) = (BTreeSet::new(), Vec::new());
    for line in log.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let code = event["responseStatus"]["code"].as_u64();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let account = text(&event["user"]["username"]);
        let account = account.rsplit(':').next().unwrap_or_default();
        let resource = text(&event["objectRef"]["resource"]);
        if resource.is_empty() {
            continue;
        }
        let place = text(&event["objectRef"]["namespace"]);
        // A role of the cluster is one for each namespace.
        let place = Some(place)
            .filter(|place| place.starts_with(NAMESPACE))
            .unwrap_or_default();
        used.insert(format!(
            "{account} {} {place}/{resource}",
            text(&event["verb"])
        ));
        if code == Some(201) {
            used.insert(format!("{account} create {place}/{resource}"));
        }
        if code == Some(403) {
            forbidden.push(event);
        }
    }
    (used, forbidden)
}

/// What the roles of the chart grant the two accounts.
fn granted(cluster: &Cluster) -> BTreeSet<String> {
    let roles = [
        ("longshore-edge-agent", "clusterrole", ""),
        ("longshore-edge-agent", "role", NAMESPACE),
        ("longshore-edge-issuer", "role", NAMESPACE),
        ("longshore-edge-issuer", "role", PRIVATE),
    ];
    let mut granted = BTreeSet::new();
    for (account, kind, place) in roles {
        let role = cluster.get(&[kind, account, "--namespace", place]);
        for rule in role["rules"].as_array().unwrap() {
            for resource in rule["resources"].as_array().unwrap() {
                for verb in rule["verbs"].as_array().unwrap() {
                    let [verb, resource] = [verb, resource].map(|it| it.as_str().unwrap());
                    granted.insert(format!("{account} {verb} {place}/{resource}"));
                }
            }
        }
    }
    granted
}

#[track_caller]
pub(super) fn assert_rights(cluster: &Cluster) {
    let (used, forbidden) = asked(cluster);
    assert_eq!(forbidden, [] as [Value; 0]);
    let granted = granted(cluster);
    let unused: Vec<_> = granted.difference(&used).collect();
    assert!(unused.is_empty(), "nobody used {unused:?}");
}
