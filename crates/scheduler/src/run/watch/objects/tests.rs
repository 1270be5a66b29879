//! What is held of objects whose metadata alone is watched, and whom they wake. ConfigMaps stand
//! for every kind.

use super::*;
use crate::run::{
    testing::{controller, has_workload},
    watch::testing::{
        asked, at, changed, hears, kind, listed, lists, lists_on, ours, relisted, unprepared,
        watches, woken,
    },
};
use api::{
    APPLIED, Identity, ObjectMetaSummary,
    edge::{NAMESPACE, shard_name},
    fixtures::live,
    namespace,
};
use client::{
    SHOP,
    scripted::{Script, list},
};
use jiff::Timestamp;
use release::Sha256;
use serde_json::{Value, json};
use std::slice;

fn path() -> String {
    ours(kind("ConfigMap"))
}

async fn maps(controller: Arc<Controller>, stop: CancellationToken) {
    objects(controller, kind("ConfigMap"), stop).await;
}

/// The ConfigMap `release` of a shop, for which `applied` was asked.
fn map(shop: &str, applied: &str) -> Value {
    let digest = Sha256::digest(applied.as_bytes());
    json!({ "metadata": {
        "name": "release", "namespace": namespace(shop), "uid": format!("uid-{shop}"),
        "labels": { (SHOP): shop }, "annotations": { (APPLIED): digest.to_string() },
    }})
}

fn identity(shop: &str) -> Identity {
    kind("ConfigMap").identity(Some(namespace(shop)), "release".to_owned())
}

/// The scheduler wrote `two`, which made the version 8.
fn wrote(controller: &Controller, shops: &[&str]) {
    for shop in shops {
        let live = ObjectMetaSummary {
            version: "8".to_owned(),
            applied: Some(Sha256::digest(b"two")),
            ..live(shop, Timestamp::UNIX_EPOCH)
        };
        let written = vec![(identity(shop), live)];
        controller.lock().wrote(shop, written, &[]);
    }
}

fn wrote_acme(controller: &Controller) {
    wrote(controller, &["acme"]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_edits_has_its_shop_reconcile_and_what_we_wrote_does_not() {
    for (version, applied, expected) in [
        (9_usize, "two", &["Normal acme"][..]),
        (9, "three", &["Normal acme"][..]),
        (8, "two", &[][..]),
        (7, "one", &[][..]),
    ] {
        let known = [at(8, &map("acme", "two"))];
        let change = [("MODIFIED", version, map("acme", applied))];
        let controller = changed(&path(), &known, &change, wrote_acme, maps).await;
        assert_eq!(asked(&controller), expected, "{version} {applied}");
        let held = controller.lock().live("acme")[&identity("acme")].clone();
        assert_eq!(held.version, version.max(8).to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_has_its_shop_reconcile() {
    let known = at(8, &map("acme", "two"));
    let deleted = [("DELETED", 9, known.clone())];
    let known = slice::from_ref(&known);
    let controller = changed(&path(), known, &deleted, unprepared, maps).await;
    assert_eq!(asked(&controller), ["Normal acme"]);
    assert!(controller.lock().world.is_empty());
    assert!(!woken(&controller.edge));
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_no_shop_or_has_no_name_wakes_nobody() {
    let (mut foreign, mut nameless) = (map("acme", "two"), map("acme", "two"));
    foreign["metadata"]["labels"] = json!({});
    nameless["metadata"]["name"] = Value::Null;
    let changes = [
        ("ADDED", 8, foreign.clone()),
        ("ADDED", 9, nameless),
        ("DELETED", 10, foreign),
    ];
    let controller = changed(&path(), &[], &changes, unprepared, maps).await;
    assert_eq!(asked(&controller), [""; 0]);
    assert!(controller.lock().world.is_empty());
    assert!(!woken(&controller.edge));
}

#[tokio::test(start_paused = true)]
async fn a_shard_of_the_edges_maps_wakes_the_loop_that_keeps_them_and_no_shop() {
    let of_edge = |name: &str| {
        let metadata = json!({ "name": name, "namespace": NAMESPACE, "uid": "u" });
        json!({ "metadata": metadata })
    };
    let (shard, other) = (of_edge(&shard_name(5)), of_edge("acme"));
    for (change, version, object, wakes) in [
        ("MODIFIED", 9, &shard, true),
        ("MODIFIED", 8, &shard, false),
        ("DELETED", 9, &shard, true),
        ("MODIFIED", 9, &other, false),
        ("DELETED", 9, &other, false),
    ] {
        let known = [at(8, &shard), at(8, &other)];
        let changes = [(change, version, object.clone())];
        let controller = changed(&path(), &known, &changes, unprepared, maps).await;
        assert_eq!(woken(&controller.edge), wakes, "{changes:?}");
        assert_eq!(asked(&controller), [""; 0]);
    }
    let missed = relisted(&path(), (&[at(8, &shard)], &[]), unprepared, maps).await;
    assert!(missed.lock().edge.unused());
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_page_by_page() {
    let metadata = |shop: &str| map(shop, "two")["metadata"].clone();
    let script = Script::new([
        lists(&path()).answers(list(&[metadata("acme")], Some("next"))),
        lists_on(&path()).answers(list(&[metadata("beta")], None)),
        // Lists of the script are of this version.
        watches(&path(), 1).stays_silent(),
    ]);
    let controller = Arc::new(controller(&script));
    hears(&script, &controller, maps).await;
    assert_eq!(asked(&controller), ["Normal acme", "Normal beta"]);
    assert_eq!(controller.lock().world.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_list_takes_away_what_it_lacks_of_its_own_kind_alone() {
    for (unread, expected) in [(None, &["Normal acme"][..]), (Some("Service"), &[][..])] {
        let prepare = |controller: &Controller| {
            has_workload(controller, "acme");
            wrote(controller, &["acme", "beta"]);
            // Until everything was read, nobody is asked for: then every shop reconciles.
            controller.lock().unread.extend(unread);
        };
        let rest = [at(8, &map("beta", "two"))];
        let controller = listed(&path(), &rest, prepare, maps).await;
        assert_eq!(asked(&controller), expected);
        let state = controller.lock();
        let left: Vec<_> = state.world["acme"].keys().map(|it| &*it.kind).collect();
        assert_eq!(left, ["Deployment"]);
        assert!(state.world["beta"].contains_key(&identity("beta")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_while_nobody_watched_has_its_shop_reconcile() {
    let both = [at(8, &map("acme", "two")), at(8, &map("beta", "two"))];
    let controller = relisted(&path(), (&both, &both[1..]), unprepared, maps).await;
    assert_eq!(asked(&controller), ["Normal acme"]);
    let state = controller.lock();
    assert_eq!(state.world.keys().collect::<Vec<_>>(), ["beta"]);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_cannot_be_read_stops_nothing_of_what_follows() {
    let mut torn = map("acme", "three");
    torn["metadata"]["labels"] = json!(5);
    let changes = [("MODIFIED", 9, torn), ("ADDED", 10, map("beta", "two"))];
    let known = [at(8, &map("acme", "two"))];
    let controller = changed(&path(), &known, &changes, wrote_acme, maps).await;
    assert_eq!(asked(&controller), ["Normal beta"]);
    let held = controller.lock().live("acme")[&identity("acme")].clone();
    assert_eq!(held.applied, Some(Sha256::digest(b"two")));
}
