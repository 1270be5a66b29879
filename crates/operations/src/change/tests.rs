//! What becomes of a change while others write, and of its patch.

use super::*;
use api::fixtures;
use client::scripted::{Script, expect};
use futures_util::StreamExt as _;

const SHOP: &str = "/apis/longshore.dev/v1alpha1/shops/acme";

fn merged(target: &Value, patch: &Value) -> Value {
    let mut target = target.clone();
    merge(&mut target, patch);
    target
}

#[test]
fn a_patch_makes_of_what_was_what_shall_be() {
    for (before, after) in [
        (json!({ "a": 1 }), json!({ "a": 1 })),
        (json!({ "a": 1, "b": 2 }), json!({ "b": 3 })),
        (
            json!({ "a": { "b": [1, 2] } }),
            json!({ "a": { "b": [2] } }),
        ),
        (
            json!({ "a": { "b": 1, "c": 2 } }),
            json!({ "a": { "c": 2 } }),
        ),
        (json!({ "a": { "b": 1 } }), json!({ "a": [] })),
        (json!({ "a": [] }), json!({ "a": { "b": { "c": 1 } } })),
        (json!({}), json!({ "a": { "b": 1 } })),
    ] {
        let patch = merge_patch(&before, &after);
        assert_eq!(merged(&before, &patch), after, "{patch}");
    }
    assert_eq!(
        merge_patch(&json!({ "a": 1 }), &json!({ "a": 1 })),
        json!({})
    );
}

#[test]
fn only_what_a_person_changed_is_in_the_patch() {
    let more = json!({ "config": { "values": { "a/b": "1", "c/d": "2" } } });
    let before = fixtures::shop("acme", more).spec;
    let mut after = before.clone();
    after.config.values.remove("a/b");
    after.scale.max = 8;
    assert_eq!(
        spec_patch(&before, &after).unwrap(),
        json!({ "spec": { "config": { "values": { "a/b": null } }, "scale": { "max": 8 } } })
    );
}

fn at(generation: i64, version: &str) -> Value {
    let meta = json!({ "name": "acme", "generation": generation, "resourceVersion": version });
    json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": meta })
}

#[tokio::test]
async fn a_status_in_between_is_no_change_and_another_persons_change_is() {
    let (get, write) = (format!("GET {SHOP}"), format!("PATCH {SHOP} !dryRun"));
    let conflict = json!({ "kind": "Status", "code": 409, "reason": "Conflict" });
    let script = Script::new([
        expect(&get).answers(at(7, "100")),
        expect(&write).refuses_as(conflict),
        expect(&get).answers(at(7, "101")),
        expect(&write).made_of(|sent| {
            assert_eq!(sent["metadata"]["resourceVersion"], "101");
            assert_eq!(sent["spec"], json!({ "state": "Maintenance" }));
            at(8, "102")
        }),
        expect(&get).answers(at(8, "102")),
    ]);
    let one = Edit {
        shop: "acme".to_owned(),
        generation: 7,
        patch: json!({ "spec": { "state": "Maintenance" } }),
    };
    let first = vec![one.clone()];
    let done: Vec<_> = apply_each(script.cluster(), first, || false)
        .collect()
        .await;
    assert!(matches!(&done[..], [(_, Ok(()))]), "{done:?}");
    let late: Vec<_> = apply_each(script.cluster(), vec![one], || false)
        .collect()
        .await;
    assert!(
        matches!(&late[..], [(_, Err(OperationError::Moved(_)))]),
        "{late:?}"
    );
    script.end();
}

#[tokio::test]
async fn nothing_begins_after_the_stop() {
    let one = Edit {
        shop: "acme".to_owned(),
        generation: 7,
        patch: json!({}),
    };
    let script = Script::new([]);
    let done = apply_each(script.cluster(), vec![one], || true);
    assert!(done.collect::<Vec<_>>().await.is_empty());
    script.end();
}
