//! The main road: CI publishes, a pod pulls, CI publishes a change, the pod follows, an operator
//! goes back.

use e2e::{
    peers::Peer,
    s3::{Options, Server},
    shop::{Shop, last_event},
};
use std::path::Path;

fn server() -> Server {
    Server::start(Options::default()).unwrap()
}

fn the_whole_journey(shop: &Shop) {
    let first = shop.publish();
    assert_eq!(
        (&first["outcome"], &first["sequence"]),
        (&"published".into(), &1.into())
    );
    assert_eq!(first["modules"], 3);
    assert_eq!(first["files"], 90);
    assert_eq!(first["reusedBytes"], 0);

    let pulled = last_event(&shop.init("pod").run().expect(0));
    assert_eq!(
        (&pulled["sequence"], &pulled["files"]),
        (&1.into(), &90.into())
    );
    let old = shop.current("pod");
    for path in shop.edit(1, 7, 0.1) {
        assert!(
            old.contains_key(&Path::new("app/code/module1").join(&path)),
            "{}",
            path.display()
        );
    }

    let second = shop.publish();
    assert_eq!(
        (&second["outcome"], &second["sequence"]),
        (&"published".into(), &2.into())
    );
    assert!(
        second["reusedBytes"].as_u64().unwrap() > 0,
        "two modules did not change: {second}"
    );
    shop.init("pod").run().expect(0);
    let new = shop.current("pod");
    assert!(old != new);
    shop.init("fresh").run().expect(0);
    let fresh = shop.current("fresh");
    let differing: Vec<_> = new
        .iter()
        .filter(|(path, entry)| fresh.get(*path) != Some(*entry))
        .collect();
    assert!(
        differing.is_empty() && new.len() == fresh.len(),
        "an update and a cold pull give one tree, mtimes included: {differing:?}"
    );

    shop.longshore(["release", "rollback", "--to", "1", "--sign", "ci.key"])
        .expect(0);
    shop.init("pod").run().expect(0);
    assert!(old == shop.current("pod"));
    assert_eq!(shop.state("pod")["accepted"]["sequence"], 3);

    shop.longshore(["verify", "--deep"]).expect(0);
    let why = shop.longshore(["root", "why", "pod"]).expect(0).stdout;
    assert!(
        why.starts_with("shops/acme sequence 3 runs, and nothing newer is in the store"),
        "{why}"
    );
}

#[test]
fn on_our_server() {
    let server = server();
    the_whole_journey(&Shop::on(&server, 3, 30));
    assert_eq!(server.uploads(), Vec::<String>::new());
}

#[test]
fn on_moto() {
    let moto = Peer::moto("releases");
    the_whole_journey(&Shop::on_peer(&moto, 3, 30));
}

#[test]
#[ignore = "needs MinIO: make interop"]
fn on_minio() {
    let data = e2e::shop::scratch();
    let minio = Peer::minio("releases", data.path());
    the_whole_journey(&Shop::on_peer(&minio, 3, 30));
}

#[test]
fn on_a_directory() {
    the_whole_journey(&Shop::on_disk(3, 30));
}

#[test]
fn a_release_that_is_complete_costs_no_download() {
    let server = server();
    let shop = Shop::on(&server, 2, 20);
    shop.publish();
    shop.init("pod").run().expect(0);
    server.reset_stats();
    let again = last_event(&shop.init("pod").run().expect(0));
    assert_eq!(again["outcome"], "already-active");
    let blobs: u64 = server
        .stats()
        .gets
        .iter()
        .filter(|(key, _)| key.contains("blobs/"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(blobs, 0, "{:?}", server.stats());
}

#[test]
fn publishing_again_changes_nothing_unless_it_is_asked_for() {
    let shop = Shop::on_disk(2, 20);
    assert_eq!(shop.publish()["sequence"], 1);
    assert_eq!(shop.publish()["outcome"], "unchanged");
    let dry = shop
        .longshore([
            "publish",
            "--sign",
            "ci.key",
            "--dry-run",
            "--again",
            "--output",
            "json",
        ])
        .expect(0);
    assert_eq!(e2e::shop::json(&dry)["outcome"], "would-publish");
    assert_eq!(shop.publish()["outcome"], "unchanged");
    let again = shop
        .longshore(["publish", "--sign", "ci.key", "--again", "--output", "json"])
        .expect(0);
    assert_eq!(e2e::shop::json(&again)["sequence"], 2);
}

#[test]
fn a_pod_that_starts_again_asks_one_question() {
    let server = server();
    let shop = Shop::on(&server, 2, 20);
    shop.publish();
    shop.init("pod").run().expect(0);
    let requests = || {
        server.reset_stats();
        let ended = last_event(&shop.init("pod").run().expect(0));
        let stats = server.stats();
        assert_eq!(ended["requests"], stats.total());
        (ended["outcome"].as_str().unwrap().to_owned(), stats)
    };
    let (outcome, stats) = requests();
    assert_eq!(
        (outcome.as_str(), stats.total(), stats.statuses[&304]),
        ("already-active", 1, 1),
        "{stats:?}"
    );
    let [(key, 1)] = stats
        .gets
        .iter()
        .map(|(key, count)| (key.as_str(), *count))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{stats:?}")
    };
    assert!(key.ends_with("channels/shops/acme/release.json"));

    shop.edit(1, 1, 0.1);
    shop.publish();
    let (outcome, stats) = requests();
    assert_eq!(
        (outcome.as_str(), stats.gets[key]),
        ("fresh", 1),
        "what came with the answer is not read again: {stats:?}"
    );
    assert_eq!(requests().1.total(), 1);

    std::fs::remove_file(shop.path("pod/seen.json")).unwrap();
    let (outcome, stats) = requests();
    assert_eq!(
        (outcome.as_str(), stats.total()),
        ("already-active", 2),
        "head and next trust root: {stats:?}"
    );
    assert_eq!(requests().1.total(), 1);
}
