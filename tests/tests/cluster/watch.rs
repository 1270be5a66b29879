//! `longshore-watch` on a real API server, with the chart's rights.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

use e2e::{
    chart,
    cluster::{Cluster, eventually},
    fleet,
    process::{Program, binary},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

const NAMESPACE: &str = "watch";
const ACCOUNT: &str = "longshore-watch";
const LONG: Duration = Duration::from_mins(2);

/// A kubeconfig of its service account.
fn account(cluster: &Cluster, scratch: &Path) -> PathBuf {
    let words = ["create", "token", ACCOUNT, "--namespace", NAMESPACE];
    let token = cluster.ask(&words);
    let view = ["config", "view", "--raw", "--minify", "--output", "json"];
    let mut config: Value = serde_json::from_str(&cluster.ask(&view)).unwrap();
    config["users"][0]["user"] = json!({ "token": token.trim() });
    let path = scratch.join("kubeconfig");
    fs::write(&path, config.to_string()).unwrap();
    path
}

/// What the account asked for, and what of it was forbidden.
fn asked(cluster: &Cluster) -> (BTreeSet<String>, Vec<Value>) {
    let line = "grep -F '\"username\":\"system:serviceaccount:watch:longshore-watch\"' \
                \"$CLUSTER_DIR/logs/audit\"";
    let log = cluster.program("sh").args(["-c", line]).run().expect(0);
    let (mut used, mut forbidden) = (BTreeSet::new(), Vec::new());
    for line in log.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let resource = event["objectRef"]["resource"].as_str().unwrap_or_default();
        if resource.is_empty() {
            continue;
        }
        let verb = event["verb"].as_str().unwrap_or_default();
        used.insert(format!("{verb} {resource}"));
        if event["responseStatus"]["code"] == 403 {
            forbidden.push(event);
        }
    }
    (used, forbidden)
}

/// What the chart grants it by this role.
fn granted(role: &Value) -> BTreeSet<String> {
    let words = |rule: &Value, key: &str| -> Vec<String> {
        let all = rule[key].as_array().unwrap().iter();
        all.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in words(rule, "resources") {
            for verb in words(rule, "verbs") {
                granted.insert(format!("{verb} {resource}"));
            }
        }
    }
    granted
}

#[test]
fn longshore_watch_may_do_what_it_does_and_nothing_else() {
    let cluster = Cluster::alone();
    let digest = format!("sha256:{:064x}", 0);
    let mut values = chart::without_pods();
    values["watch"] = json!({
        "enabled": true, "replicas": 0, "image": { "digest": digest },
        // Nobody would bind the volume of a pod that there is not.
        "storage": { "persistent": false },
        "customMetrics": { "enabled": true },
    });
    chart::install(&cluster, &values);
    let scratch = tempfile::tempdir().unwrap();
    let shop = fleet::shop("watched", "watched", &json!({}));
    let words = ["apply", "--server-side", "--filename", "-"];
    cluster.kubectl(words).input(shop).run().expect(0);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listen = listener.local_addr().unwrap().to_string();
    let custom = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let metrics = custom.local_addr().unwrap().to_string();
    drop((listener, custom));
    let running = Program::new(binary(ACCOUNT))
        .args(["run", "--outside", "false", "--custom-metrics", &metrics])
        .args(["--listen", &listen, "--data"])
        .arg(scratch.path().join("data"))
        .env("KUBECONFIG", account(&cluster, scratch.path()))
        .deadline(LONG * 2)
        .start();
    let page = |path: &str| {
        let outcome = Program::new("curl")
            .args(["--silent", "--fail", &format!("http://{listen}{path}")])
            .run();
        (outcome.code() == Some(0)).then_some(outcome.stdout)
    };
    eventually("it is ready", LONG, || page("/readyz"));
    let shops: Value = eventually("the shop", LONG, || {
        let shops = serde_json::from_str::<Value>(&page("/v1/shops")?).ok()?;
        let all = shops["shops"].as_array()?;
        all.iter()
            .any(|shop| shop["shop"] == "watched")
            .then_some(shops)
    });
    println!("{shops}");
    asked_by_the_api_server_alone(&cluster, &metrics);
    running.signal(rustix::process::Signal::TERM).unwrap();
    let outcome = running.wait();
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    cluster.ask(&["delete", "shop", "watched"]);

    let (used, forbidden) = asked(&cluster);
    assert_eq!(forbidden, [] as [Value; 0]);
    let mut all = granted(&cluster.get(&["clusterrole", ACCOUNT]));
    let own = cluster.get(&["role", ACCOUNT, "--namespace", "kube-system"]);
    let names = &own["rules"][0]["resourceNames"];
    assert_eq!(names, &json!(["extension-apiserver-authentication"]));
    all.extend(granted(&own));
    assert_eq!(all, used);
}

/// Custom metrics are for who has the certificate of the API server's front proxy.
fn asked_by_the_api_server_alone(cluster: &Cluster, metrics: &str) {
    let url = format!("https://{metrics}/apis/custom.metrics.k8s.io/v1beta2");
    let pki = cluster.directory().join("pki");
    let ask = |name: Option<&str>| {
        let curl = Program::new("curl").args(["--silent", "--insecure", &url]);
        let curl = match name {
            None => curl,
            Some(name) => curl
                .arg("--cert")
                .arg(pki.join(format!("{name}.crt")))
                .arg("--key")
                .arg(pki.join(format!("{name}.key"))),
        };
        curl.run().stdout
    };
    let resources = eventually("it knows who may ask", LONG, || {
        serde_json::from_str::<Value>(&ask(Some("front"))).ok()
    });
    let metric = "pods/longshore_busy_workers_ratio";
    assert_eq!(resources["resources"][0]["name"], metric, "{resources}");
    for name in [None, Some("apiserver"), Some("ca")] {
        assert_eq!(ask(name), "", "{name:?}");
    }
}
