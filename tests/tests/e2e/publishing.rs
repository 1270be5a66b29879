//! Publishing while things go wrong (row 30 of the fault table): publishers that race, die or meet
//! a full disk never leave a channel on an incomplete release, and a second run finishes what the
//! first one began.

mod interrupted;
mod parts;

use e2e::{
    process::{Outcome, Program},
    s3::{Options, Server},
    shop::{Shop, json, last_event},
};
use serde_json::Value;
use std::{fs, path::Path};

/// How often two publishers race.
const ROUNDS: u64 = 10;

fn server() -> Server {
    Server::start(Options::default()).unwrap()
}

/// A publisher whose scratch files die with the shop, also when it is killed.
fn publisher(shop: &Shop) -> Program {
    shop.publisher().env("TMPDIR", shop.path(""))
}

/// Counts in class 30 of the fault loops.
fn tell(tries: u64) {
    let tries = u32::try_from(tries).unwrap();
    e2e::faults::tell(30, tries, tries).unwrap();
}

/// What is in force, once every digest was checked.
#[track_caller]
fn verified(shop: &Shop) -> Value {
    json(
        &shop
            .longshore(["verify", "--deep", "--output", "json"])
            .expect(0),
    )
}

#[track_caller]
fn refused(outcome: &Outcome, code: i32, reason: &str) {
    assert_eq!(outcome.code(), Some(code), "{outcome:#?}");
    assert!(
        outcome
            .stderr
            .lines()
            .last()
            .unwrap()
            .contains(&format!("[reason: {reason}]")),
        "{outcome:#?}"
    );
}

fn two_publishers_race(shop: &Shop) {
    let toml = fs::read_to_string(shop.path("longshore.toml")).unwrap();
    let parts: Vec<_> = toml.split_inclusive("[[module]]").collect();
    // Each has a module of its own, and both have the third.
    let mine = |module: usize| [parts[0], parts[module], parts[3]].concat();
    let specs = [("one.toml", mine(1)), ("two.toml", mine(2))];
    let publish = |spec| {
        shop.longshore_program([
            "publish", "--sign", "ci.key", "--output", "json", "--spec", spec,
        ])
    };
    let mut conflicts = 0;
    for round in 0..ROUNDS {
        for (module, (name, text)) in specs.iter().enumerate() {
            shop.edit(module, round, 1.0);
            fs::write(shop.path(name), text).unwrap();
        }
        let running = specs.each_ref().map(|(name, _)| publish(name).start());
        let mut published = Vec::new();
        for outcome in running.map(e2e::process::Running::wait) {
            if outcome.code() == Some(0) {
                published.push(json(&outcome));
            } else {
                refused(&outcome, 75, "conflict");
                conflicts += 1;
            }
        }
        let last = published
            .iter()
            .max_by_key(|published| published["sequence"].as_u64())
            .expect("one of the two wins");
        let now = verified(shop);
        assert_eq!(
            (&now["sequence"], &now["manifest"]),
            (&last["sequence"], &last["manifest"]),
            "{published:?}"
        );
    }
    assert!(conflicts > 0, "{ROUNDS} rounds, and the two never met");
    for (name, _) in &specs {
        publish(name).run().expect(0);
    }
    tell(ROUNDS);
}

#[test]
fn of_two_publishers_that_race_on_a_directory_one_wins() {
    two_publishers_race(&Shop::on_disk(3, 8));
}

#[test]
fn of_two_publishers_that_race_on_s3_one_wins() {
    let server = server();
    two_publishers_race(&Shop::on(&server, 3, 8));
}

#[test]
fn only_what_changed_is_uploaded() {
    let server = server();
    let shop = Shop::on(&server, 4, 10);
    let first = shop.publish();
    assert_eq!(
        server.stats().puts.len(),
        4 + 1 + 1 + 2,
        "four modules, manifest, trust root, release and channel"
    );
    shop.edit(2, 1, 1.0);
    server.reset_stats();
    let second = shop.publish();
    let puts = server.stats().puts;
    let blobs: Vec<_> = puts.keys().filter(|key| key.contains("/blobs/")).collect();
    assert_eq!(
        (puts.len(), blobs.len()),
        (4, 2),
        "one module and the manifest, release and channel: {puts:?}"
    );
    let total = |summary: &Value| {
        summary["uploadedBytes"].as_u64().unwrap() + summary["reusedBytes"].as_u64().unwrap()
    };
    assert!(second["uploadedBytes"].as_u64() < first["uploadedBytes"].as_u64());
    let stored: usize = blobs
        .iter()
        .map(|key| {
            server
                .get(key.trim_start_matches("releases/"))
                .unwrap()
                .len()
        })
        .sum();
    assert_eq!(second["uploadedBytes"], stored);
    assert!(total(&second) > stored as u64);
}

/// The keys of a server's bucket, to see that a refused publication left nothing.
fn refused_before_anything_is_uploaded(
    server: &Server,
    outcome: &Outcome,
    code: i32,
    reason: &str,
    keys: &[String],
) {
    refused(outcome, code, reason);
    assert_eq!(server.keys(), keys);
}

#[test]
fn a_publication_that_no_pod_would_take_uploads_nothing() {
    let server = server();
    let shop = Shop::on(&server, 1, 5);
    shop.longshore(["key", "generate", "other"]).expect(0);
    let both = [
        "--key",
        "ci.pub",
        "--key",
        "other.pub",
        "--threshold",
        "2",
        "--sign",
        "ci.key",
        "--sign",
        "other.key",
    ];
    shop.longshore(
        ["trust", "new"]
            .into_iter()
            .chain(both)
            .chain(["--out", "two.root.json"]),
    )
    .expect(0);
    let one = |trust: &str, key: &str| shop.longshore(["publish", "--trust", trust, "--sign", key]);
    refused_before_anything_is_uploaded(
        &server,
        &one("two.root.json", "ci.key"),
        65,
        "threshold",
        &[],
    );
    let twice = shop.longshore([
        "publish",
        "--trust",
        "two.root.json",
        "--sign",
        "ci.key",
        "--sign",
        "ci.key",
    ]);
    refused_before_anything_is_uploaded(&server, &twice, 65, "threshold", &[]);
    refused_before_anything_is_uploaded(
        &server,
        &one("1.root.json", "other.key"),
        65,
        "signature",
        &[],
    );

    shop.publish();
    shop.edit(0, 1, 1.0);
    let keys = server.keys();
    let other = [
        "publish",
        "--trust",
        "two.root.json",
        "--sign",
        "ci.key",
        "--sign",
        "other.key",
    ];
    refused_before_anything_is_uploaded(&server, &shop.longshore(other), 65, "root-chain", &keys);
}

#[test]
fn pods_walk_to_a_rotated_root_that_a_publication_brings() {
    let shop = Shop::on_disk(1, 5);
    shop.publish();
    shop.init("pod").run().expect(0);
    shop.longshore(["key", "generate", "next"]).expect(0);
    let rotate = [
        "trust",
        "rotate",
        "1.root.json",
        "--key",
        "next.pub",
        "--sign",
        "ci.key",
        "--sign",
        "next.key",
        "--out",
        "2.root.json",
    ];
    shop.longshore(rotate).expect(0);
    shop.edit(0, 1, 1.0);
    let second = shop.longshore([
        "publish",
        "--trust",
        "2.root.json",
        "--sign",
        "next.key",
        "--output",
        "json",
    ]);
    assert_eq!(json(&second.expect(0))["sequence"], 2);
    assert!(Path::new(&shop.path("store/trust/2.root.json")).is_file());

    // Both hold version 1 of the root: the pod that ran the first release, and one that never saw
    // it.
    for pod in ["pod", "fresh"] {
        assert_eq!(last_event(&shop.init(pod).run().expect(0))["sequence"], 2);
        assert_eq!(shop.state(pod)["accepted"]["rootVersion"], 2);
    }
    shop.edit(0, 2, 1.0);
    refused(
        &shop.longshore(["publish", "--sign", "ci.key"]),
        65,
        "signature",
    );
    assert_eq!(
        json(&shop.longshore(["verify", "--output", "json"]).expect(0))["sequence"],
        2
    );
}
