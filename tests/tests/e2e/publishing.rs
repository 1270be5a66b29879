//! Publishing while things go wrong (row 30 of the fault table): publishers that race, die or meet
//! a full disk never leave a channel on an incomplete release, and a second run finishes what the
//! first one began.

use e2e::{
    peers::Peer,
    process::{Ended, Outcome, Program},
    s3::{Effect, Fault, Faults, Operation, Options, Server},
    shop::{Shop, json, last_event},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{fs, path::Path};

/// How often two publishers race.
const ROUNDS: u64 = 10;

fn server() -> Server {
    Server::start(Options::default()).unwrap()
}

/// Bytes that no compression makes smaller: the cheapest generator that is not seen through.
fn incompressible(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(bytes).collect()
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

/// How many failpoints one publication of a change passes.
fn points(shop: &Shop) -> usize {
    let trace = shop.path("trace");
    shop.edit(0, 0, 1.0);
    publisher(shop)
        .env("FAILPOINT_TRACE", &trace)
        .run()
        .expect(0);
    let names = fs::read_to_string(trace).unwrap();
    for step in ["cli.pack.rename", "store.put", "store.put.done"] {
        assert!(
            names.lines().any(|name| name == step),
            "build with the feature `failpoints`; passed were {names:?}"
        );
    }
    names.lines().count()
}

/// Runs a publisher that does not get further than point `n`, from the state `before`; then the
/// channel is on a complete release, and a second run finishes. Gives the state after that.
fn interrupted(
    shop: &Shop,
    before: &Value,
    n: usize,
    action: &str,
    seed: u64,
    check: fn(&Outcome),
) -> Value {
    shop.edit(0, seed, 1.0);
    check(
        &publisher(shop)
            .env("FAILPOINT", format!("{n}:{action}"))
            .run(),
    );
    let after = verified(shop);
    let again = json(&publisher(shop).run().expect(0));
    if after["sequence"] == before["sequence"] {
        assert_eq!(
            after["manifest"], before["manifest"],
            "point {n}: half a release"
        );
        assert_ne!(
            again["outcome"], "unchanged",
            "point {n}: nothing was moved, so something is left to do"
        );
    } else {
        assert_eq!(
            (&again["outcome"], &again["manifest"]),
            (&"unchanged".into(), &after["manifest"]),
            "point {n}"
        );
    }
    let finally = verified(shop);
    assert_eq!(
        (&finally["sequence"], &finally["manifest"]),
        (&again["sequence"], &again["manifest"]),
        "point {n}"
    );
    let steps = finally["sequence"].as_u64().unwrap() - before["sequence"].as_u64().unwrap();
    assert_eq!(
        steps, 1,
        "point {n}: the second run goes on, it does not begin another release"
    );
    finally
}

fn killed(outcome: &Outcome) {
    assert_eq!(
        outcome.ended,
        Ended::Signal(Signal::KILL.as_raw()),
        "{outcome:#?}"
    );
}

fn at_every_point(shop: &Shop) {
    shop.publish();
    let points = points(shop);
    let mut state = verified(shop);
    for n in 1..=points {
        state = interrupted(shop, &state, n, "kill", 2 * n as u64, killed);
        state = interrupted(shop, &state, n, "eio", 2 * n as u64 + 1, |outcome| {
            assert!(
                outcome.stderr.contains("Input/output error"),
                "{outcome:#?}"
            );
            refused(outcome, 74, "disk");
        });
    }
    tell(2 * points as u64);
}

#[test]
fn a_publisher_that_is_killed_or_fails_at_any_point_on_a_directory_is_finished_by_the_next() {
    at_every_point(&Shop::on_disk(1, 3));
}

#[test]
fn a_publisher_that_is_killed_or_fails_at_any_point_on_s3_is_finished_by_the_next() {
    let server = server();
    at_every_point(&Shop::on(&server, 1, 3));
}

#[test]
fn a_first_publication_that_is_killed_at_any_point_leaves_no_channel_or_a_complete_one() {
    let shop = Shop::on_disk(1, 3);
    let store = |name: &str| format!("file://{}", shop.path(name).display());
    let begin = |name: &str| {
        fs::create_dir(shop.path(name)).unwrap();
        publisher(&shop).env("LONGSHORE_STORE", store(name))
    };
    begin("counted")
        .env("FAILPOINT_TRACE", shop.path("trace"))
        .run()
        .expect(0);
    let counted = fs::read_to_string(shop.path("trace"))
        .unwrap()
        .lines()
        .count();
    for n in 1..=counted {
        let name = format!("store{n}");
        let outcome = begin(&name).env("FAILPOINT", format!("{n}:kill")).run();
        // Two uploads at once race to make the blobs' directories: whether one or both try changes
        // how many points there are.
        if !(n + 4 > counted && outcome.code() == Some(0)) {
            killed(&outcome);
        }
        let verify = || {
            shop.longshore_program(["verify", "--deep"])
                .env("LONGSHORE_STORE", store(&name))
                .run()
        };
        let seen = verify();
        if seen.code() != Some(0) {
            refused(&seen, 64, "channel-missing");
        }
        let again = json(
            &publisher(&shop)
                .env("LONGSHORE_STORE", store(&name))
                .run()
                .expect(0),
        );
        assert_eq!(again["sequence"], 1, "point {n}");
        verify().expect(0);
    }
    tell(counted as u64);
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

fn a_large_file_travels(shop: &Shop) {
    let large = incompressible(17 << 20);
    fs::write(shop.module(1).join("catalogue.bin"), &large).unwrap();
    shop.publish();
    shop.init("pod").run().expect(0);
    assert!(
        fs::read(shop.path("pod/current/app/code/module1/catalogue.bin")).unwrap() == large,
        "other bytes"
    );
    verified(shop);
}

#[test]
fn a_large_blob_goes_in_parts_to_our_server() {
    let server = server();
    a_large_file_travels(&Shop::on(&server, 2, 5));
    assert_eq!(server.stats().of(Operation::UploadPart), 3);
    assert_eq!(server.stats().of(Operation::CompleteMultipartUpload), 1);
    assert_eq!(server.uploads(), Vec::<String>::new());
}

#[test]
fn a_large_blob_goes_in_parts_to_moto() {
    let moto = Peer::moto("releases");
    a_large_file_travels(&Shop::on_peer(&moto, 2, 5));
}

#[test]
fn an_upload_in_parts_that_fails_is_aborted_and_the_next_run_sends_only_the_rest() {
    let server = server();
    let shop = Shop::on(&server, 2, 5);
    let large = incompressible(17 << 20);
    fs::write(shop.module(1).join("catalogue.bin"), &large).unwrap();
    server.fault(
        Fault::new(Effect::access_denied())
            .on(Operation::UploadPart)
            .skip(1),
    );
    refused(&publisher(&shop).run(), 64, "forbidden");
    assert_eq!(
        server.uploads(),
        Vec::<String>::new(),
        "what was sent in parts would cost money for ever"
    );
    refused(&shop.longshore(["verify"]), 64, "channel-missing");
    let there: usize = server
        .keys()
        .iter()
        .filter(|key| key.contains("/blobs/"))
        .map(|key| server.get(key).unwrap().len())
        .sum();
    assert!(there > 0, "the small blobs went at the same time");
    server.set_faults(Faults::default());
    let again = shop.publish();
    assert_eq!(again["reusedBytes"], there);
    assert!(again["uploadedBytes"].as_u64().unwrap() >= large.len() as u64);
    verified(&shop);
}

#[test]
fn a_publisher_that_is_killed_amid_an_upload_in_parts_is_finished_by_the_next() {
    let server = server();
    let shop = Shop::on(&server, 1, 3);
    fs::write(
        shop.module(0).join("catalogue.bin"),
        incompressible(9 << 20),
    )
    .unwrap();
    let trace = shop.path("trace");
    publisher(&shop)
        .env("FAILPOINT_TRACE", &trace)
        .run()
        .expect(0);
    let names = fs::read_to_string(trace).unwrap();
    let parts: Vec<_> = names
        .lines()
        .enumerate()
        .filter(|(_, name)| name.starts_with("store.multipart."))
        .map(|(at, _)| at + 1)
        .collect();
    assert_eq!(parts.len(), 5, "create, two parts, complete, done: {names}");
    let mut state = verified(&shop);
    for (seed, n) in parts.into_iter().enumerate() {
        state = interrupted(&shop, &state, n, "kill", seed as u64, killed);
    }
    tell(5);
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
