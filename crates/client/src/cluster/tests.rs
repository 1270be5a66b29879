//! Calls against a scripted API server.

use super::*;
use crate::scripted::{Script, expect, list};
use crate::{KINDS, Kind, SHOP};

fn namespaces() -> &'static Kind {
    &KINDS[0]
}

/// What a list tells of a namespace of ours.
fn namespace(shop: &str) -> Value {
    json!({ "name": format!("shop-{shop}"), "uid": shop, "labels": { SHOP: shop } })
}

/// The shops whose namespaces are found.
async fn found(script: &Script) -> Vec<String> {
    let live = script.cluster().live(namespaces(), None).await;
    script.end();
    live.expect("a list")
        .into_iter()
        .map(|(shop, ..)| shop)
        .collect()
}

const LIST: &str = "GET /api/v1/namespaces limit=200";

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let script = Script::new([
        expect(LIST).answers(list(&[namespace("a"), namespace("b")], Some("next"))),
        expect(&format!("{LIST} continue=next")).answers(list(&[namespace("c")], None)),
    ]);
    assert_eq!(found(&script).await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_place_was_forgotten_begins_again_and_gives_nothing_twice() {
    let forgotten = || expect(&format!("{LIST} continue=old")).refuses(410, "Expired", "too old");
    // It is tried again for as long as a call may take: a stale place does not come back.
    let script = Script::new([
        expect(LIST).answers(list(&[namespace("a")], Some("old"))),
        forgotten(),
        expect(LIST).answers(list(&[namespace("a"), namespace("b")], None)),
    ]);
    let cluster = script.cluster().patient(Duration::ZERO);
    let live = cluster.live(namespaces(), None).await.expect("a list");
    script.end();
    let shops: Vec<_> = live.into_iter().map(|(shop, ..)| shop).collect();
    assert_eq!(shops, ["a", "b"]);
}

#[tokio::test]
async fn what_is_not_of_a_shop_is_left_out() {
    let script = Script::new([
        expect(LIST).answers(list(&[json!({ "name": "edge" }), namespace("a")], None))
    ]);
    assert_eq!(found(&script).await, ["a"]);
}

#[tokio::test]
async fn a_kind_that_a_cluster_may_lack_has_no_objects() {
    let route = KINDS.iter().find(|kind| kind.optional).expect("HTTPRoute");
    let path = "GET /apis/gateway.networking.k8s.io/v1/httproutes";
    let script = Script::new([expect(path).refuses(404, "NotFound", "no such kind")]);
    let live = script.cluster().live(route, None).await;
    script.end();
    assert!(live.expect("no objects").is_empty());
    // A missing kind that every cluster has is an error.
    let script = Script::new([expect(LIST).refuses(404, "NotFound", "no such kind")]);
    assert!(script.cluster().live(namespaces(), None).await.is_err());
    script.end();
}

#[tokio::test]
async fn a_change_of_one_version_is_made_once_or_not_at_all() {
    for (answer, made) in [
        (
            expect("PATCH /apis/longshore.dev/v1alpha1/shops/acme").stores(),
            true,
        ),
        (
            expect("PATCH /apis/longshore.dev/v1alpha1/shops/acme")
                .refuses(409, "Conflict", "changed"),
            false,
        ),
        (
            expect("PATCH /apis/longshore.dev/v1alpha1/shops/acme")
                .refuses(404, "NotFound", "gone"),
            false,
        ),
    ] {
        let script = Script::new([answer]);
        let patch = json!({ "metadata": { "annotations": { "a": "b" } } });
        let changed = script.cluster().merge_if(&shop("acme"), "7", patch).await;
        script.end();
        assert_eq!(changed.expect("an answer"), made);
    }
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_gives_what_would_be() {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop-acme" },
    }))
    .expect("an object");
    let script =
        Script::new([expect("PATCH /api/v1/namespaces/shop-acme dryRun=All !force=true").stores()]);
    let after = script
        .cluster()
        .try_apply(&Object::dynamic(&object), Conflicts::Refuse)
        .await;
    script.end();
    assert_eq!(after.expect("an object")["metadata"]["name"], "shop-acme");
}
