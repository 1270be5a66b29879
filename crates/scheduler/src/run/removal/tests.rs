//! A shop that left the registry, from the guard to the last deletion.

use super::*;
use crate::run::testing::{controller, has_workload, now};
use api::fixtures;
use client::scripted::{Script, expect};
use plan::guard::GuardBlock;
use serde_json::json;

const SHOP: &str = "GET /apis/longshore.dev/v1alpha1/shops/gone";
const DEPLOYMENT: &str = "DELETE /apis/apps/v1/namespaces/shop-gone/deployments/web";

async fn taken_down(script: &Script) -> Controller {
    let controller = controller(script);
    has_workload(&controller, "gone");
    take_down(&controller, "gone", &mut BTreeSet::new()).await;
    script.end();
    controller
}

#[tokio::test]
async fn the_registry_is_asked_once_more_and_then_the_workloads_go() {
    let deleted = expect(DEPLOYMENT).made_of(|sent| {
        assert_eq!(sent["preconditions"]["uid"], "uid-gone");
        json!({ "kind": "Status", "status": "Success" })
    });
    let script = Script::new([expect(SHOP).refuses(404, "NotFound", "gone"), deleted]);
    let controller = taken_down(&script).await;
    assert_eq!(controller.counts.deletes.load(Relaxed), 1);
    assert!(controller.lock().live("gone").is_empty());
}

#[tokio::test]
async fn a_shop_that_is_there_or_of_which_nobody_knows_stays() {
    let shop = fixtures::shop("gone", json!({}));
    let shop = serde_json::to_value(shop).expect("a Shop");
    for exchange in [
        expect(SHOP).answers(shop),
        expect(SHOP).refuses(503, "ServiceUnavailable", "later"),
    ] {
        let controller = taken_down(&Script::new([exchange])).await;
        assert_eq!(controller.counts.deletes.load(Relaxed), 0);
    }
}

#[tokio::test]
async fn more_than_may_go_are_held_and_the_last_of_those_that_come_back_stay() {
    let script = Script::new([]);
    let controller = controller(&script);
    let names: Vec<_> = (0..8).map(|index| format!("s{index}")).collect();
    for name in &names {
        has_workload(&controller, name);
    }
    controller.lock().shop(fixtures::shop("other", json!({})));
    let held = decide(&controller, now());
    assert!(
        matches!(
            held,
            Removal::Held(GuardBlock::TooMany {
                missing: 8,
                limit: 5,
                ..
            })
        ),
        "{held:?}"
    );
    // Three are put back: five are no longer too many, and their time begins anew.
    let mut controller = controller;
    controller.settings.grace = jiff::SignedDuration::from_secs(10);
    for name in &names[..3] {
        controller.lock().shop(fixtures::shop(name, json!({})));
    }
    let later = now() + jiff::SignedDuration::from_mins(1);
    assert_eq!(decide(&controller, later), Removal::Nothing);
    let due = decide(&controller, later + jiff::SignedDuration::from_secs(10));
    assert_eq!(due, Removal::Remove(names[3..].to_vec()));
    script.end();
}

#[tokio::test]
async fn a_registry_that_was_not_read_whole_takes_nothing_down() {
    let script = Script::new([]);
    let controller = controller(&script);
    has_workload(&controller, "gone");
    controller.lock().unread.insert("shops");
    assert_eq!(decide(&controller, now()), Removal::Nothing);
    script.end();
}
