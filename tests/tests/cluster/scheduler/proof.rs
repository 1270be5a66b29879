//! Proofs of domains, by a real name server: a host gets traffic once its owner names its shop,
//! what gets traffic keeps it, and no trouble with DNS takes anything away.

use super::{LISTEN, LONG, Scheduler, condition, played, shop};
use api::edge::{NAMESPACE, shard_name, shard_of};
use e2e::{
    cluster::{Cluster, eventually},
    peers::required,
    process::{Program, Running},
};
use runtime::fixtures::free_port;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

/// A name server whose records the test sets.
struct Names {
    port: u16,
    management: u16,
    _process: Running,
}

impl Names {
    fn start(port: u16) -> Self {
        let management = free_port();
        let process = Program::new(required("pebble-challtestsrv"))
            .arg(format!("-dnsserver=127.0.0.1:{port}"))
            .arg(format!("-management=127.0.0.1:{management}"))
            .args(["-http01=", "-https01=", "-tlsalpn01=", "-doh="])
            .deadline(LONG)
            .start();
        let names = Self {
            port,
            management,
            _process: process,
        };
        eventually("a name server", LONG, || {
            names.post("clear-txt", &json!({ "host": "x." }))
        });
        names
    }

    fn post(&self, what: &str, value: &Value) -> Option<()> {
        let url = format!("http://127.0.0.1:{}/{what}", self.management);
        let words = ["--silent", "--fail", "--data", &value.to_string(), &url];
        let code = Program::new("curl").args(words).run().code();
        (code == Some(0)).then_some(())
    }

    /// The owner of a domain names this shop, and no other.
    fn name(&self, host: &str, shop: &str) {
        let host = format!("_longshore.{host}.");
        self.post("clear-txt", &json!({ "host": host })).unwrap();
        let value = format!("longshore-shop={shop}");
        self.post("set-txt", &json!({ "host": host, "value": value }))
            .unwrap();
    }
}

/// The scheduler, and what it made of the Shops.
struct Stage<'a> {
    cluster: &'a Cluster,
    scheduler: &'a Scheduler<'a>,
    dns: String,
}

impl Stage<'_> {
    fn start(&self) -> Running {
        let settings = ["--evidence", "readiness", "--dns", &self.dns];
        self.scheduler.start_as(LISTEN, &settings)
    }

    /// Makes a class that asks for no proof.
    fn class(&self, name: &str, route: &Value) {
        let change = json!({ "route": route, "overlay": played() });
        self.scheduler.class(name, &change);
    }

    /// Makes a class that asks for a proof, or has it ask.
    fn asking_class(&self, name: &str, route: &Value) {
        let proof = json!({ "platformDomains": ["shops.example"] });
        let change = json!({ "route": route, "overlay": played(), "domainProof": proof });
        self.scheduler.class(name, &change);
    }

    /// Makes a shop, or changes its spec by another `scale`.
    fn shop(&self, name: &str, class: &str, hosts: &[&str], scale: u32) {
        let domains: Vec<_> = hosts
            .iter()
            .map(|host| json!({ "host": host, "primary": *host == hosts[0] }))
            .collect();
        let more = json!({ "domains": domains, "scale": { "min": 1, "max": scale } });
        self.scheduler.apply(&shop(name, class, &more));
    }

    /// The shop to which the maps of the edge lead a host.
    fn mapped(&self, host: &str) -> Option<String> {
        let map = shard_name(shard_of(host));
        // Not by its name: before the first pass there is none.
        let found = self.cluster.get(&["configmaps", "--namespace", NAMESPACE]);
        let shards = found["items"].as_array()?;
        let shard = shards.iter().find(|it| it["metadata"]["name"] == map)?;
        let lines = shard["data"]["backends.map"].as_str()?;
        let mut lines = lines.lines().filter_map(|line| line.split_once(' '));
        let line = lines.find(|(it, _)| *it == host)?;
        Some(line.1.to_owned())
    }

    /// The host of a shop's Ingress.
    fn ingress(&self, namespace: &str) -> Value {
        let found = self.cluster.get(&["ingress", "--namespace", namespace]);
        found["items"][0]["spec"]["rules"][0]["host"].clone()
    }

    fn status(&self, name: &str) -> Value {
        self.cluster.get(&["shop", name])
    }

    fn says(&self, name: &str, kind: &str) -> Option<String> {
        condition(&self.status(name), kind).map(str::to_owned)
    }
}

/// The shop `a`, and what it has without a proof.
const A: [&str; 2] = ["www.a.example", "a.shops.example"];
const C: [&str; 1] = ["www.c.example"];
const E: &str = "www.e.example";

/// New hosts get no traffic, but for what the platform gives.
fn nothing_is_proven(stage: &Stage<'_>) -> String {
    stage.shop("a", "mapped", &A, 1);
    stage.shop("c", "ingress", &C, 1);
    stage.shop("e", "later", &[E], 1);
    stage.scheduler.converged(3);
    eventually("what needs no proof", LONG, || {
        let found = [stage.mapped(A[1])?, stage.mapped(E)?];
        (found == ["shop-a", "shop-e"]).then_some(())
    });
    eventually("the conditions", LONG, || {
        let says = |kind: &str| {
            ["a", "c"]
                .iter()
                .all(|name| stage.says(name, kind).as_deref() == Some("False"))
        };
        (says("DomainsProven") && says("RoutesProgrammed")).then_some(())
    });
    assert_eq!(stage.mapped(A[0]), None);
    assert_eq!(stage.ingress("shop-c"), Value::Null);
    assert_eq!(stage.scheduler.metric("unproven_hosts"), Some(2));
    let why = stage
        .scheduler
        .program(&["why", "a"])
        .run()
        .expect(0)
        .stdout;
    let record = r#"_longshore.www.a.example TXT "longshore-shop=a""#;
    assert!(why.contains(record), "{why}");
    why
}

/// The record of another shop is of no use, and a change of the Shop is looked at at once.
fn owners_name_their_shops(stage: &Stage<'_>, names: &Names) {
    names.name(A[0], "b");
    names.name(C[0], "c");
    stage.shop("a", "mapped", &A, 2);
    stage.shop("c", "ingress", &C, 2);
    eventually("the Ingress", LONG, || {
        (stage.ingress("shop-c") == C[0]).then_some(())
    });
    assert_eq!(stage.mapped(A[0]), None);
    names.name(A[0], "a");
    stage.shop("a", "mapped", &A, 3);
    eventually("its line", LONG, || {
        (stage.mapped(A[0])? == "shop-a").then_some(())
    });
    eventually("its condition", LONG, || {
        (stage.says("a", "DomainsProven")? == "True").then_some(())
    });
    let found = stage.status("a");
    assert_eq!(found["status"]["provenHosts"], json!([A[0]]));
}

/// What gets traffic when a class begins to ask keeps it, with a word.
fn a_class_begins_to_ask(stage: &Stage<'_>, route: &Value) {
    stage.asking_class("later", route);
    eventually("a word", LONG, || {
        (stage.says("e", "DomainsProven")? == "False").then_some(())
    });
    assert_eq!(stage.mapped(E).as_deref(), Some("shop-e"));
}

/// No name server answers a scheduler that starts.
fn nobody_answers(stage: &Stage<'_>) {
    stage.shop("f", "mapped", &["www.f.example"], 1);
    stage.scheduler.converged(4);
    eventually("a lookup that nobody answers", LONG, || {
        let failed = stage.scheduler.metric("failed_proof_lookups_total");
        failed.filter(|failed| *failed > 0)
    });
    std::thread::sleep(Duration::from_secs(3));
    for (host, expected) in [
        (A[0], Some("shop-a")),
        (A[1], Some("shop-a")),
        (E, Some("shop-e")),
        ("www.f.example", None),
    ] {
        assert_eq!(stage.mapped(host).as_deref(), expected, "{host}");
    }
    assert_eq!(stage.ingress("shop-c"), C[0]);
    eventually("that nobody knows", LONG, || {
        let found = stage.status("f").to_string();
        let says = "not known whether it is there";
        found.contains(says).then_some(())
    });
}

/// Owners move their hosts to another shop, one of them from a shop that never proved it.
fn owners_name_another_shop(stage: &Stage<'_>, names: &Names) -> String {
    names.name(A[0], "d");
    names.name(E, "d");
    stage.shop("d", "mapped", &[A[0], E], 1);
    eventually("the move", LONG, || {
        let found = [stage.mapped(A[0])?, stage.mapped(E)?];
        (found == ["shop-d", "shop-d"]).then_some(())
    });
    eventually("those who lost a host go on", LONG, || {
        let all = ["a", "e"].map(|name| stage.status(name));
        let lost = |shop: &Value| {
            condition(shop, "RoutesProgrammed") == Some("False")
                && condition(shop, "Rendered") == Some("True")
                && !shop["status"]["claims"].to_string().contains("host www.")
        };
        all.iter().all(lost).then_some(())
    });
    assert_eq!(stage.mapped(A[1]).as_deref(), Some("shop-a"));
    let why = stage.scheduler.program(&["why", "e"]).run().expect(0);
    why.stdout
}

fn stop(running: &Running) {
    running.signal(Signal::TERM).unwrap();
}

#[test]
fn a_host_gets_traffic_once_dns_names_its_shop_and_loses_it_to_no_trouble_with_dns() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let names = Names::start(free_port());
    let stage = Stage {
        cluster: &cluster,
        scheduler: &scheduler,
        dns: format!("127.0.0.1:{}", names.port),
    };
    let map = json!({ "ingress": null, "map": { "weight": 50 } });
    stage.asking_class("mapped", &map);
    stage.class("later", &map);
    let ingress = json!({ "ingress": { "className": "nginx" } });
    stage.asking_class("ingress", &ingress);

    let running = stage.start();
    println!("{}", nothing_is_proven(&stage));
    owners_name_their_shops(&stage, &names);
    a_class_begins_to_ask(&stage, &map);
    let port = names.port;
    drop(names);
    stop(&running);
    running.wait().expect(0);
    let running = stage.start();
    nobody_answers(&stage);
    let told = owners_name_another_shop(&stage, &Names::start(port));
    println!("{told}");
    stop(&running);
    running.wait().expect(0);
}
