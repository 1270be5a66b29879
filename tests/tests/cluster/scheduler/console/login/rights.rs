//! Whether the console's rights in the chart are those that it uses, no fewer and no more: the API
//! server's own log of requests says.

use super::{ACCOUNT, SPACE, record::events};
use crate::scheduler::{LONG, SYSTEM, console::Browser};
use client::KINDS;
use e2e::cluster::{Cluster, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a constrained account needs to send a request as somebody else, before the verb of that.
const ON: &str = "impersonate-on:user-info:";

/// What the day of the others leaves out: an admin makes a shop, and looks at the Secret of one and
/// at a Job.
pub(super) fn what_is_left_is_used(clara: &mut Browser<'_>, cluster: &Cluster) {
    clara.visit("/new");
    let new = [
        ("name", "c100"),
        ("class", "php-plain"),
        ("channel", "shops/acme"),
        ("domains", "c100.example"),
        ("min", "1"),
    ];
    clara.submit("Show the plan", &new);
    assert!(clara.page.contains("Namespace shop-c100"), "{}", clara.page);
    clara.submit("Create the shop", &[("why", "a brand")]);
    assert_eq!(clara.path, "/shops/c100", "{}", clara.page);

    let secret = json!({
        "spec": { "config": { "secretRef": { "name": "env" } }, "state": "Maintenance" },
    });
    let patch = ["patch", "shop", "c100", "--type=merge", "--patch"];
    cluster.ask(&[&patch[..], &[&secret.to_string()]].concat());
    clara.visit("/shops/c100");
    assert_eq!(clara.code, 200, "{}", clara.page);

    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": "backup-1", "namespace": "shop-c001" },
        "spec": { "template": { "spec": {
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "backup", "image": "registry.example/none",
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                },
                "resources": {
                    "requests": { "cpu": "1m", "memory": "1Mi" }, "limits": { "memory": "1Mi" },
                },
            }],
        } } },
    });
    let apply = ["apply", "--server-side", "--filename", "-"];
    cluster
        .kubectl(apply)
        .input(job.to_string())
        .run()
        .expect(0);
    eventually("a pod of the Job", LONG, || {
        let of_job = "--selector=batch.kubernetes.io/job-name=backup-1";
        let pods = cluster.get(&["pods", "--namespace", "shop-c001", of_job]);
        pods["items"]
            .as_array()
            .filter(|it| !it.is_empty())
            .map(drop)
    });
    clara.visit("/shops/c001/jobs/backup-1");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What the roles of the chart grant.
fn granted(cluster: &Cluster) -> BTreeSet<String> {
    let roles = [
        cluster.get(&["clusterrole", ACCOUNT]),
        cluster.get(&["role", ACCOUNT, "--namespace", SYSTEM]),
    ];
    let mut granted = BTreeSet::new();
    for rule in roles
        .iter()
        .flat_map(|role| role["rules"].as_array().unwrap())
    {
        for group in rule["apiGroups"].as_array().unwrap() {
            for resource in rule["resources"].as_array().unwrap() {
                for verb in rule["verbs"].as_array().unwrap() {
                    let (verb, group, resource) = (text(verb), text(group), text(resource));
                    granted.insert(format!("{verb} {group}/{resource}"));
                }
            }
        }
    }
    granted
}

/// What the account asked for; nothing may be refused for want of its own rights.
fn used(cluster: &Cluster) -> BTreeSet<String> {
    let own = format!("system:serviceaccount:{SPACE}:{ACCOUNT}");
    let mut used = BTreeSet::new();
    for event in events(cluster) {
        let (about, status) = (&event["objectRef"], &event["responseStatus"]);
        // The test asks with kubectl what the account may do; and longshore-watch is not in this
        // cluster, nor is the role that reaches it.
        let by_test = text(&event["userAgent"]).starts_with("kubectl");
        if by_test || about["resource"].is_null() || about["subresource"] == "proxy" {
            continue;
        }
        assert_eq!(text(&event["user"]["username"]), own, "{event}");
        assert!(
            status["code"] != 403 || !text(&status["message"]).contains("impersonate"),
            "{event}"
        );
        let mut resource = text(&about["resource"]).to_owned();
        if let Some(part) = about["subresource"].as_str() {
            resource = format!("{resource}/{part}");
        }
        let group = text(&about["apiGroup"]);
        let person = &event["impersonatedUser"];
        if person.is_null() {
            assert_ne!(status["code"], 403, "{event}");
        } else {
            used.insert("impersonate:user-info authentication.k8s.io/users".to_owned());
            if person["groups"].as_array().is_some_and(|it| !it.is_empty()) {
                used.insert("impersonate:user-info authentication.k8s.io/groups".to_owned());
            }
        }
        let on = if person.is_null() { "" } else { ON };
        used.insert(format!("{on}{} {group}/{resource}", text(&event["verb"])));
    }
    used
}

/// What a dry run of anything that shops are made of needs.
fn of_dry_runs() -> impl Iterator<Item = String> {
    KINDS.iter().flat_map(|kind| {
        let resource = kind.resource();
        let of = move |verb: &str| format!("{ON}{verb} {}/{}", resource.group, resource.plural);
        ["get", "list", "patch"].map(of)
    })
}

pub(super) fn are_those_that_are_used(cluster: &Cluster) {
    let (granted, used) = (granted(cluster), used(cluster));
    // What everybody may do who is known.
    let reviews = |right: &String| right.starts_with("create authorization.k8s.io/selfsubject");
    let missing: Vec<_> = used
        .difference(&granted)
        .filter(|right| !reviews(right))
        .collect();
    assert!(missing.is_empty(), "not granted: {missing:?}");
    let needed: BTreeSet<_> = used.into_iter().chain(of_dry_runs()).collect();
    let unused: Vec<_> = granted.difference(&needed).collect();
    assert!(unused.is_empty(), "nobody used {unused:?}");
    let lacking: Vec<_> = of_dry_runs().filter(|it| !granted.contains(it)).collect();
    assert!(lacking.is_empty(), "dry runs lack {lacking:?}");
}
