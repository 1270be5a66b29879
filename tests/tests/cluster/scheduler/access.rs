//! Whether the scheduler's rights are those that it uses, no fewer and no more: the API server's
//! own log of requests says.

use super::{ACCOUNT, LISTEN, LONG, SYSTEM, Scheduler, audited, condition, played, release, shop};
use e2e::cluster::{Cluster, eventually};
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// As an installation is applied.
pub(super) const APPLY: &[&str] = &[
    "apply",
    "--server-side",
    "--force-conflicts",
    "--filename",
    "-",
];

/// What the Gateway API defines, as far as the API server needs to know to store it.
pub(super) const HTTP_ROUTES: &str = r#"{
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {
    "name": "httproutes.gateway.networking.k8s.io",
    "annotations": { "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api" }
  },
  "spec": {
    "group": "gateway.networking.k8s.io", "scope": "Namespaced",
    "names": { "kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute", "listKind": "HTTPRouteList" },
    "versions": [{
      "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
      "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } }
    }]
  }
}"#;

/// A right: API group, resource, verb.
type Right = (String, String, String);

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Every right that a role grants.
fn granted(role: &Value) -> BTreeSet<Right> {
    let all = |rule: &Value, field: &str| {
        rule[field]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect::<Vec<_>>()
    };
    let rules = role["rules"].as_array().into_iter().flatten();
    rules
        .flat_map(|rule| {
            let (groups, resources, verbs) = (
                all(rule, "apiGroups"),
                all(rule, "resources"),
                all(rule, "verbs"),
            );
            groups.into_iter().flat_map(move |group| {
                let verbs = verbs.clone();
                let of = move |resource: String| {
                    let group = group.clone();
                    verbs
                        .clone()
                        .into_iter()
                        .map(move |verb| (group.clone(), resource.clone(), verb))
                };
                resources.clone().into_iter().flat_map(of)
            })
        })
        .collect()
}

/// What the scheduler asked for since `begin`, and what of it was forbidden.
fn asked(cluster: &Cluster, begin: Timestamp) -> (BTreeSet<Right>, Vec<Value>) {
    let (mut used, mut forbidden) = (BTreeSet::new(), Vec::new());
    for event in audited(cluster) {
        let (about, code) = (
            &event["objectRef"],
            event["responseStatus"]["code"].as_u64(),
        );
        let at: Timestamp = event["requestReceivedTimestamp"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        if at < begin || about["resource"].is_null() {
            continue;
        }
        if code == Some(403) {
            forbidden.push(event.clone());
        }
        let resource = match about["subresource"].as_str() {
            Some(part) => format!("{}/{part}", text(&about["resource"])),
            None => text(&about["resource"]),
        };
        let right = |verb: &str| (text(&about["apiGroup"]), resource.clone(), verb.to_owned());
        used.insert(right(event["verb"].as_str().unwrap()));
        // A server-side apply that made the object was a create as well, and is authorized as one.
        if code == Some(201) {
            used.insert(right("create"));
        }
    }
    (used, forbidden)
}

/// Everything that a shop can have, on nodes that are played.
fn class(scheduler: &Scheduler<'_>) {
    let backup = json!({
        "image": format!("registry.example/backup@sha256:{:064x}", 1), "bucket": "s3://backups",
    });
    let change = json!({
        "engine": "Magento1",
        "storage": { "mode": "Csi" },
        "route": { "ingress": null, "gateway": { "name": "shops", "namespace": "edge" } },
        "backup": backup,
        "overlay": played(),
    });
    scheduler.class("whole", &change);
    scheduler.class("ingress", &json!({ "backup": backup, "overlay": played() }));
}

/// A Shop is made, migrated, changed by somebody else, moved by a rollout, forgotten and archived.
fn a_whole_life(cluster: &Cluster, scheduler: &Scheduler<'_>) {
    let found = |name: &str| cluster.get(&["shop", name]);
    eventually("a migrated shop with its pods", LONG, || {
        (found("whole")["status"]["migrated"] == 42).then_some(())
    });
    eventually("a pod", LONG, || {
        (condition(&found("whole"), "WorkloadAvailable") == Some("True")).then_some(())
    });
    let drift = [
        "--namespace",
        "shop-whole",
        "patch",
        "deployment",
        "web",
        "--field-manager=kubectl-edit",
        "--type=merge",
    ];
    cluster.ask(
        &[
            &drift[..],
            &["--patch", r#"{"spec":{"minReadySeconds":77}}"#],
        ]
        .concat(),
    );
    scheduler.apply(&release(43, "none"));
    let rollout = json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "r43" },
        "spec": { "release": "shops-acme-43", "waves": [{ "percent": 100, "soak": "1s" }] },
    });
    scheduler.apply(&rollout.to_string());
    eventually(
        "a touched pod, of which nobody knows what it runs",
        LONG,
        || {
            let pods = cluster.get(&[
                "pods",
                "--namespace",
                "shop-whole",
                "--selector",
                "app.kubernetes.io/component=web",
            ]);
            let pods = pods["items"].as_array()?.clone();
            // What it is told, and a digest of that: it is touched again once its migration is
            // done.
            let told = |pod: &Value| {
                text(&pod["metadata"]["annotations"]["longshore.dev/release"]).starts_with("43-")
            };
            pods.iter().any(told).then_some(())
        },
    );
    let forget = r#"{"status":{"release":null}}"#;
    cluster.ask(&[
        "patch",
        "shop",
        "whole",
        "--subresource=status",
        "--type=merge",
        "--patch",
        forget,
    ]);
    eventually("what its pods were told", LONG, || {
        (found("whole")["status"]["release"]["sequence"] == 43).then_some(())
    });
    cluster.ask(&["delete", "shop", "goes"]);
    scheduler.apply(&shop("whole", "whole", &json!({ "state": "Archived" })));
    eventually("nothing but the data", LONG, || {
        let left = cluster.get(&[
            "deployments,services,ingresses,httproutes",
            "--all-namespaces",
            "--selector",
            "longshore.dev/shop",
        ]);
        left["items"]
            .as_array()
            .is_some_and(Vec::is_empty)
            .then_some(())
    });
    cluster.ask(&[
        "get",
        "persistentvolumeclaim",
        "media",
        "--namespace",
        "shop-whole",
    ]);
}

#[test]
fn the_scheduler_may_do_what_it_does_and_nothing_else() {
    let cluster = Cluster::alone();
    let begin = Timestamp::now();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(HTTP_ROUTES);
    cluster.ask(&[
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd/httproutes.gateway.networking.k8s.io",
    ]);
    class(&scheduler);
    scheduler.apply(&shop(
        "whole",
        "whole",
        &json!({ "scale": { "min": 1, "max": 3 } }),
    ));
    scheduler.apply(&shop("goes", "ingress", &json!({})));
    scheduler.apply(&shop("broken", "nobody", &json!({})));
    let running = scheduler.start_as(LISTEN, &["--evidence", "agents"]);

    a_whole_life(&cluster, &scheduler);
    std::thread::sleep(Duration::from_secs(3));
    running.signal(Signal::TERM).unwrap();
    let ended = running.wait().expect(0);
    cluster.ask(&["delete", "crd", "httproutes.gateway.networking.k8s.io"]);

    let (used, forbidden) = asked(&cluster, begin);
    assert_eq!(
        forbidden,
        Vec::<Value>::new(),
        "forbidden\n{}",
        ended.stderr
    );
    let wide = granted(&cluster.get(&["clusterrole", ACCOUNT]));
    let own = granted(&cluster.get(&["role", ACCOUNT, "--namespace", SYSTEM]));
    assert_eq!(
        wide.intersection(&own).collect::<Vec<_>>(),
        Vec::<&Right>::new(),
        "granted twice"
    );
    let all: BTreeSet<_> = wide.union(&own).cloned().collect();
    assert_eq!(
        all.difference(&used).collect::<Vec<_>>(),
        Vec::<&Right>::new(),
        "granted, and unused"
    );
    // The API server itself checks the other direction; this names what a forgotten 403 would hide.
    assert_eq!(
        used.difference(&all).collect::<Vec<_>>(),
        Vec::<&Right>::new(),
        "used, and not granted"
    );
}
