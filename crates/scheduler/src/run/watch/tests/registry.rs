//! Whom Shops, classes, releases and rollouts wake, and what is forgotten with them.

use super::*;
use crate::run::testing::now;
use release::{Migration, Sha256};

const RELEASES: &str = "/apis/longshore.dev/v1alpha1/releases";
const ROLLOUTS: &str = "/apis/longshore.dev/v1alpha1/rollouts";

fn with_status(name: &str, status: Value) -> Value {
    let mut shop = shop(name);
    shop["status"] = status;
    shop
}

/// A release of `shops/acme`, as CI makes it.
fn release(sequence: u64) -> Value {
    let stated = release::Release {
        channel: "shops/acme".parse().unwrap(),
        sequence: sequence.try_into().unwrap(),
        created: now(),
        expires: None,
        root_version: 1,
        migration: Migration::None,
        manifest: Sha256::digest(b"manifest"),
        manifest_size: 1,
    };
    let envelope = stated.to_envelope().unwrap().to_json();
    json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Release",
        "metadata": { "name": format!("shops-acme-{sequence}") },
        "spec": {
            "channel": "shops/acme", "sequence": sequence,
            "envelope": String::from_utf8(envelope).unwrap(),
        },
    })
}

/// Two shops wait for the release 43 of `shops/acme`, and two do not.
fn knows_waiting(controller: &Controller) {
    for (name, channel, assigned) in [
        ("new", "shops/acme", None),
        ("told", "shops/acme", Some("shops-acme-43")),
        ("old", "shops/acme", Some("shops-acme-42")),
        ("other", "shops/other", None),
    ] {
        let mut shop = fixtures::shop(name, json!({ "channel": channel }));
        if let Some(release) = assigned {
            let release = json!({ "name": release, "sequence": 1, "manifest": "m" });
            let status = json!({ "release": release });
            shop.status = Some(serde_json::from_value(status).unwrap());
        }
        controller.lock().shop(shop);
    }
}

fn newest(controller: &Controller) -> Option<u64> {
    let state = controller.lock();
    let newest = state.fleet.newest("shops/acme");
    newest.map(|release| release.sequence.get())
}

fn rollout(name: &str) -> Rollout {
    let spec = json!({ "release": "shops-acme-42", "waves": [{ "percent": 100, "soak": "1m" }] });
    Rollout::new(name, serde_json::from_value(spec).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_persons_change_is_urgent_an_assignment_is_not_and_other_statuses_wake_nobody() {
    let assigned = json!({ "name": "shops-acme-42", "sequence": 42, "manifest": "m" });
    for (change, expected, loops) in [
        (edited("acme"), &["Urgent acme"][..], true),
        (
            with_status("acme", json!({ "release": assigned })),
            &["Normal acme"][..],
            false,
        ),
        (
            with_status("acme", json!({ "pods": "2/2" })),
            &[][..],
            false,
        ),
    ] {
        // The first status of all is news.
        let known = [with_status("acme", json!({ "pods": "1/2" })), shop("beta")];
        let change = [("MODIFIED", 8, change)];
        let controller = changed(SHOPS, &known, &change, unprepared, shops).await;
        assert_eq!(asked(&controller), expected);
        let woken = [woken(&controller.edge), woken(&controller.proofs)];
        assert_eq!(woken, [loops; 2], "{expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_reaches_every_shop_that_names_the_host() {
    let all = [
        ("acme", "x.example"),
        ("beta", "x.example"),
        ("gamma", "y.example"),
    ];
    let all = all.map(|(name, host)| {
        let mut shop = fixtures::shop(name, json!({ "domains": [{ "host": host }] }));
        // Only a Shop that is stored needs a proof.
        shop.metadata.uid = Some(name.to_owned());
        value(&shop)
    });
    let mut proven = all[0].clone();
    proven["status"] = json!({ "provenHosts": ["x.example"] });
    let prepare = |controller: &Controller| {
        let asks = fixtures::class("php", json!({ "domainProof": {} }));
        controller.lock().class(asks);
    };
    let change = [("MODIFIED", 8, proven)];
    let controller = changed(SHOPS, &all, &change, prepare, shops).await;
    assert_eq!(asked(&controller), ["Urgent acme", "Urgent beta"]);
    assert!(woken(&controller.edge) && woken(&controller.proofs));
    let owner = controller
        .lock()
        .claims
        .owner_of_host("x.example")
        .map(str::to_owned);
    assert_eq!(owner.as_deref(), Some("acme"));
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_is_deleted_no_longer_waits_for_its_turn_and_its_host_is_free() {
    let changes = [
        ("MODIFIED", 8, edited("acme")),
        ("DELETED", 9, edited("acme")),
    ];
    for changes in [&changes[..], &changes[1..]] {
        let controller = changed(SHOPS, &[shop("acme")], changes, unprepared, shops).await;
        assert_eq!(asked(&controller), [""; 0]);
        assert!(woken(&controller.edge));
        let state = controller.lock();
        assert_eq!(state.shops(), [""; 0]);
        assert_eq!(state.claims.owner_of_host("acme.example"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_that_changed_has_its_shops_reconcile_and_its_status_wakes_nobody() {
    let php = value(&fixtures::class("php", json!({})));
    let images = json!({ "longshore": "l@sha256:1", "shop": "s@sha256:0" });
    let edited = value(&fixtures::class("php", json!({ "images": images })));
    let mut counted = php.clone();
    counted["status"] = json!({ "shops": 1, "ready": 1 });
    for (change, expected) in [(edited, &["Slow acme"][..]), (counted, &[][..])] {
        let prepare = |controller: &Controller| {
            knows_acme(controller);
            let other = fixtures::shop("other", json!({ "class": "other" }));
            controller.lock().shop(other);
        };
        let change = [("MODIFIED", 8, change)];
        let known = slice::from_ref(&php);
        let controller = changed(CLASSES, known, &change, prepare, classes).await;
        assert_eq!(asked(&controller), expected);
        let woken = [woken(&controller.edge), woken(&controller.proofs)];
        assert_eq!(woken, [!expected.is_empty(); 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_that_is_gone_is_forgotten_and_its_shops_stay_as_they_are() {
    let php = value(&fixtures::class("php", json!({})));
    let known = slice::from_ref(&php);
    let deleted = [("DELETED", 8, php.clone())];
    let told = changed(CLASSES, known, &deleted, knows_acme, classes).await;
    // While nobody watched.
    let missed = listed(CLASSES, &[], knows_acme, classes).await;
    for controller in [told, missed] {
        assert!(controller.lock().fleet.classes.is_empty());
        assert_eq!(asked(&controller), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_wakes_the_shops_that_wait_for_it_and_no_others() {
    let known = [release(41), release(42)];
    let added = [("ADDED", 8, release(43))];
    let controller = changed(RELEASES, &known, &added, knows_waiting, releases).await;
    assert_eq!(newest(&controller), Some(43));
    assert_eq!(asked(&controller), ["Normal new", "Normal told"]);
}

#[tokio::test(start_paused = true)]
async fn what_we_write_of_a_release_wakes_nobody_and_is_held() {
    let mut written = release(43);
    let build = json!({ "class": "php", "job": "j", "state": "Done", "since": "then" });
    written["status"] = json!({ "builds": [build] });
    let written = [("MODIFIED", 8, written)];
    let known = [release(43)];
    let controller = changed(RELEASES, &known, &written, knows_waiting, releases).await;
    assert_eq!(asked(&controller), [""; 0]);
    let status = controller.lock().release_statuses["shops-acme-43"].clone();
    assert_eq!(status.builds.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn before_everything_was_read_a_release_wakes_nobody() {
    let prepare = |controller: &Controller| {
        knows_waiting(controller);
        controller.lock().unread.insert("shops");
    };
    let added = [("ADDED", 8, release(43))];
    let controller = changed(RELEASES, &[], &added, prepare, releases).await;
    assert_eq!(newest(&controller), Some(43));
    assert_eq!(asked(&controller), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_gone_is_no_longer_the_newest() {
    let known = [release(42), release(43)];
    let deleted = [("DELETED", 8, release(43))];
    let controller = changed(RELEASES, &known, &deleted, unprepared, releases).await;
    assert_eq!(newest(&controller), Some(42));
    let statuses = controller.lock().release_statuses.clone();
    assert_eq!(statuses.keys().collect::<Vec<_>>(), ["shops-acme-42"]);
    // While nobody watched: this controller begins with 41 and 42.
    let controller = listed(RELEASES, &[release(41)], unprepared, releases).await;
    assert_eq!(newest(&controller), Some(41));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_cannot_be_read_is_on_record_until_it_is_gone() {
    let mut torn = release(43);
    torn["spec"]["envelope"] = json!("{}");
    let changes = [("ADDED", 8, torn.clone()), ("DELETED", 9, torn.clone())];
    let controller = changed(RELEASES, &[], &changes[..1], unprepared, releases).await;
    let why = controller.lock().unreadable["shops-acme-43"].clone();
    assert!(why.contains("spec.envelope"), "{why}");
    let told = changed(RELEASES, &[], &changes, unprepared, releases).await;
    // While nobody watched.
    let missed = relisted(RELEASES, (&[torn], &[]), unprepared, releases).await;
    for controller in [told, missed] {
        let state = controller.lock();
        assert!(state.unreadable.is_empty() && state.release_statuses.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_wakes_its_loop_and_one_that_is_gone_is_forgotten() {
    let names = |controller: &Controller| -> Vec<String> {
        controller.lock().fleet.rollouts.keys().cloned().collect()
    };
    let (old, new) = (value(&rollout("old")), value(&rollout("new")));
    let changes = [("ADDED", 8, new.clone()), ("DELETED", 9, old.clone())];
    let known = slice::from_ref(&old);
    let told = changed(ROLLOUTS, known, &changes, unprepared, rollouts).await;
    // While nobody watched.
    let lists = (known, slice::from_ref(&new));
    let missed = relisted(ROLLOUTS, lists, unprepared, rollouts).await;
    for controller in [told, missed] {
        assert_eq!(names(&controller), ["new"]);
        assert!(woken(&controller.rollouts));
        assert_eq!(asked(&controller), [""; 0]);
    }
}
