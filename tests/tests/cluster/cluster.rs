//! The cluster is what the other tests take it for.

use e2e::cluster::{Cluster, HOST, Level, Namespace, busybox, eventually};
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// How long a small pod may take on two cores that other tests use too.
const POD: Duration = Duration::from_secs(90);

/// A pod with one container of busybox that runs `script` on node `node`; `spec` and `container`
/// are more lines of each, as YAML.
fn pod(
    cluster: &Cluster,
    name: &str,
    node: u8,
    script: &str,
    spec: &str,
    container: &str,
) -> String {
    let image = busybox(cluster).name();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  \
         nodeName: n{node}\n  terminationGracePeriodSeconds: 1\n{spec}  containers:\n  - name: \
         main\n    image: {image}\n    imagePullPolicy: Never\n    command: [sh, -c, \
         {script:?}]\n{container}"
    )
}

/// The answer of a web server in a pod or a service.
fn get(address: &str, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((address, port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    write!(stream, "GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
}

#[test]
fn two_nodes_are_ready_in_two_zones() {
    let cluster = Cluster::shared();
    let nodes = cluster.get(&["nodes", "--selector", "type!=kwok"]);
    let zone = |node: &serde_json::Value| {
        node["metadata"]["labels"]["topology.kubernetes.io/zone"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let is_ready = |node: &serde_json::Value| {
        node["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["type"] == "Ready" && it["status"] == "True")
    };
    let found: Vec<_> = nodes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (zone(node), is_ready(node)))
        .collect();
    assert_eq!(
        found,
        [("zone-a".to_owned(), true), ("zone-b".to_owned(), true)]
    );
}

#[test]
fn a_native_sidecar_is_there_before_the_main_container_and_ends_after_it() {
    let cluster = Cluster::shared();
    let shop = cluster.namespace("sidecar", Level::Privileged);
    let image = busybox(&cluster).name();
    let sidecar = format!(
        "  terminationGracePeriodSeconds: 20\n  volumes: [{{name: www, emptyDir: {{}}}}]\n  \
         initContainers:\n  - name: web\n    image: {image}\n    imagePullPolicy: Never\n    \
         restartPolicy: Always\n    command: [sh, -c, 'sleep 1; echo served > /www/index.html; \
         exec httpd -f -p 8080 -h /www']\n    startupProbe: {{tcpSocket: {{port: 8080}}, \
         periodSeconds: 1, failureThreshold: 30}}\n    volumeMounts: [{{name: www, mountPath: \
         /www}}]\n"
    );
    // At its end, the main container asks the sidecar once more.
    let script = "set -e; wget -qO- http://127.0.0.1:8080/; trap 'wget -qO- http://127.0.0.1:8080/; exit \
         0' TERM; sleep 600 & wait";
    let text = pod(&cluster, "main", 1, script, &sidecar, "")
        .replace("  terminationGracePeriodSeconds: 1\n", "");
    shop.apply(&text);
    shop.wait("condition=Ready", "pod/main", POD);
    assert_eq!(
        shop.ask(&["logs", "main", "--container", "main"]),
        "served\n"
    );
    let mut logs = shop
        .kubectl(&["logs", "main", "--container", "main", "--follow"])
        .start();
    assert_eq!(logs.first_line(), "served");
    shop.ask(&["delete", "pod", "main", "--wait=false"]);
    assert_eq!(logs.wait().expect(0).stdout, "served\nserved\n");
}

#[test]
fn a_service_reaches_pods_of_both_nodes_and_pods_reach_a_server_of_the_test() {
    let cluster = Cluster::shared();
    let shop = cluster.namespace("service", Level::Privileged);
    let server = TcpListener::bind((HOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let serve = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello ").unwrap();
        }
    });
    for node in [1, 2] {
        let script = format!(
            "wget -qO /tmp/index.html http://{HOST}:{port}/ && echo n{node} >> /tmp/index.html; \
             exec httpd -f -p 8080 -h /tmp"
        );
        let probe =
            "    readinessProbe: {httpGet: {port: 8080, path: /index.html}, periodSeconds: 1}\n";
        shop.apply(
            &pod(&cluster, &format!("web{node}"), node, &script, "", probe)
                .replace("labels: {app:", "labels: {tier: web, app:"),
        );
    }
    shop.apply(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {tier: web}, \
         ports: [{port: 80, targetPort: 8080}]}",
    );
    for node in [1, 2] {
        shop.wait("condition=Ready", &format!("pod/web{node}"), POD);
        assert_eq!(
            get(&shop.address(&format!("web{node}")), 8080).unwrap(),
            format!("hello n{node}\n")
        );
    }
    serve.join().unwrap();
    let address = shop.get(&["service", "web"])["spec"]["clusterIP"]
        .as_str()
        .unwrap()
        .to_owned();
    for node in [1, 2] {
        eventually("both pods answer behind the service", POD, || {
            get(&address, 80).filter(|answer| *answer == format!("hello n{node}\n"))
        });
    }
}

/// A pod with a container that mounts and, in `propagation`, one that sees it, over the node's own
/// disk.
fn mounting(cluster: &Cluster, shop: &Namespace<'_>, node: u8) {
    let image = busybox(cluster).name();
    let spec = format!(
        "  volumes: [{{name: disk, hostPath: {{path: /var/lib/longshore/test, type: \
         DirectoryOrCreate}}}}]\n  initContainers:\n  - name: agent\n    image: {image}\n    \
         imagePullPolicy: Never\n    restartPolicy: Always\n    securityContext: {{privileged: \
         true}}\n    command: [sh, -c, 'mkdir -p /disk/media && mount -t tmpfs media /disk/media \
         && touch /disk/media/of-n{node} && sleep 600']\n    startupProbe: {{exec: {{command: \
         [stat, /disk/media/of-n{node}]}}, periodSeconds: 1, failureThreshold: 30}}\n    \
         volumeMounts: [{{name: disk, mountPath: /disk, mountPropagation: Bidirectional}}]\n"
    );
    let volume =
        "    volumeMounts: [{name: disk, mountPath: /disk, mountPropagation: HostToContainer}]\n";
    shop.apply(&pod(
        cluster,
        &format!("shop{node}"),
        node,
        "ls /disk/media; sleep 600",
        &spec,
        volume,
    ));
    shop.wait("condition=Ready", &format!("pod/shop{node}"), POD);
}

#[test]
fn a_mount_reaches_the_other_containers_and_each_node_has_a_disk_of_its_own() {
    let cluster = Cluster::shared();
    let shop = cluster.namespace("mounts", Level::Privileged);
    for node in [1, 2] {
        mounting(&cluster, &shop, node);
    }
    for node in [1, 2] {
        let seen = shop.ask(&["logs", &format!("shop{node}"), "--container", "main"]);
        assert_eq!(seen, format!("of-n{node}\n"));
        let disk = cluster
            .on_node(node, &["ls", "/var/lib/longshore/test/media"])
            .expect(0)
            .stdout;
        assert_eq!(disk, format!("of-n{node}\n"));
    }
}

#[test]
fn a_restricted_namespace_refuses_a_pod_that_may_become_root() {
    let cluster = Cluster::shared();
    let shop = cluster.namespace("restricted", Level::Restricted);
    let refused = shop
        .try_apply(&pod(&cluster, "root", 1, "sleep 600", "", ""))
        .unwrap_err();
    assert!(
        refused.contains("violates PodSecurity \"restricted"),
        "{refused}"
    );
}

#[test]
fn fake_nodes_play_pods_that_ask_for_them() {
    let cluster = Cluster::shared();
    let shop = cluster.namespace("fleet", Level::Restricted);
    shop.apply(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: fleet}\nspec:\n  replicas: 60\n  \
         selector: {matchLabels: {app: fleet}}\n  template:\n    metadata: {labels: {app: \
         fleet}}\n    spec:\n      nodeSelector: {type: kwok}\n      tolerations: [{key: \
         kwok.x-k8s.io/node, operator: Exists}]\n      securityContext: {runAsNonRoot: true, \
         runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}\n      containers:\n      - \
         name: main\n        image: none\n        securityContext: {allowPrivilegeEscalation: \
         false, capabilities: {drop: [ALL]}}\n",
    );
    shop.wait("condition=Available", "deployment/fleet", POD);
    let pods = shop.get(&["pods"]);
    let nodes: std::collections::BTreeSet<_> = pods["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| pod["spec"]["nodeName"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        nodes.iter().all(|node| node.starts_with("fake-")) && nodes.len() > 1,
        "{nodes:?}"
    );
}

#[test]
fn the_metrics_api_answers_for_nodes() {
    let cluster = Cluster::shared();
    // Two samples, 10 s apart, are needed for a rate.
    let lines = eventually("kubectl top nodes", Duration::from_secs(90), || {
        let outcome = cluster.kubectl(["top", "nodes", "--no-headers"]).run();
        (outcome.code() == Some(0))
            .then_some(outcome.stdout)
            .filter(|lines| lines.contains("n1 ") && lines.contains("n2 "))
    });
    assert!(
        lines
            .lines()
            .any(|line| line.starts_with("n1 ") && line.contains("Mi")),
        "{lines}"
    );
}
