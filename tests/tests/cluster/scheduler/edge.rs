//! The maps of the edge: written where they differ and nowhere else, and left alone where two shops
//! claim one host.

use super::{LONG, Scheduler, condition, shop};
use api::edge;
use e2e::cluster::{Cluster, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Each shard's version, and all lines of one of its files.
fn shards(cluster: &Cluster) -> (BTreeMap<String, String>, Vec<String>) {
    let found = cluster.get(&[
        "configmaps",
        "--namespace",
        "edge",
        "--selector",
        "app.kubernetes.io/managed-by=longshore",
    ]);
    let named = |item: &&Value| {
        let name = item["metadata"]["name"].as_str();
        name.is_some_and(|name| name.starts_with("edge-"))
    };
    let items: Vec<_> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(named)
        .collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = items
        .iter()
        .map(|item| {
            (
                text(&item["metadata"]["name"]),
                text(&item["metadata"]["resourceVersion"]),
            )
        })
        .collect();
    let lines = items
        .iter()
        .flat_map(|item| {
            text(&item["data"]["backends.map"])
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    (versions, lines)
}

fn has(cluster: &Cluster, line: &str) -> bool {
    shards(cluster).1.iter().any(|found| found == line)
}

#[test]
fn a_new_host_writes_its_shard_and_its_shops_and_a_host_of_two_shops_none() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.class(
        "mapped",
        &json!({
            "route": { "ingress": null, "map": { "weight": 50 } }, "overlay": super::played(),
        }),
    );
    let one = |name: &str, host: &str| {
        shop(
            name,
            "mapped",
            &json!({
                "domains": [{ "host": host, "primary": true }], "scale": { "min": 1, "max": 1 },
            }),
        )
    };
    scheduler.apply(&[one("a", "www.a.example"), one("b", "www.b.example")].join("\n"));
    let running = scheduler.start();
    scheduler.converged(2);
    eventually("both hosts in the maps", LONG, || {
        (has(&cluster, "www.a.example shop-a") && has(&cluster, "www.b.example shop-b"))
            .then_some(())
    });
    let programmed = |name: &str| {
        condition(&cluster.get(&["shop", name]), "RoutesProgrammed").map(str::to_owned)
    };
    eventually("their conditions", LONG, || {
        (programmed("a").as_deref() == Some("True")).then_some(())
    });
    let before = shards(&cluster).0;
    assert_eq!(before.len(), 64);

    // A second process, or the same one after a restart, has nothing to write.
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
    let running = scheduler.start();
    scheduler.converged(2);
    scheduler.apply(&one("c", "www.c.example"));
    eventually("the third host", LONG, || {
        has(&cluster, "www.c.example shop-c").then_some(())
    });
    let after = shards(&cluster).0;
    let changed: BTreeSet<_> = after
        .into_iter()
        .filter(|(name, version)| before.get(name) != Some(version))
        .map(|(name, _)| name)
        .collect();
    let shard = |key: &str| edge::shard_name(edge::shard_of(key));
    assert_eq!(changed, [shard("www.c.example"), shard("shop-c")].into());

    // What somebody else deletes comes back.
    let lost = shard("www.c.example");
    cluster.ask(&["delete", "configmap", &lost, "--namespace", "edge"]);
    eventually("the lost shard", LONG, || {
        has(&cluster, "www.c.example shop-c").then_some(())
    });

    // A shop claims the host of another one: it is refused, and told; the maps go on for everybody
    // else.
    scheduler.apply(&one("d", "www.a.example"));
    eventually("the newcomer's condition", LONG, || {
        (programmed("d").as_deref() == Some("False")).then_some(())
    });
    assert_eq!(
        (programmed("a").as_deref(), scheduler.metric("edge_held")),
        (Some("True"), Some(0))
    );
    assert!(has(&cluster, "www.a.example shop-a") && !has(&cluster, "www.a.example shop-d"));
    let why = scheduler.program(&["why", "d"]).run().expect(0).stdout;
    assert!(
        why.contains("host www.a.example belongs to shop a"),
        "{why}"
    );
    let claimed = ["--all-namespaces", "--field-selector", "reason=Claimed"];
    eventually("its event", LONG, || {
        let events = cluster.get(&[&["events.events.k8s.io"][..], &claimed].concat());
        events["items"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
            .then_some(())
    });
    scheduler.apply(&one("d", "www.d.example"));
    eventually("its lines", LONG, || {
        (has(&cluster, "www.d.example shop-d")).then_some(())
    });

    // A registry that is lost routes nobody into nothing.
    cluster.ask(&["delete", "shops", "--all", "--wait=false"]);
    eventually("the guard", LONG, || {
        scheduler
            .metric("missing_shops")
            .filter(|missing| *missing == 4)
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(has(&cluster, "www.a.example shop-a"));
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}

#[test]
fn a_host_of_the_platform_is_in_the_maps_and_a_shop_that_wants_it_is_refused() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let host = "console.host.example";
    let wants = json!({ "domains": [{ "host": host, "primary": true }] });
    scheduler.apply(&shop("a", "php-plain", &wants));
    let own = ["--platform-host", "console.host.example=console/own-tls"];
    let running = scheduler.start_as(super::LISTEN, &own);
    eventually(
        "the host in the maps, without a class that uses them",
        LONG,
        || has(&cluster, "console.host.example console").then_some(()),
    );
    let why = eventually("the shop is told", LONG, || {
        let found = cluster.get(&["shop", "a"]);
        let conditions = found["status"]["conditions"].as_array()?.clone();
        let rendered = conditions.into_iter().find(|it| it["type"] == "Rendered")?;
        (rendered["reason"] == "Claimed").then(|| rendered["message"].to_string())
    });
    assert!(
        why.contains("host console.host.example is one of the platform's own hosts"),
        "{why}"
    );
    drop(running);
}

/// Whatever leads to it, a host is that of the shop that has it.
#[test]
fn a_host_that_one_kind_of_route_has_is_refused_to_shops_of_the_others() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let gateway = json!({ "name": "public", "namespace": "gateways" });
    for (class, route) in [
        ("ingressed", json!({})),
        (
            "mapped",
            json!({ "ingress": null, "map": { "weight": 100 } }),
        ),
        ("gated", json!({ "ingress": null, "gateway": gateway })),
    ] {
        scheduler.class(
            class,
            &json!({ "route": route, "overlay": super::played() }),
        );
    }
    let apply = |name: &str, class: &str, host: &str| {
        let domains = json!({ "domains": [{ "host": host, "primary": true }] });
        scheduler.apply(&shop(name, class, &domains));
    };
    let refused = |name: &str, owner: &str| {
        let why = eventually(&format!("shop {name} is told"), LONG, || {
            let found = cluster.get(&["shop", name]);
            let conditions = found["status"]["conditions"].as_array()?.clone();
            let rendered = conditions.into_iter().find(|it| it["type"] == "Rendered")?;
            (rendered["reason"] == "Claimed").then(|| rendered["message"].to_string())
        });
        assert!(why.contains(&format!("belongs to shop {owner}")), "{why}");
    };
    apply("a", "ingressed", "www.a.example");
    apply("b", "mapped", "www.b.example");
    let running = scheduler.start();
    scheduler.converged(2);
    apply("c", "gated", "www.a.example");
    apply("d", "mapped", "www.a.example");
    apply("e", "ingressed", "www.b.example");
    apply("f", "gated", "www.b.example");
    for (name, owner) in [("c", "a"), ("d", "a"), ("e", "b"), ("f", "b")] {
        refused(name, owner);
        let namespace = ["get", "namespace", &format!("shop-{name}")];
        assert_eq!(cluster.kubectl(namespace).run().code(), Some(1), "{name}");
    }
    assert!(has(&cluster, "www.b.example shop-b") && !has(&cluster, "www.a.example shop-d"));
    assert_eq!(scheduler.objects("ingresses"), 1);
    drop(running);
}
