//! The edge's two programs on a real API server beside the scheduler, with the chart's rights: a
//! host of a Shop gets a certificate from a certificate authority (Pebble), a visitor its page over
//! TLS, and the Shop's status says so.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

use crate::scheduler::{Scheduler, condition};
use api::edge::{NAMESPACE, PRIVATE, certificate};
use e2e::{
    chart,
    cluster::{Cluster, HOST, eventually},
    fleet,
    haproxy::{Backend, Edge},
    peers::required,
    platform::edge::Signed,
    process::{Program, Running, binary},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

const NAME: &str = "www.issued.example";
const SHOP: &str = "shop-issued";
const LONG: Duration = Duration::from_mins(2);
/// Longer than the test.
const LIFE: Duration = Duration::from_mins(10);

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

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
    let domains = json!([{ "host": NAME, "primary": true }]);
    let idle = json!({ "after": "1h", "mode": "Zero" });
    let more = json!({ "domains": domains, "scale": { "min": 1, "max": 1, "idle": idle } });
    scheduler.apply(&fleet::shop("issued", "issued", &more));
    eventually("the shop's namespace", LONG, || {
        let found = cluster.kubectl(["get", "service", "web", "--namespace", SHOP]);
        (found.run().code() == Some(0)).then_some(())
    });
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

/// A certificate authority, the name server that it asks, and whom to trust for it.
struct Authority {
    directory: String,
    dns: u16,
    management: u16,
    bundle: PathBuf,
    _processes: [Running; 2],
}

impl Authority {
    fn start(scratch: &Path, http: u16) -> Self {
        let [port, management, dns, dns_management] = [(); 4].map(|()| free_port());
        let signed = Signed::for_host("127.0.0.1");
        let file = |name: &str, text: &str| {
            let path = scratch.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let bundle = file("authority.pem", &signed.authority);
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("cert.pem", &signed.certificate),
            "privateKey": file("key.pem", &signed.key),
            "httpPort": http, "tlsPort": 1, "caaIdentities": ["pebble.example"],
            "profiles": { "default": { "description": "", "validityPeriod": 7_776_000 } },
        } });
        let names = Program::new(required("pebble-challtestsrv"))
            .args([
                format!("-dnsserver=127.0.0.1:{dns}"),
                format!("-management=127.0.0.1:{dns_management}"),
            ])
            .args([
                "-http01=",
                "-https01=",
                "-tlsalpn01=",
                "-doh=",
                "-defaultIPv6=",
            ])
            .arg("-defaultIPv4=127.0.0.1")
            .deadline(LIFE)
            .start();
        let pebble = Program::new(required("pebble"))
            .arg("-config")
            .arg(file("pebble.json", &config.to_string()))
            .args(["-dnsserver", &format!("127.0.0.1:{dns}"), "-strict=false"])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .deadline(LIFE)
            .start();
        Self {
            directory: format!("https://127.0.0.1:{port}/dir"),
            dns,
            management,
            bundle,
            _processes: [names, pebble],
        }
    }

    /// The root of what it issues; it takes a moment to answer.
    fn root(&self, scratch: &Path) -> Option<PathBuf> {
        let path = scratch.join("root.pem");
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        let words = ["--silent", "--fail", "--insecure", "--output"];
        let asked = Program::new("curl").args(words).arg(&path).arg(url).run();
        (asked.code() == Some(0)).then_some(path)
    }
}

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
fn assert_rights(cluster: &Cluster) {
    let (used, forbidden) = asked(cluster);
    assert_eq!(forbidden, [] as [Value; 0]);
    let granted = granted(cluster);
    let unused: Vec<_> = granted.difference(&used).collect();
    assert!(unused.is_empty(), "nobody used {unused:?}");
}

/// What people are told of the certificate, by the edge and by the Shop's status.
#[track_caller]
fn assert_told(cluster: &Cluster) -> String {
    let why = Program::new(binary("longshore-edge"))
        .args(["why", NAME])
        .env("KUBECONFIG", std::env::var("KUBECONFIG").unwrap())
        .run()
        .expect(0)
        .stdout;
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
    let pod = Backend::at(HOST.parse().unwrap(), "issued-1");
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
    assert_rights(&cluster);
}
