//! What changes under a shop that is being visited: releases, pods, nodes, the agent, the store. No
//! visitor notices.

use e2e::{
    cluster::{Cluster, eventually},
    platform::{Class, Platform, Pod, Tenant},
    web::{self, Network, Visitors},
};
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a thing may take that has no limit of its own.
const LONG: Duration = Duration::from_mins(3);
/// Visitors, half of them from each node, as a Service prefers the pods of the visitor's zone.
const VISITORS: usize = 4;
const PAUSE: Duration = Duration::from_millis(25);
const SHARED: &str = "shared = [\"media\"]";

fn visit(cluster: &Cluster, shop: &Tenant<'_>) -> Visitors {
    let networks = [
        Network::Of(cluster.node_process(1)),
        Network::Of(cluster.node_process(2)),
    ];
    Visitors::start_from(&networks, shop.service(), VISITORS, PAUSE)
}

/// While this was done, visitors came, and none of them met a failure or parts of two releases.
#[track_caller]
fn unnoticed(what: &str, cluster: &Cluster, shop: &Tenant<'_>, work: impl FnOnce()) {
    let visitors = visit(cluster, shop);
    thread::sleep(Duration::from_secs(1));
    let (before, begin) = (visitors.count(), Instant::now());
    work();
    // What still runs after it, such as connections to pods that are on their way out.
    thread::sleep(Duration::from_secs(2));
    let took = begin.elapsed();
    let (count, wrong) = visitors.end();
    let count = count - before;
    assert!(
        wrong.is_empty(),
        "{what}: {} of {count} requests: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    assert!(count > 100, "{what}: only {count} requests in {took:?}");
    println!(
        "{what}: {count} requests in {:.1} s, none failed, none mixed",
        took.as_secs_f64()
    );
}

/// Lets pods come to a node again, also when a test ends in the middle.
struct Uncordon<'a>(&'a Cluster, &'static str);

impl Drop for Uncordon<'_> {
    fn drop(&mut self) {
        self.0.kubectl(["uncordon", self.1]).run().expect(0);
    }
}

/// A shop of two pods that serves `name` as sequence 1.
fn shop<'a>(platform: &'a Platform<'a>, name: &str) -> Tenant<'a> {
    platform.class(&Class::php(name));
    let shop = platform.tenant(name);
    web::write_sources(&shop.module("page"), "one", "");
    shop.register(shop.publish(&[("page", "")], SHARED));
    shop.open(name, &json!({ "scale": { "min": 2, "max": 2 } }));
    shop.served_by(2);
    shop
}

fn page(release: &str) -> String {
    format!("entry={release} class={release} template={release} asset={release}")
}

/// Rolls a sequence out, and gives the time until every pod serves `release`.
fn switched(platform: &Platform<'_>, shop: &Tenant<'_>, sequence: u64, release: &str) -> Duration {
    shop.register(sequence);
    let pods = shop.pods();
    let begin = Instant::now();
    shop.roll_out(sequence);
    let wanted = page(release);
    while !pods
        .iter()
        .all(|pod| shop.page(pod, "/").is_ok_and(|page| page.body == wanted))
    {
        assert!(
            begin.elapsed() < LONG,
            "not every pod serves {release}\n{}",
            platform.tell(&shop.namespace)
        );
        thread::sleep(Duration::from_millis(50));
    }
    let took = begin.elapsed();
    platform.rollout(&shop.release_name(sequence), LONG, |status| {
        status["phase"] == "Completed"
    });
    took
}

/// Waits until a rollout has stopped, its shop is back on other pods, and what it does is told.
#[track_caller]
fn stopped(platform: &Platform<'_>, shop: &Tenant<'_>, sequence: u64, before: &[Pod]) {
    let status = platform.rollout(&shop.release_name(sequence), LONG, |status| {
        status["phase"] == "Stopped"
    });
    assert_eq!(status["counts"]["failed"], 1, "{status:#}");
    let why = shop.why();
    println!("{why}");
    // Which pod it was, and what the shop answered there.
    let named = before
        .iter()
        .any(|pod| why.contains(&format!("agent of pod {} rejected it", pod.name)));
    assert!(named && why.contains("500"), "{before:#?}\n{why}");
    // Agents that have met the bad one run the one before by themselves: no pod is replaced for it.
    let here = |pod: &Pod| (pod.name.clone(), pod.ready, pod.leaving);
    let (was, is) = (
        before.iter().map(here).collect::<Vec<_>>(),
        shop.pods().iter().map(here).collect::<Vec<_>>(),
    );
    assert_eq!(is, was, "{why}");
}

/// Its pods serve this release, and it is told to run this sequence.
#[track_caller]
fn runs(shop: &Tenant<'_>, number: usize, sequence: u64, release: &str) {
    assert_eq!(shop.told(), Some(sequence), "{}", shop.name);
    for pod in shop.served_by(number) {
        assert_eq!(
            shop.page(&pod, "/").unwrap().body,
            page(release),
            "{}",
            shop.name
        );
    }
}

#[test]
fn a_bad_release_undoes_itself_stops_its_wave_and_spares_the_others() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let shop = shop(&platform, "bad");
    // Of the same channel; its turn comes after the canary's.
    let other = platform.tenant("spared");
    other.open(
        "bad",
        &json!({ "channel": "shops/bad", "scale": { "min": 1, "max": 1 } }),
    );
    let others = other.served_by(1);

    web::write_sources(
        &shop.module("page"),
        "broken",
        "http_response_code(500); exit('broken');",
    );
    let (bad, before) = (shop.publish(&[("page", "")], SHARED), shop.pods());
    unnoticed("a bad release", &cluster, &shop, || {
        shop.register(bad);
        shop.roll_out_here_first(bad);
        stopped(&platform, &shop, bad, &before);
        runs(&shop, 2, 1, "one");
    });
    runs(&other, 1, 1, "one");

    // A corrected one passes, here and there.
    web::write_sources(&shop.module("page"), "mended", "");
    let mended = shop.publish(&[("page", "")], SHARED);
    unnoticed("a mended release", &cluster, &shop, || {
        switched(&platform, &shop, mended, "mended");
    });
    runs(&other, 1, mended, "mended");

    // PHP alone runs it; it fails only behind nginx, so agents switch to it, and back.
    let entry = "if (str_contains($_SERVER['SERVER_SOFTWARE'] ?? '', 'nginx')) { \
                 http_response_code(500); exit('hidden'); }";
    web::write_sources(&shop.module("page"), "hidden", entry);
    let (hidden, before) = (shop.publish(&[("page", "")], SHARED), shop.pods());
    shop.register(hidden);
    shop.roll_out_here_first(hidden);
    let undone = |pod: &Pod| {
        shop.metrics(pod)
            .contains("longshore_switches_total{outcome=\"rolled-back\"} 1\n")
    };
    eventually("an agent that has switched and gone back", LONG, || {
        before.iter().find(|pod| undone(pod))
    });
    stopped(&platform, &shop, hidden, &before);
    runs(&shop, 2, mended, "mended");
    runs(&other, 1, mended, "mended");
    assert_eq!(
        other.pods(),
        others,
        "none of it replaced a pod of the other shop"
    );
}

#[test]
fn pods_and_nodes_go_and_nobody_notices() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let shop = shop(&platform, "pods");
    let old = shop.served_by(2);
    let php = |pods: &[Pod]| {
        let version = |pod: &Pod| {
            shop.exec(
                &pod.name,
                "php-fpm",
                &[
                    "php",
                    "-r",
                    "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;",
                ],
            )
            .expect(0)
            .stdout
        };
        pods.iter().map(version).collect::<Vec<_>>()
    };
    assert_eq!(php(&old), ["8.2", "8.2"]);
    unnoticed("another image", &cluster, &shop, || {
        platform.class(&Class {
            shop: "longshore-shop-php7.4",
            ..Class::php("pods")
        });
        let new = eventually("other pods", LONG, || {
            let pods = shop.pods();
            let new = pods.len() == 2
                && pods
                    .iter()
                    .all(|pod| pod.ready && old.iter().all(|gone| gone.name != pod.name));
            new.then_some(pods)
        });
        assert_eq!(php(&new), ["7.4", "7.4"]);
    });
    unnoticed("a node drained", &cluster, &shop, || {
        let node = Uncordon(&cluster, "n2");
        let words = [
            "drain",
            "n2",
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--force",
            "--timeout=150s",
        ];
        let drained = cluster.kubectl(words).deadline(LONG).run();
        assert!(drained.code() == Some(0), "{drained:#?}");
        assert!(shop.pods().iter().all(|pod| pod.node == "n1"));
        drop(node);
        shop.served_by(2);
    });
}

#[test]
fn an_agent_is_killed_and_the_store_is_away() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let shop = shop(&platform, "kill");
    let pod = shop.pods().remove(0);
    let agent = |name: &str| {
        let all = shop.list("web");
        let found = all
            .iter()
            .find(|pod| pod["metadata"]["name"] == name)
            .unwrap();
        let statuses = found["status"]["initContainerStatuses"].as_array().unwrap();
        let agent = statuses
            .iter()
            .find(|status| status["name"] == "agent")
            .unwrap()
            .clone();
        (
            agent["restartCount"].as_u64().unwrap(),
            agent["started"] == true,
        )
    };
    assert_eq!(agent(&pod.name), (0, true));
    unnoticed("kill -9 of an agent", &cluster, &shop, || {
        let uid =
            cluster.get(&["pod", &pod.name, "--namespace", &shop.namespace])["metadata"]["uid"]
                .as_str()
                .unwrap()
                .to_owned();
        let victim = e2e::platform::processes_of(&uid, "longshore-agent")[0];
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(victim).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        eventually("the agent again", LONG, || {
            (agent(&pod.name) == (1, true)).then_some(())
        });
        shop.served_by(2);
    });
    let status = shop.agent(&pod).unwrap();
    assert!(
        status["running"]["sequence"] == 1 && status["mounts"][0]["state"] == "healthy",
        "{status:#}"
    );

    platform.store.stop();
    unnoticed(
        "a pod that boots while the store is away",
        &cluster,
        &shop,
        || {
            cluster
                .kubectl(["--namespace", &shop.namespace, "delete", "pod", &pod.name])
                .deadline(LONG)
                .run()
                .expect(0);
            let pods = shop.served_by(2);
            assert!(pods.iter().all(|other| other.name != pod.name));
        },
    );
    platform.store_is_back();
}
