//! Faults of the cluster's own parts, as other tests make them.

use e2e::cluster::{Cluster, Level, Writes, eventually};
use std::time::Duration;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\ndata: {answer: '42'}\n";

#[test]
fn an_api_server_that_was_killed_answers_again_and_has_lost_nothing() {
    let cluster = Cluster::alone();
    let shop = cluster.namespace("killed", Level::Restricted);
    shop.apply(MAP);
    let server = cluster.component("apiserver");
    server.kill();
    let refused = shop.kubectl(&["get", "configmap", "kept"]).run();
    assert!(
        refused.code() == Some(1) && refused.stderr.contains("refused"),
        "{refused:#?}"
    );
    server.start(&[]);
    assert_eq!(shop.get(&["configmap", "kept"])["data"]["answer"], "42");
}

#[test]
fn an_api_server_that_hangs_is_noticed_by_the_clients_deadline() {
    let cluster = Cluster::alone();
    let shop = cluster.namespace("frozen", Level::Restricted);
    shop.apply(MAP);
    let server = cluster.component("apiserver");
    server.freeze();
    let late = shop
        .kubectl(&["get", "configmap", "kept", "--request-timeout=2s"])
        .run();
    assert_eq!(late.code(), Some(1), "{late:#?}");
    server.thaw();
    eventually("the configmap", Duration::from_secs(30), || {
        shop.kubectl(&["get", "configmap", "kept", "--request-timeout=5s"])
            .run()
            .code()
            .filter(|code| *code == 0)
    });
}

#[test]
fn a_read_only_etcd_answers_and_refuses_until_it_is_writable_again() {
    let cluster = Cluster::alone();
    let shop = cluster.namespace("readonly", Level::Restricted);
    shop.apply(MAP);
    cluster.etcd_writes(Writes::Refused);
    assert_eq!(shop.get(&["configmap", "kept"])["data"]["answer"], "42");
    let refused = shop.try_apply(&MAP.replace("42", "43")).unwrap_err();
    assert!(refused.contains("database space exceeded"), "{refused}");
    cluster.etcd_writes(Writes::Accepted);
    shop.apply(&MAP.replace("42", "43"));
    assert_eq!(shop.get(&["configmap", "kept"])["data"]["answer"], "43");
}

#[test]
fn a_watch_from_a_version_that_was_compacted_gets_410() {
    let cluster = Cluster::alone();
    let shop = cluster.namespace("gone", Level::Restricted);
    let path = format!("/api/v1/namespaces/{}/configmaps", shop.name());
    // Not by `kubectl get`, whose list has no version.
    let list: serde_json::Value =
        serde_json::from_str(&shop.ask(&["get", "--raw", &path])).unwrap();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    shop.apply(MAP);
    cluster.etcd_compact();
    // The watch cache of a server that has just started knows nothing older than its start.
    cluster.component("apiserver").restart(&[]);
    let answer = shop.ask(&[
        "get",
        "--raw",
        &format!("{path}?watch=1&timeoutSeconds=5&resourceVersion={version}"),
    ]);
    assert!(answer.contains(r#""code":410"#), "{answer}");
}

#[test]
fn pods_run_on_while_their_kubelet_is_away() {
    let cluster = Cluster::alone();
    let shop = cluster.namespace("kubelet", Level::Privileged);
    let image = e2e::cluster::busybox(&cluster).name();
    shop.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  nodeName: n1\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n  - {{name: web, image: {image}, \
         imagePullPolicy: Never, command: [sh, -c, 'httpd -f -p 8080 -h /tmp']}}\n"
    ));
    shop.wait("condition=Ready", "pod/web", Duration::from_mins(1));
    let address = shop.address("web");
    let kubelet = cluster.component("n1-kubelet");
    kubelet.kill();
    assert!(std::net::TcpStream::connect((address.as_str(), 8080)).is_ok());
    kubelet.start(&[]);
    shop.wait("condition=Ready", "pod/web", Duration::from_mins(1));
    let status = shop.get(&["pod", "web"]);
    assert_eq!(status["status"]["containerStatuses"][0]["restartCount"], 0);
}
