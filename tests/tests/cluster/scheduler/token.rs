//! What somebody can do who has the scheduler's token.

use super::{LONG, SYSTEM, Scheduler, access::APPLY};
use e2e::cluster::{Cluster, eventually};
use serde_json::{Value, json};

/// A write that whoever has the scheduler's token would try.
struct Try {
    what: &'static str,
    arguments: &'static [&'static str],
    input: Value,
}

fn apply(what: &'static str, input: Value) -> Try {
    Try {
        what,
        arguments: APPLY,
        input,
    }
}

fn call(what: &'static str, arguments: &'static [&'static str]) -> Try {
    Try {
        what,
        arguments,
        input: Value::Null,
    }
}

fn meta(namespace: &str, name: &str) -> Value {
    json!({
        "namespace": namespace, "name": name,
        "labels": { "longshore.dev/shop": "a", "app.kubernetes.io/managed-by": "longshore" },
    })
}

fn of(api: &str, kind: &str, namespace: &str, spec: &Value) -> Value {
    json!({ "apiVersion": api, "kind": kind, "metadata": meta(namespace, "x"), "spec": spec })
}

/// Each of these is within the scheduler's role, and in nobody's interest but a thief's.
fn tries() -> Vec<Try> {
    [programs(), traffic(), data()]
        .into_iter()
        .flatten()
        .collect()
}

fn programs() -> Vec<Try> {
    // A pod that mounts a Secret, or a node's disk.
    let template = json!({
        "metadata": { "labels": { "a": "b" } },
        "spec": {
            "restartPolicy": "Always",
            "containers": [{ "name": "c", "image": "x", "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }],
            "volumes": [{ "name": "v", "secret": { "secretName": "bootstrap-token" } }],
        },
    });
    let mut job = template.clone();
    job["spec"]["restartPolicy"] = json!("Never");
    let deployment = |namespace: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(namespace, "web"),
            "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": template },
        })
    };
    let map = |namespace: &str, name: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(namespace, name),
            "data": { "a": "b" },
        })
    };
    vec![
        apply(
            "a pod with kube-system's Secrets",
            deployment("kube-system"),
        ),
        apply("a pod in its own namespace", deployment(SYSTEM)),
        apply("a pod among the builds", deployment("longshore-builds")),
        apply(
            "a namespace that sounds like a shop's",
            deployment("shops-database"),
        ),
        apply(
            "a Job",
            of(
                "batch/v1",
                "Job",
                "kube-system",
                &json!({ "template": job }),
            ),
        ),
        apply(
            "a CronJob",
            of(
                "batch/v1",
                "CronJob",
                "default",
                &json!({ "schedule": "* * * * *", "jobTemplate": { "spec": { "template": job } } }),
            ),
        ),
        apply("the cluster's DNS", map("kube-system", "coredns")),
        apply("the halt", map(SYSTEM, "longshore-halt")),
        apply("a map of the edge that is none", map("edge", "haproxy")),
    ]
}

fn traffic() -> Vec<Try> {
    vec![
        apply(
            "a Service",
            of(
                "v1",
                "Service",
                "default",
                &json!({ "ports": [{ "port": 80 }], "externalIPs": ["10.0.0.1"] }),
            ),
        ),
        apply(
            "a host of somebody else",
            of(
                "networking.k8s.io/v1",
                "Ingress",
                "default",
                &json!({ "rules": [{ "host": "bank.example" }] }),
            ),
        ),
        apply(
            "what keeps others out",
            of(
                "networking.k8s.io/v1",
                "NetworkPolicy",
                "kube-system",
                &json!({ "podSelector": {} }),
            ),
        ),
    ]
}

fn data() -> Vec<Try> {
    let volume = |name: &str, namespace: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
            "spec": { "accessModes": ["ReadWriteMany"], "capacity": { "storage": "1Gi" }, "claimRef": { "namespace": namespace, "name": "media" }, "hostPath": { "path": "/" }, "storageClassName": "" },
        })
    };
    let namespace = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {
                "name": name, "labels": { "pod-security.kubernetes.io/enforce": "privileged" },
            },
        })
    };
    vec![
        apply(
            "a claim on somebody's volume",
            of(
                "v1",
                "PersistentVolumeClaim",
                "default",
                &json!({
                    "accessModes": ["ReadWriteMany"],
                    "resources": { "requests": { "storage": "1Gi" } }, "volumeName": "shop-a-media",
                }),
            ),
        ),
        apply(
            "a volume of somebody else",
            volume("shop-a-media", "kube-system"),
        ),
        apply("a volume by another name", volume("data", "shop-a")),
        apply("a namespace", namespace("mine")),
        apply("rules of a namespace", namespace("kube-system")),
        apply(
            "what a namespace may use",
            of(
                "v1",
                "ResourceQuota",
                "kube-system",
                &json!({ "hard": { "pods": "0" } }),
            ),
        ),
        apply(
            "an account",
            json!({
                "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("kube-system", "x"),
            }),
        ),
        apply(
            "who leads Kubernetes",
            of(
                "coordination.k8s.io/v1",
                "Lease",
                "kube-system",
                &json!({ "holderIdentity": "me" }),
            ),
        ),
        call(
            "the deletion of what is not its own",
            &[
                "delete",
                "configmap",
                "kube-root-ca.crt",
                "--namespace",
                "kube-system",
            ],
        ),
        call(
            "another's page",
            &[
                "get",
                "--raw",
                "/api/v1/namespaces/victims/pods/victim:80/proxy/",
            ],
        ),
    ]
}

#[test]
fn with_the_schedulers_token_nobody_gets_out_of_shops_namespaces() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    for namespace in ["shop-a", "shops-database", "victims"] {
        scheduler.apply(
            &json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": namespace, "labels": { "longshore.dev/shop": "a" } },
            })
            .to_string(),
        );
    }
    let victim = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "victim", "namespace": "victims" },
        "spec": { "containers": [{ "name": "c", "image": "x" }] },
    });
    scheduler.apply(&victim.to_string());
    let config = scheduler.kubeconfig().display().to_string();
    let asked = |it: &Try| {
        let program = cluster
            .program("kubectl")
            .env("KUBECONFIG", &config)
            .args(it.arguments)
            .deadline(LONG);
        let ended = if it.input.is_null() {
            program.run()
        } else {
            program.input(it.input.to_string()).run()
        };
        (ended.code(), ended.stderr)
    };
    let shop = Try {
        what: "its own work",
        arguments: &["apply", "--server-side", "--filename", "-"],
        input: json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "x", "namespace": "shop-a" },
        }),
    };
    eventually("a policy that is in force", LONG, || {
        asked(&tries()[0]).1.contains("end at shops").then_some(())
    });
    for one in tries() {
        let (code, said) = asked(&one);
        assert!(
            code != Some(0) && said.contains("the rights of Longshore's scheduler end at shops"),
            "{}: {code:?} {said}",
            one.what
        );
    }
    assert_eq!(asked(&shop).0, Some(0), "{}", asked(&shop).1);
    // kubectl reads what it is about to apply, which the scheduler does not: nothing of that is a
    // right.
    for namespace in ["shops-database", "victims"] {
        cluster.ask(&["delete", "namespace", namespace, "--wait=false"]);
    }
}
