//! What a program of a shop reaches from its container, as its user, with the `NetworkPolicies` in
//! force. `docs/reach.md` has it as a table.

#![allow(clippy::disallowed_methods, reason = "the test makes its files itself")]

mod container;
mod questions;

use container::shows_its_own_alone;
use e2e::{
    cluster::{Cluster, HOST, built, eventually},
    platform::{Class, Platform, Pod, SYSTEM, Tenant},
    process::Program,
    web,
};
use questions::Questions;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::chown,
    thread,
    time::Duration,
};

const LONG: Duration = Duration::from_mins(3);
/// Servers on the host: a file server's port, a database and a Redis; and where clouds hand out the
/// node's identity.
const NFS: u16 = 2049;
const DATABASE: u16 = 13_399;
const REDIS: u16 = 16_399;
const METADATA: &str = "169.254.169.254";
/// The store, as pods of this cluster know it.
const STORE: &str = "10.96.0.90:9000";
/// Connects to all of its arguments at once, and prints those that let it.
const CONNECT: &str = r#"
$waiting = $open = [];
foreach (array_slice($argv, 1) as $target) {
    $socket = @stream_socket_client("tcp://$target", $number, $why, 5, STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT);
    if ($socket) { $waiting[$target] = $socket; }
}
for ($end = microtime(true) + 5; $waiting && microtime(true) < $end;) {
    $ready = array_values($waiting);
    $read = $except = null;
    if (!@stream_select($read, $ready, $except, 0, 200000)) { continue; }
    foreach ($waiting as $target => $socket) {
        if (!in_array($socket, $ready, true)) { continue; }
        if (@stream_socket_get_name($socket, true) !== false) { $open[] = $target; }
        unset($waiting[$target]);
    }
}
echo json_encode($open);
"#;

/// Whether the agent takes anything but a question.
const POST: &str = "echo @file_get_contents('http://127.0.0.1:980/status', false, \
                    stream_context_create(['http' => ['method' => 'POST']])) === false ? 'no' : \
                    'yes';";

/// Takes connections for as long as the test runs.
fn listen(address: &str, port: u16) {
    let listener = TcpListener::bind((address, port))
        .unwrap_or_else(|error| panic!("{address}:{port}: {error}"));
    thread::spawn(move || listener.incoming().for_each(drop));
}

/// Those of `targets` that a program in a pod can connect to.
#[track_caller]
fn reached(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    container: &str,
    targets: &[String],
) -> BTreeSet<String> {
    let words = [
        "--namespace",
        namespace,
        "exec",
        pod,
        "--container",
        container,
        "--",
        "php8.2",
        "-n",
        "-r",
        CONNECT,
        "--",
    ];
    let outcome = cluster
        .kubectl(words.into_iter().chain(targets.iter().map(String::as_str)))
        .run()
        .expect(0);
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

/// Pods of nobody's shop, with PHP: a stranger, one where the edge is, and one where metrics are
/// read.
fn strangers(cluster: &Cluster, platform: &Platform<'_>) {
    let image = built(cluster, "longshore-shop-php8.2").name().to_owned();
    for namespace in ["stranger", "edge", "monitoring"] {
        let container = json!({ "name": "php", "image": image, "imagePullPolicy": "Never", "command": ["sleep", "3600"],
            "securityContext": { "runAsNonRoot": true, "runAsUser": 10_001, "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                "seccompProfile": { "type": "RuntimeDefault" } } });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "reach", "namespace": namespace },
            "spec": { "terminationGracePeriodSeconds": 0, "enableServiceLinks": false, "automountServiceAccountToken": false, "containers": [container] } });
        platform.apply(
            &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } })
                .to_string(),
        );
        eventually("the namespace's account", LONG, || {
            cluster
                .kubectl(["--namespace", namespace, "get", "serviceaccount", "default"])
                .run()
                .code()
                .filter(|code| *code == 0)
        });
        platform.apply(&pod.to_string());
    }
    for namespace in ["stranger", "edge", "monitoring"] {
        cluster
            .kubectl([
                "--namespace",
                namespace,
                "wait",
                "--for=condition=Ready",
                "pod/reach",
                "--timeout=120s",
            ])
            .deadline(LONG)
            .run()
            .expect(0);
    }
}

/// A shop with one pod, and a file in its media that is named after it.
fn open<'a>(
    platform: &'a Platform<'a>,
    name: &str,
    class: &str,
    more: &Value,
) -> (Tenant<'a>, Pod) {
    let shop = platform.tenant(name);
    web::write_sources(&shop.module("page"), name, "");
    shop.register(shop.publish(&[("page", "")], "shared = [\"media\"]"));
    // Of a volume the directory has to be there.
    let media = platform.shared().join(name).join("media");
    fs::create_dir_all(&media).unwrap();
    fs::write(media.join(format!("belongs-to-{name}")), "").unwrap();
    for path in [media.parent().unwrap(), &media] {
        chown(path, Some(10_001), Some(10_001)).unwrap();
    }
    let mut spec = json!({ "scale": { "min": 1, "max": 1 } });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    shop.open(class, &spec);
    if spec["config"].is_object() {
        shop.secret(
            "env",
            &json!({ "database-user": name, "database-password": "its-own" }),
        );
    }
    let pod = shop.served_by(1).remove(0);
    (shop, pod)
}

/// Everything listens: who has no policy reaches the servers, and those whom a shop lets in its
/// pods. These are a pod's page, its agent, and its Service.
fn others_reach(
    cluster: &Cluster,
    servers: &[String],
    shops: &[String; 3],
    questions: &mut Questions,
) {
    let [page, agent, service] = shops;
    let mut ask = |namespace, targets: &[String], allowed: &[String]| {
        let found = reached(cluster, namespace, "reach", "php", targets);
        questions.answered(namespace, targets, &found, allowed);
    };
    // All servers, and no shop; visitors come in; metrics are read.
    ask("stranger", &[servers, shops].concat(), servers);
    ask("edge", shops, &[page.clone(), service.clone()]);
    ask("monitoring", shops, std::slice::from_ref(agent));
}

/// Nobody who knows the policies: nothing new gets through.
fn without_verdicts(cluster: &Cluster, shop: &Tenant<'_>, pod: &Pod, questions: &mut Questions) {
    let database = [format!("{HOST}:{DATABASE}")];
    let ask = || reached(cluster, &shop.namespace, &pod.name, "php-fpm", &database);
    let node = format!("{}-policies", pod.node);
    let policies = cluster.component(&node);
    policies.kill();
    questions.answered("a shop without verdicts", &database, &ask(), &[]);
    // A kubelet would start it again.
    policies.restart(&[]);
    let again = (0..20).any(|_| {
        thread::sleep(Duration::from_secs(1));
        ask().len() == 1
    });
    assert!(again, "no verdicts again");
}

/// What a shop with a database has in its spec.
fn with_a_database(name: &str) -> Value {
    json!({
        "services": {
            "database": { "ref": "db", "name": name },
            "media": { "ref": "disk", "path": format!("/{name}") },
        },
        "config": { "secretRef": { "name": "env" } },
    })
}

fn policies_are_in_force(cluster: &Cluster) {
    let enforced = cluster.script(["status"]).run().expect(0).stdout;
    assert!(
        ["n1-policies", "n2-policies"]
            .iter()
            .all(|name| enforced.contains(name)),
        "cluster run --policies: {enforced}"
    );
}

#[test]
fn a_shops_php_reaches_what_its_class_names_and_nothing_of_others() {
    let cluster = Cluster::alone();
    policies_are_in_force(&cluster);
    let platform = Platform::install(&cluster);
    Program::new("ip")
        .args(["address", "replace", &format!("{METADATA}/32"), "dev", "lo"])
        .run()
        .expect(0);
    for (address, port) in [(HOST, NFS), (HOST, DATABASE), (HOST, REDIS), (METADATA, 80)] {
        listen(address, port);
    }
    strangers(&cluster, &platform);
    platform.class(&Class {
        database: Some(DATABASE),
        ..Class::php("walled")
    });
    platform.class(&Class {
        storage: "Csi",
        ..Class::php("walled-csi")
    });
    let (agent_shop, agent_pod) = open(&platform, "mallory", "walled", &with_a_database("mallory"));
    let (csi_shop, csi_pod) = open(&platform, "oscar", "walled-csi", &json!({}));
    let (other_shop, other_pod) = open(&platform, "alice", "walled", &with_a_database("alice"));

    let at = |port: u16| format!("{HOST}:{port}");
    let other = |port: u16| format!("{}:{port}", other_pod.address);
    let found = cluster.get(&[
        "pods",
        "--namespace",
        SYSTEM,
        "--selector=app.kubernetes.io/name=longshore-scheduler",
    ]);
    let scheduler = format!(
        "{}:9809",
        found["items"][0]["status"]["podIP"]
            .as_str()
            .expect("the scheduler has a pod")
    );
    let far = |pod: &Pod| format!("10.250.0.1{}:10250", if pod.node == "n1" { 2 } else { 1 });
    let own: Vec<String> = [980, 8080]
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let servers = [
        at(DATABASE),
        at(REDIS),
        at(NFS),
        format!("{METADATA}:80"),
        STORE.to_owned(),
        "10.96.0.1:443".to_owned(),
        at(6443),
    ];
    let shops = [other(8080), other(980), other_shop.service().to_string()];

    let mut questions = Questions::default();
    others_reach(&cluster, &servers, &shops, &mut questions);

    for (shop, pod, allowed) in [
        (
            &agent_shop,
            &agent_pod,
            &[at(DATABASE), STORE.to_owned()][..],
        ),
        (&csi_shop, &csi_pod, &[STORE.to_owned()][..]),
    ] {
        // php-fpm takes no connection but from its socket's directory.
        let tcp = "127.0.0.1:9000".to_owned();
        let targets = [
            &servers[..],
            &shops,
            &own,
            &[tcp, far(pod), scheduler.clone()],
        ]
        .concat();
        let found = reached(&cluster, &shop.namespace, &pod.name, "php-fpm", &targets);
        println!(
            "{} on {}: of {targets:?} it reaches {found:?}",
            shop.name, pod.node
        );
        questions.answered(&shop.name, &targets, &found, &[allowed, &own].concat());
        // What it reaches of its own agent tells, and changes nothing.
        assert_eq!(
            shop.exec(&pod.name, "php-fpm", &["php8.2", "-n", "-r", POST])
                .expect(0)
                .stdout,
            "no"
        );
        shows_its_own_alone(shop, pod, "alice");
        // The API server asks agents, for the scheduler; from its address and by its way.
        let status = format!(
            "/api/v1/namespaces/{}/pods/{}:980/proxy/status",
            shop.namespace, pod.name
        );
        let status: Value = serde_json::from_str(&cluster.ask(&["get", "--raw", &status])).unwrap();
        assert!(status["running"]["sequence"].is_u64(), "{status:#}");
    }

    // What is carried goes on.
    without_verdicts(&cluster, &agent_shop, &agent_pod, &mut questions);
    assert!(TcpStream::connect((other_pod.address, 8080)).is_ok());
    questions.tell();
}
