//! The edge's two programs on a real API server beside the scheduler, with the chart's rights: a
//! host of a Shop gets a certificate from a certificate authority (Pebble), a visitor its page over
//! TLS, and the Shop's status says so.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test makes its files itself, has no failpoints, and tells what it saw"
)]

mod authority;
mod changes;
mod rights;

use self::authority::Authority;
use crate::scheduler::{Scheduler, condition};
use api::edge::{NAMESPACE, PRIVATE, certificate};
use e2e::{
    chart,
    cluster::{Cluster, HOST, eventually},
    fleet,
    haproxy::{Backend, Edge},
    peers::required,
    process::{Program, binary},
};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const NAME: &str = "www.issued.example";
const AWAY: &str = "away.issued.example";
const SHOP: &str = "shop-issued";
const LONG: Duration = Duration::from_mins(2);
/// Longer than the test.
const LIFE: Duration = Duration::from_mins(10);

fn apply(cluster: &Cluster, object: &Value) {
    let words = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--filename",
        "-",
    ];
    cluster
        .kubectl(words)
        .input(object.to_string())
        .run()
        .expect(0);
}

/// A Shop whose maps the scheduler writes, and its pod: Kubernetes finds no node for those of the
/// Shop.
fn shop(cluster: &Cluster, scheduler: &Scheduler<'_>, pod: &Backend) {
    scheduler.class(
        "issued",
        &json!({
            "route": { "ingress": null, "map": { "weight": 100 } },
            "overlay": { "nodeSelector": { "node": "none" } },
        }),
    );
    domains(scheduler, &json!([]));
    eventually("the shop's namespace", LONG, || {
        let found = cluster.kubectl(["get", "service", "web", "--namespace", SHOP]);
        (found.run().code() == Some(0)).then_some(())
    });
    ready(cluster, pod);
}

/// The Shop has its host, and these.
fn domains(scheduler: &Scheduler<'_>, more: &Value) {
    let mut domains = vec![json!({ "host": NAME, "primary": true })];
    domains.extend(more.as_array().into_iter().flatten().cloned());
    let idle = json!({ "after": "1h", "mode": "Zero" });
    let spec = json!({ "domains": domains, "scale": { "min": 1, "max": 1, "idle": idle } });
    scheduler.apply(&fleet::shop("issued", "issued", &spec));
}

/// The Shop's only pod is this one, and it is Ready.
fn ready(cluster: &Cluster, pod: &Backend) {
    let labels = json!({
        "app.kubernetes.io/managed-by": "longshore", "kubernetes.io/service-name": "web",
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "namespace": SHOP, "name": "web-abcde", "labels": labels },
        "endpoints": [{ "addresses": [pod.address.ip()], "conditions": { "ready": true } }],
        "ports": [{ "name": "http", "port": pod.address.port() }],
    });
    apply(cluster, &slice);
}

/// A kubeconfig of a service account.
fn account(cluster: &Cluster, scratch: &Path, name: &str) -> PathBuf {
    let words = [
        "create",
        "token",
        name,
        "--namespace",
        NAMESPACE,
        "--duration",
        "1h",
    ];
    let token = cluster.ask(&words);
    let view = ["config", "view", "--raw", "--minify", "--output", "json"];
    let mut config: Value = serde_json::from_str(&cluster.ask(&view)).unwrap();
    config["users"][0]["user"] = json!({ "token": token.trim() });
    let path = scratch.join(name);
    fs::write(&path, config.to_string()).unwrap();
    path
}

/// What `longshore-edge why` says of a host.
#[track_caller]
fn why(host: &str) -> String {
    let program = Program::new(binary("longshore-edge"))
        .args(["why", host])
        .env("KUBECONFIG", std::env::var("KUBECONFIG").unwrap());
    program.run().expect(0).stdout
}

/// What people are told of the certificate, by the edge and by the Shop's status.
#[track_caller]
fn assert_told(cluster: &Cluster) -> String {
    let why = why(NAME);
    for says in [
        "pods of shop-issued answer",
        "has a certificate, issued by Pebble",
    ] {
        assert!(why.contains(says), "{why}");
    }
    let said = eventually("the certificate in the Shop's status", LONG, || {
        let found = cluster.get(&["shop", "issued"]);
        let said = found["status"]["certificates"][0].clone();
        let good = condition(&found, "CertificatesValid") == Some("True");
        let by = said["issuer"].as_str().unwrap_or_default();
        (good && by.starts_with("Pebble")).then_some(said)
    });
    assert_eq!(said["host"], NAME);
    assert_eq!(said["problem"], Value::Null);
    format!("{why}{said}")
}

/// A second host, whose owner leads it elsewhere: people are told so, and the first one stays as it
/// is.
#[track_caller]
fn assert_problem_told(cluster: &Cluster, scheduler: &Scheduler<'_>, authority: &Authority) {
    authority.moves(AWAY, "192.0.2.1");
    domains(scheduler, &json!([{ "host": AWAY, "redirectTo": NAME }]));
    let problem = "leads to 192.0.2.1 in DNS, which is not the edge; change it to 127.0.0.1";
    let said = eventually("the problem in the Shop's status", LONG, || {
        let found = cluster.get(&["shop", "issued"]);
        let all = found["status"]["certificates"].as_array()?.clone();
        let away = all.iter().find(|it| it["host"] == AWAY)?;
        let told = away["problem"].as_str()?.contains(problem);
        (told && condition(&found, "CertificatesValid") == Some("False")).then_some(all)
    });
    assert!(
        said.iter()
            .any(|it| it["host"] == NAME && it["problem"].is_null()),
        "{said:?}"
    );
    let why = why(AWAY);
    println!("{why}");
    assert!(
        why.contains("redirects to www.issued.example") && why.contains(problem),
        "{why}"
    );
}

/// What the issuer counts.
#[track_caller]
fn assert_counted(metrics: &str) {
    let page = Program::new("curl")
        .args(["--silent", "--fail", &format!("http://{metrics}/metrics")])
        .run()
        .expect(0)
        .stdout;
    for line in [
        "longshore_edge_issuer_leads 1",
        "longshore_edge_issuer_hosts{state=\"issued\"} 1",
        "longshore_edge_issuer_turns_total{result=\"issued\"} 1",
        "longshore_edge_issuer_held 0",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
}

/// What the agent reports of visitors.
fn visits(cluster: &Cluster) -> Option<String> {
    let map = cluster.get(&["configmap", "visits", "--namespace", NAMESPACE]);
    map["data"]["replica"].as_str().map(str::to_owned)
}

/// The key of the account is where no agent reads.
#[track_caller]
fn assert_apart(cluster: &Cluster) {
    let names = |namespace| {
        let words = ["get", "secrets", "--output", "name", "--namespace"];
        cluster.ask(&[&words[..], &[namespace]].concat())
    };
    assert!(!names(NAMESPACE).contains("acme"), "{}", names(NAMESPACE));
    assert_eq!(names(PRIVATE), "secret/acme-account\nsecret/acme-orders\n");
}

#[test]
fn a_host_gets_a_certificate_and_its_visitors_a_page_with_the_charts_rights_and_no_others() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let digest = format!("sha256:{:064x}", 0);
    let mut values = chart::without_pods();
    values["edge"] = json!({
        "haproxy": { "enabled": true, "replicas": 0, "image": { "digest": digest } },
        "issuer": { "enabled": true, "replicas": 0 },
    });
    chart::install(&cluster, &values);
    let scratch = tempfile::tempdir().unwrap();
    let [pod, other] =
        ["issued-1", "issued-2"].map(|name| Backend::at(HOST.parse().unwrap(), name));
    let running = scheduler.start();
    shop(&cluster, &scheduler, &pod);

    let mut edge = Edge::new(8);
    let directory = edge.directory().to_owned();
    let longshore_edge = |account_name: &str| {
        let kubeconfig = account(&cluster, scratch.path(), account_name);
        Program::new(binary("longshore-edge"))
            .env("KUBECONFIG", kubeconfig)
            .deadline(LIFE)
    };
    let agent = longshore_edge("longshore-edge-agent")
        .args(["agent", "--room", "8", "--identity", "replica", "--listen"])
        .arg(format!("127.0.0.1:{}", free_port()))
        .arg("--directory")
        .arg(&directory)
        .start();
    eventually("the agent's files", LONG, || {
        directory.join("slots.cfg").exists().then_some(())
    });
    edge.start_haproxy();
    let authority = Authority::start(scratch.path(), edge.http);
    let metrics = format!("127.0.0.1:{}", free_port());
    let issuer = longshore_edge("longshore-edge-issuer")
        .args([
            "issue",
            "--addresses",
            "127.0.0.1",
            "--identity",
            "test",
            "--directory",
        ])
        .arg(&authority.directory)
        .args(["--listen", &metrics])
        .args(["--http-port", &edge.http.to_string()])
        .args(["--dns", &format!("127.0.0.1:{}", authority.dns)])
        .arg("--ca-bundle")
        .arg(&authority.bundle)
        .start();
    let verified = || {
        let root = authority.root(scratch.path())?;
        let outcome = Program::new(required("curl-h3"))
            .args([
                "--silent",
                "--show-error",
                "--fail",
                "--max-time",
                "5",
                "--cacert",
            ])
            .arg(root)
            .args(["--resolve", &format!("{NAME}:{}:127.0.0.1", edge.https)])
            .arg(format!("https://{NAME}:{}/", edge.https))
            .run();
        (outcome.code() == Some(0)).then_some(outcome.stdout)
    };
    let begin = std::time::Instant::now();
    eventually("a certificate that verifies", LONG, verified);
    println!("a certificate that verifies after {:?}", begin.elapsed());

    eventually("a report of the visitor", LONG, || {
        visits(&cluster).filter(|report| report.contains(SHOP))
    });

    println!("{}", assert_told(&cluster));
    assert_counted(&metrics);
    assert_apart(&cluster);
    assert_problem_told(&cluster, &scheduler, &authority);
    changes::pods_take_each_others_place(&cluster, &edge, [&pod, &other]);
    changes::hosts_are_added(&scheduler, &edge);

    // Somebody deletes the certificate: there is another one.
    let shard = certificate::shard_name(certificate::shard_of(NAME));
    cluster.ask(&["delete", "secret", &shard, "--namespace", NAMESPACE]);
    eventually("another certificate", LONG, || {
        let words = ["get", "secret", &shard, "--namespace", NAMESPACE];
        (cluster.kubectl(words).run().code() == Some(0)).then_some(())
    });
    for running in [issuer, agent, running] {
        running.signal(rustix::process::Signal::TERM).unwrap();
        let outcome = running.wait();
        assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    }
    assert_eq!(visits(&cluster), None, "it has no visitors any more");
    rights::assert_rights(&cluster);
}
