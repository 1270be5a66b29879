//! What a watch makes of what the API server tells, whatever becomes of their connection. Shops
//! stand for every kind.

mod config_maps;
mod registry;

use super::testing::{
    SOON, asked, changed, event, failure, hears, listed, lists, lists_on, page, relisted,
    unprepared, value, watches, woken,
};
use super::*;
use crate::run::testing::controller;
use api::fixtures;
use client::scripted::Script;
use serde_json::{Value, json};
use std::{slice, time::Duration};
use tokio::time::{sleep, timeout};

const SHOPS: &str = "/apis/longshore.dev/v1alpha1/shops";
const CLASSES: &str = "/apis/longshore.dev/v1alpha1/shopclasses";

fn shop(name: &str) -> Value {
    value(&fixtures::shop(name, json!({})))
}

/// The same after a person changed it.
fn edited(name: &str) -> Value {
    let mut shop = shop(name);
    shop["metadata"]["generation"] = json!(2);
    shop
}

/// One that no Shop can be made of.
fn unreadable(name: &str) -> Value {
    let mut shop = shop(name);
    shop["spec"]["class"] = json!(5);
    shop
}

fn knows(controller: &Controller, shops: &[&str]) {
    for name in shops {
        controller.lock().shop(fixtures::shop(name, json!({})));
    }
}

fn knows_acme(controller: &Controller) {
    knows(controller, &["acme"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_page_by_page_and_a_shop_that_is_on_none_is_gone() {
    let mut acme = shop("acme");
    acme["metadata"]["managedFields"] = json!([{ "manager": "kubectl", "operation": "Apply" }]);
    let script = Script::new([
        lists(SHOPS).answers(page(&[acme], 7, Some("next"))),
        lists_on(SHOPS).answers(page(&[shop("beta")], 7, None)),
        watches(SHOPS, 7).stays_silent(),
    ]);
    let controller = Arc::new(controller(&script));
    knows(&controller, &["gone"]);
    hears(&script, &controller, shops).await;
    assert_eq!(controller.lock().shops(), ["acme", "beta"]);
    assert_eq!(asked(&controller), ["Slow acme", "Slow beta"]);
    // They would be most of what is held.
    let held = controller.lock().fleet.shops["acme"].clone();
    assert_eq!(held.metadata.managed_fields, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_where_it_ended_and_nothing_is_listed_anew() {
    let script = Script::new([
        lists(SHOPS).answers(page(&[shop("acme")], 7, None)),
        watches(SHOPS, 7).tells([event("ADDED", 8, &shop("beta"))]),
        watches(SHOPS, 8).tells([event("ADDED", 9, &shop("gamma"))]),
        watches(SHOPS, 9).stays_silent(),
    ]);
    let controller = Arc::new(controller(&script));
    knows_acme(&controller);
    hears(&script, &controller, shops).await;
    assert_eq!(controller.lock().shops(), ["acme", "beta", "gamma"]);
    assert_eq!(asked(&controller), ["Urgent beta", "Urgent gamma"]);
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_moves_the_watch_on_and_wakes_nobody() {
    let bookmark = json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": {},
    });
    let script = Script::new([
        lists(SHOPS).answers(page(&[shop("acme")], 7, None)),
        watches(SHOPS, 7).tells([event("BOOKMARK", 30, &bookmark)]),
        watches(SHOPS, 30).stays_silent(),
    ]);
    let controller = Arc::new(controller(&script));
    knows_acme(&controller);
    hears(&script, &controller, shops).await;
    assert_eq!(controller.lock().shops(), ["acme"]);
    assert_eq!(asked(&controller), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_forgot_is_in_its_next_list_and_only_what_differs_reconciles() {
    let before = [shop("acme"), shop("beta"), shop("gone")];
    let after = [shop("acme"), edited("beta"), shop("new")];
    let controller = relisted(SHOPS, (&before, &after), unprepared, shops).await;
    assert_eq!(controller.lock().shops(), ["acme", "beta", "new"]);
    assert_eq!(asked(&controller), ["Slow beta", "Slow new"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_and_a_shop_that_cannot_be_read_stop_nothing_of_what_follows() {
    for between in [
        failure(500, "InternalError"),
        event("MODIFIED", 9, &unreadable("acme")),
    ] {
        let script = Script::new([
            lists(SHOPS).answers(page(&[shop("acme")], 7, None)),
            watches(SHOPS, 7).tells([
                event("ADDED", 8, &shop("beta")),
                between,
                event("ADDED", 10, &shop("gamma")),
            ]),
            watches(SHOPS, 10).stays_silent(),
        ]);
        let controller = Arc::new(controller(&script));
        knows_acme(&controller);
        hears(&script, &controller, shops).await;
        assert_eq!(controller.lock().shops(), ["acme", "beta", "gamma"]);
        assert_eq!(asked(&controller), ["Urgent beta", "Urgent gamma"]);
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_list_and_one_that_cannot_be_read_take_nobody_away_and_count_as_unread() {
    for second in [
        lists_on(SHOPS).refuses(500, "InternalError", "etcd"),
        lists_on(SHOPS).answers(page(&[unreadable("gamma")], 7, None)),
    ] {
        let script = Script::new([
            lists(SHOPS).answers(page(&[shop("beta")], 7, Some("next"))),
            second,
            // The next attempt is not answered.
            lists(SHOPS).stays_silent(),
        ]);
        let controller = Arc::new(controller(&script));
        knows_acme(&controller);
        controller.lock().unread.insert("shops");
        hears(&script, &controller, shops).await;
        assert_eq!(controller.lock().shops(), ["acme"]);
        assert_eq!(asked(&controller), [""; 0]);
        assert!(!controller.complete());
    }
}

#[tokio::test(start_paused = true)]
async fn once_the_last_kind_was_read_every_shop_reconciles_and_every_loop_looks() {
    let php = value(&fixtures::class("php", json!({})));
    for (unread, last) in [(&["classes"][..], true), (&["classes", "shops"][..], false)] {
        let prepare = |controller: &Controller| {
            knows_acme(controller);
            controller.lock().unread.extend(unread);
        };
        let controller = listed(CLASSES, slice::from_ref(&php), prepare, classes).await;
        assert_eq!(controller.complete(), last);
        let expected: &[&str] = if last { &["Slow acme"] } else { &[] };
        assert_eq!(asked(&controller), expected);
        for loops in [&controller.edge, &controller.proofs, &controller.rollouts] {
            assert_eq!(woken(loops), last);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_listed_once_the_list_of_another_one_has_ended() {
    let script = Script::new([
        lists(SHOPS).answers(page(&[shop("acme")], 7, None)),
        watches(SHOPS, 7).stays_silent(),
    ]);
    let controller = Arc::new(controller(&script));
    let turn = controller.lists.acquire().await.unwrap();
    let mut watching = Box::pin(shops(Arc::clone(&controller), CancellationToken::new()));
    // Nobody waits for a turn for longer than 20 s.
    let ended = timeout(Duration::from_secs(10), watching.as_mut()).await;
    assert!(ended.is_err());
    assert_eq!(controller.lock().shops(), [""; 0]);
    drop(turn);
    let ended = timeout(Duration::from_secs(1), watching).await;
    assert!(ended.is_err());
    script.end();
    assert_eq!(controller.lock().shops(), ["acme"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_hears_nothing_ends_when_it_is_asked_to() {
    let script = Script::new([
        lists(SHOPS).answers(page(&[], 7, None)),
        watches(SHOPS, 7).stays_silent(),
    ]);
    let controller = Arc::new(controller(&script));
    let stop = CancellationToken::new();
    let watching = Box::pin(shops(Arc::clone(&controller), stop.clone()));
    let asking = async {
        sleep(Duration::from_secs(10)).await;
        stop.cancel();
    };
    let ended = timeout(SOON, async { tokio::join!(watching, asking) }).await;
    script.end();
    assert!(ended.is_ok());
}
