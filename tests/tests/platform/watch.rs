//! What goes wrong in a shop is told: its errors, and that its domain does not answer.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

mod busy;
mod outside;
mod slow;

use e2e::{
    cluster::{Cluster, HOST as HERE, eventually},
    name_server::NameServer,
    platform::{
        Class, Platform, Pod, Tenant,
        edge::{Signed, WATCH},
        processes_of,
    },
    web,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};

const NAME: &str = "watched";
const HOST: &str = "www.watched.example";
const CERTIFICATE: &str = "watched-own";
const LONG: Duration = Duration::from_mins(3);
/// From an error to its group, on a machine that does other work, too.
const VISIBLE: Duration = Duration::from_secs(30);
/// From the first error of a canary to the stop of its rollout. It takes 6 s, and slow pages 18 s,
/// of the 30 s that are promised; a machine that does other work may take as long again.
const STOPPED: Duration = Duration::from_mins(1);
/// From an outage to its incident.
const NOTICED: Duration = Duration::from_mins(2);

/// A page of the shop for each kind of error. What is a value must not make groups of its own, and
/// an address of a customer must not be shown.
const BREAKS: &str = r#"<?php
function price($product) {
    throw new RuntimeException("no price for product $product of anna@customer.example");
}
function patience($seconds) {
    sleep($seconds);
}
switch ($_GET['how'] ?? '') {
    case 'uncaught': price(random_int(1, 1000000)); break;
    case 'warning': trigger_error('the stock of ' . random_int(1, 99) . ' is odd', E_USER_WARNING); break;
    case 'memory': $all = str_repeat('x', 1 << 30); break;
    case 'patience': patience(15); break;
}
echo 'done';
"#;
/// What an operator is told of the shop.
fn told(platform: &Platform<'_>, words: &[&str]) -> Value {
    let outcome = platform
        .operator(words.iter().copied().chain(["--output", "json"]))
        .run();
    serde_json::from_str(&outcome.expect(0).stdout).unwrap()
}

/// The group of the shop's errors whose message has this in it.
fn group(platform: &Platform<'_>, words: &str) -> Option<Value> {
    let errors = told(platform, &["errors", NAME, "--all"]);
    let mut groups = errors["groups"].as_array().unwrap().iter();
    let with = |group: &&Value| group["message"].as_str().unwrap().contains(words);
    groups.rfind(with).cloned()
}

/// Makes it go wrong in each pod, in one way.
fn break_it(shop: &Tenant<'_>, how: &str) {
    for pod in shop.pods() {
        let page = format!("/breaks.php?how={how}");
        web::get_from((pod.address, 8080).into(), &page, "").unwrap();
    }
}

fn shop<'a>(platform: &'a Platform<'a>) -> Tenant<'a> {
    platform.class(&Class::php(NAME));
    let shop = platform.tenant(NAME);
    web::write_sources(&shop.module("page"), "first", "");
    fs::write(shop.module("page").join("breaks.php"), BREAKS).unwrap();
    let sequence = shop.publish(&[("page", "")], SPEC);
    shop.register(sequence);
    let domain = json!({ "host": HOST, "primary": true, "certificate": CERTIFICATE });
    shop.open(
        NAME,
        &json!({ "scale": { "min": 2, "max": 2 }, "domains": [domain] }),
    );
    shop.served_by(2);
    shop
}

const SPEC: &str = "shared = [\"media\"]\nwritable = [\"var\"]";

#[test]
fn errors_and_outages_of_a_shop_are_told() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let signed = Signed::until(HOST, outside::CERTIFICATE_END);
    let edge = platform.haproxy();
    platform.bring(CERTIFICATE, &signed);
    let names = NameServer::start(HERE.parse().unwrap());
    names.knows(HOST, outside::address(edge));
    platform.watch(edge, &signed.authority, Some(names.address));
    let shop = shop(&platform);

    // Each kind is one group, whatever the values in it, with the count of all pods.
    for (how, words, severity) in [
        ("uncaught", "no price for product", "fatal"),
        ("warning", "the stock of", "warning"),
        ("memory", "Allowed memory size", "fatal"),
    ] {
        break_it(&shop, how);
        let begin = Instant::now();
        break_it(&shop, how);
        let found = eventually(words, LONG, || {
            let group = group(&platform, words)?;
            let count = group["releases"][0]["count"].as_u64()?;
            (count == 4).then_some(group)
        });
        println!(
            "{how}: its group is there after {:.1} s",
            begin.elapsed().as_secs_f64()
        );
        assert!(begin.elapsed() < VISIBLE, "{found:#}");
        assert_eq!(found["severity"], severity, "{found:#}");
        assert!(!found.to_string().contains("anna@"), "{found:#}");
        let groups = told(&platform, &["errors", NAME, "--all"]);
        let alike = groups["groups"].as_array().unwrap().iter();
        let alike = alike.filter(|group| group["message"] == found["message"]);
        assert_eq!(alike.count(), 1, "{groups:#}");
    }
    slow::request(&platform, &shop);
    resolved(&platform, &shop);
    answers(&platform);
    a_bad_release_goes_back(&platform, &shop);
    slow::release(&platform, &shop);
    outside::certificate(&platform);
    down(&platform, &shop);
    outside::vanishes(&platform, &names, edge);
    away(&platform, &shop);
}

/// Somebody resolves a group, and a newer release has it again.
fn resolved(platform: &Platform<'_>, shop: &Tenant<'_>) {
    let words = "no price for product";
    let before = group(platform, words).unwrap();
    let fingerprint = before["fingerprint"].as_str().unwrap();
    let resolved = told(platform, &["errors", NAME, "--resolve", fingerprint]);
    assert_eq!(resolved["state"], "resolved");
    web::write_sources(&shop.module("page"), "second", "");
    let sequence = shop.publish(&[("page", "")], SPEC);
    shop.register(sequence);
    shop.roll_out(sequence);
    serves(shop, "second");
    break_it(shop, "uncaught");
    let after = eventually("it is back", LONG, || {
        let group = group(platform, words)?;
        (group["state"] == "open").then_some(group)
    });
    assert_eq!(after["fingerprint"], before["fingerprint"]);
    assert_eq!(after["backSince"], sequence, "{after:#}");
    let text = platform.operator(["errors", NAME]).run().expect(0).stdout;
    println!("{text}");
    assert!(
        text.contains(&format!("back since release {sequence}")),
        "{text}"
    );
}

/// How fast it answers is known by release.
fn answers(platform: &Platform<'_>) {
    let found = eventually("requests of two releases", LONG, || {
        let found = told(platform, &["slow", NAME]);
        (found["releases"].as_array()?.len() >= 2).then_some(found)
    });
    let newest = &found["releases"][0];
    assert!(newest["requests"].as_u64() > Some(0), "{found:#}");
    assert!(newest["p95"].as_f64() < Some(5.0), "{found:#}");
    assert!(found["busyWorkers"].as_f64() < Some(1.0), "{found:#}");
    let text = platform.operator(["slow", NAME]).run().expect(0).stdout;
    println!("{text}");
}

/// A release whose pages work for the agent, and throw for visitors, goes back by what they meet.
fn a_bad_release_goes_back(platform: &Platform<'_>, shop: &Tenant<'_>) {
    let bad = BREAKS.replace(
        "no price for product $product",
        "no tax for product $product",
    );
    fs::write(shop.module("page").join("breaks.php"), bad).unwrap();
    web::write_sources(&shop.module("page"), "third", "");
    let sequence = shop.publish(&[("page", "")], SPEC);
    shop.register(sequence);
    let name = shop.release_name(sequence);
    let words = [
        "rollout",
        "start",
        &name,
        "--canary",
        NAME,
        "--wave",
        "100:30m",
        "--evidence",
        "errors",
        "--why",
        "a test of evidence",
    ];
    platform.operator(words).run().expect(0);
    serves(shop, "third");
    let begin = Instant::now();
    let mut errors = 0;
    let status = loop {
        break_it(shop, "uncaught");
        errors += 2;
        let status = platform.cluster.get(&["rollout", &name])["status"].clone();
        if status["phase"] == "Stopped" {
            break status;
        }
        assert!(begin.elapsed() < LONG, "{status:#}");
        std::thread::sleep(Duration::from_millis(500));
    };
    println!(
        "after {errors} visitors met an error the rollout stopped, {:.1} s after the first",
        begin.elapsed().as_secs_f64()
    );
    assert!(begin.elapsed() < STOPPED, "{status:#}");
    let why = status["failed"].to_string();
    assert!(
        why.contains("a fatal error that no release had before") && why.contains("no tax for"),
        "{status:#}"
    );
    serves(shop, "second");
}

/// Waits until both pods serve a release.
fn serves(shop: &Tenant<'_>, release: &str) {
    let entry = format!("entry={release}");
    eventually(&entry, LONG, || {
        let pods = shop.pods();
        let serves = |pod: &Pod| {
            web::get_from((pod.address, 8080).into(), "/", "")
                .is_ok_and(|page| page.body.contains(&entry))
        };
        (pods.len() == 2 && pods.iter().all(serves)).then_some(())
    });
}

/// php hangs in every pod, and then no longer.
fn down(platform: &Platform<'_>, shop: &Tenant<'_>) {
    let uptime = || told(platform, &["uptime", NAME]);
    eventually("its domain answers", LONG, || {
        let probe = uptime()["hosts"][0]["probes"][0].clone();
        (probe["status"] == 200 && probe.get("problem").is_none()).then_some(())
    });
    assert_eq!(uptime()["incidents"], json!([]));
    php(shop, Signal::STOP);
    let begin = Instant::now();
    let incident = eventually("an incident", LONG, || {
        let incident = uptime()["incidents"][0].clone();
        incident.is_object().then_some(incident)
    });
    println!(
        "the incident is there after {:.0} s: {incident}",
        begin.elapsed().as_secs_f64()
    );
    assert!(begin.elapsed() < NOTICED);
    assert_eq!(
        (&incident["cause"], &incident["host"]),
        (&json!("status"), &json!(HOST))
    );
    php(shop, Signal::CONT);
    let text = platform.operator(["uptime", NAME]).run().expect(0).stdout;
    println!("{text}");
    assert!(text.contains("the answer is 503"), "{text}");
}

/// Sends a signal to every process of php-fpm.
fn php(shop: &Tenant<'_>, signal: Signal) {
    for pod in shop.list("web") {
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        let processes = processes_of(uid, "php-fpm8.2");
        assert!(!processes.is_empty(), "{uid}");
        for process in processes {
            let process = Pid::from_raw(process).unwrap();
            kill_process(process, signal).unwrap();
        }
    }
}

/// It is away, which people are told; what happened meanwhile is there once it is back.
fn away(platform: &Platform<'_>, shop: &Tenant<'_>) {
    let cluster = platform.cluster;
    let scale = |replicas: &str| {
        let words = [
            "--namespace",
            WATCH,
            "scale",
            "deployment/longshore-watch",
            replicas,
        ];
        cluster.kubectl(words).run().expect(0);
    };
    scale("--replicas=0");
    eventually("who asks is told", LONG, || {
        let outcome = platform.operator(["errors", NAME]).run();
        (outcome.code() == Some(69) && outcome.stderr.contains("longshore-watch")).then_some(())
    });
    break_it(shop, "warning");
    scale("--replicas=1");
    platform.rolled_out(WATCH, "deployment/longshore-watch");
    eventually("what happened meanwhile", LONG, || {
        let outcome = platform
            .operator(["errors", NAME, "--all", "--output", "json"])
            .run();
        outcome.stdout.contains("the stock of").then_some(())
    });
}
