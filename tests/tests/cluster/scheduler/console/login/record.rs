//! Who may do what without the console, and what is on record of what was done with it.

use super::ACCOUNT;
use crate::scheduler::{SYSTEM, console};
use e2e::cluster::Cluster;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The console's own account does nothing but what the page lists.
pub(super) fn the_account_has_no_other_right(cluster: &Cluster, kubeconfig: &str) {
    let may = |words: &[&str]| {
        let asked = cluster
            .kubectl(["--kubeconfig", kubeconfig, "auth", "can-i", "--quiet"])
            .args(words);
        asked.run().code() == Some(0)
    };
    assert!(may(&["list", "shops.longshore.dev"]) && may(&["watch", "rollouts.longshore.dev"]));
    for words in [
        &["get", "secrets", "--all-namespaces"][..],
        &["patch", "shops.longshore.dev"],
        &["create", "rollouts.longshore.dev"],
        &["list", "pods", "--all-namespaces"],
        &["list", "deployments.apps", "--all-namespaces"],
        &["patch", "configmaps/longshore-halt", "--namespace", SYSTEM],
        &["impersonate", "users"],
        &["impersonate", "groups"],
        &["create", "tokenreviews.authentication.k8s.io"],
    ] {
        assert!(!may(words), "{words:?}");
    }
    // As an admin, it may do what the page lists, and nothing else.
    let act = |words: &[&str]| {
        let acting = [
            "--kubeconfig",
            kubeconfig,
            "--as",
            "oidc:clara",
            "--as-group",
            "oidc:admins",
        ];
        let ended = cluster.kubectl(acting).args(words).run();
        (ended.code(), ended.stderr)
    };
    assert_eq!(act(&["get", "shop", "c000"]).0, Some(0));
    for words in [
        &["get", "secrets", "--all-namespaces"][..],
        &["delete", "shop", "c000"],
        &["create", "serviceaccount", "mine"],
        &[
            "patch",
            "clusterrole",
            "longshore-viewer",
            "--type=merge",
            "--patch",
            "{}",
        ],
    ] {
        let (code, said) = act(words);
        assert_eq!(code, Some(1), "{words:?}");
        assert!(said.contains("impersonate"), "{words:?}: {said}");
    }
    let system = [
        "--kubeconfig",
        kubeconfig,
        "--as",
        "x",
        "--as-group",
        "system:masters",
    ];
    let said = cluster.kubectl(system).args(["get", "shop", "c000"]).run();
    assert!(said.stderr.contains("system:masters"), "{said:?}");
}

/// What the policies of the chart refuse, whoever asks the API server without the console.
pub(super) fn nobody_forges_a_name(cluster: &Cluster) {
    let try_as = |user: &str, group: &str, object: &Value| {
        let acting = [
            "apply",
            "--server-side",
            "--as",
            user,
            "--as-group",
            group,
            "--filename",
            "-",
        ];
        let tried = cluster.kubectl(acting).input(object.to_string()).run();
        (tried.code(), tried.stderr)
    };
    let rollout = |name: &str, shops: &[&str], by: &str| {
        json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": name },
            "spec": { "release": "shops-acme-43", "shops": shops, "paused": true, "started": { "by": by, "why": "" } },
        })
    };
    let anna = |object: &Value| try_as("oidc:anna", "oidc:shop-managers", object);
    let (code, said) = anna(&rollout("forged", &["c000"], "oidc:boris"));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("spec.started.by is oidc:boris, and who asks is oidc:anna"),
        "{said}"
    );
    for shops in [&[][..], &["c001"], &["c000", "c001"]] {
        let (code, said) = anna(&rollout("others", shops, "oidc:anna"));
        assert_eq!(code, Some(1), "{shops:?}");
        assert!(
            said.contains("may not move the shops of this rollout"),
            "{said}"
        );
    }
    let mut canary = rollout("canary", &["c000"], "oidc:anna");
    canary["spec"]["canaries"] = json!(["c001"]);
    assert_eq!(anna(&canary).0, Some(1));
    assert_eq!(
        anna(&rollout("honest", &["c000"], "anna's bot (oidc:anna)")).0,
        Some(0)
    );
    let dora = |object: &Value| try_as("oidc:dora", "oidc:release-managers", object);
    assert_eq!(dora(&rollout("of-all", &[], "oidc:dora")).0, Some(0));
    // Nor does a record lie.
    let act = |by: &str| {
        let act = json!({ "at": "2026-12-01T10:00:00Z", "by": by, "what": "paused", "why": "" });
        let patch = json!({ "status": { "history": [act] } }).to_string();
        let words = [
            "patch",
            "rollout",
            "honest",
            "--subresource=status",
            "--type=merge",
        ];
        let acting = [
            "--as",
            "oidc:anna",
            "--as-group",
            "oidc:shop-managers",
            "--patch",
            &patch,
        ];
        let patched = cluster.kubectl(words).args(acting).run();
        (patched.code(), patched.stderr)
    };
    let (code, said) = act("oidc:boris");
    assert_eq!(code, Some(1));
    assert!(said.contains("an entry that is not by oidc:anna"), "{said}");
    assert_eq!(act("oidc:anna").0, Some(0));
    let halt = |by: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": { "by": by, "why": "x" },
            "metadata": { "name": "longshore-halt", "namespace": SYSTEM },
        })
    };
    let (code, said) = dora(&halt("oidc:anna"));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("data.by is oidc:anna, and who asks is oidc:dora"),
        "{said}"
    );
    cluster.ask(&["delete", "rollouts", "honest", "of-all"]);
}

/// What the API server has on record of what the console's account asked for.
pub(super) fn events(cluster: &Cluster) -> Vec<Value> {
    let line = format!("grep -F ':{ACCOUNT}\"' \"$CLUSTER_DIR/logs/audit\" || true");
    let log = cluster.program("sh").args(["-c", &line]).run().expect(0);
    let lines = log.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What was written as a person after so many [`events`], of tests before: resource and name. A
/// halt is recorded in each rollout that it stops, too, by writes of their status, which are no
/// lines of their own.
pub(super) fn audited(cluster: &Cluster, before: usize, person: &str) -> BTreeSet<String> {
    let events = events(cluster).into_iter().skip(before);
    let of_person = events.filter(|event| event["impersonatedUser"]["username"] == person);
    let whole = of_person.filter(|event| event["objectRef"]["subresource"] != "status");
    whole.filter_map(|event| console::written(&event)).collect()
}

/// What the console's log says of a person's writes; each line has the groups, too.
pub(super) fn logged(log: &str, person: &str) -> BTreeSet<String> {
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let audits: Vec<_> = lines
        .filter(|line| line["target"] == "audit" && line["person"] == person)
        .filter(|line| !line["message"].as_str().unwrap().starts_with("logged "))
        .collect();
    for line in &audits {
        assert_eq!(line["span"]["user"], person, "{line}");
        assert!(
            line["span"]["groups"]
                .as_str()
                .unwrap()
                .starts_with("oidc:"),
            "{line}"
        );
    }
    audits.iter().map(console::named).collect()
}
