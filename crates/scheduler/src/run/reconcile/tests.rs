//! A shop's way through the five stages.

use super::*;
use crate::run::testing::{controller, has_acme, now};
use ::render::assign::{Circumstances, Resolution, desired};
use api::{Object, Truth, claims::Claims};
use client::scripted::{Exchange, Script, expect, path};
use std::sync::atomic::Ordering::Relaxed;

const STATUS: &str = "PATCH /apis/longshore.dev/v1alpha1/shops/acme/status";

/// What the shop is made of.
fn objects() -> Vec<Object> {
    let controller = controller(&Script::new([]));
    has_acme(&controller, 42);
    let state = controller.lock();
    let acme = &state.fleet.shops["acme"];
    let found = Resolution::new("acme", acme, &state.fleet);
    let claims = Claims::default();
    desired(&found, &claims, &Circumstances::recorded(acme), now()).expect("objects")
}

fn written(object: &Object) -> Exchange {
    expect(&format!("PATCH {}", path(object.identity()))).stores()
}

/// The status is written, and its condition `Applied` is this.
fn told(truth: Truth, reason: &'static str) -> Exchange {
    expect(STATUS).made_of(move |sent| {
        let status: api::ShopStatus =
            serde_json::from_value(sent["status"].clone()).expect("a status");
        let applied = status.conditions.iter().find(|it| it.kind == "Applied");
        let applied = applied.expect("the condition");
        assert_eq!(
            (applied.status, &*applied.reason),
            (truth, reason),
            "{applied:?}"
        );
        sent
    })
}

/// People are warned by an event.
fn warned() -> Exchange {
    expect("POST /apis/events.k8s.io/v1/namespaces/default/events").made_of(|event| {
        assert_eq!(event["type"], "Warning");
        event
    })
}

#[tokio::test]
async fn every_object_is_written_in_its_order_and_then_the_status() {
    let all = objects();
    let exchanges = all.iter().map(written);
    let exchanges = exchanges.chain([told(Truth::True, "Applied")]);
    let script = Script::new(exchanges);
    let controller = controller(&script);
    has_acme(&controller, 42);
    let audits = Audits::default();
    let ended = stages(&controller, &audits, "acme").await;
    script.end();
    assert!(ended.is_ok());
    assert_eq!(controller.counts.writes.load(Relaxed), all.len() as u64);

    // A second pass finds everything as it should be, and writes nothing.
    let ended = stages(&controller, &audits, "acme").await;
    script.end();
    assert!(ended.is_ok());
    assert_eq!(controller.counts.writes.load(Relaxed), all.len() as u64);
}

#[tokio::test]
async fn what_is_refused_ends_the_writes_and_is_in_the_status() {
    let all = objects();
    let refused = expect(&format!("PATCH {}", path(all[1].identity())));
    let script = Script::new([
        written(&all[0]),
        refused.refuses(422, "Invalid", "spec is wrong"),
        told(Truth::False, "Refused"),
        warned(),
    ]);
    let controller = controller(&script);
    has_acme(&controller, 42);
    let ended = stages(&controller, &Audits::default(), "acme").await;
    script.end();
    assert_eq!(ended.expect("it ends"), ReconcileEnd::Failed);
}

#[tokio::test]
async fn a_shop_whose_class_is_missing_keeps_what_it_has() {
    let script = Script::new([told(Truth::False, "NotRendered"), warned()]);
    let controller = controller(&script);
    has_acme(&controller, 42);
    controller.lock().class_left("php");
    let ended = stages(&controller, &Audits::default(), "acme").await;
    script.end();
    assert_eq!(ended.expect("it ends"), ReconcileEnd::Failed);
    assert_eq!(controller.counts.deletes.load(Relaxed), 0);
}

#[tokio::test]
async fn a_shop_that_is_in_no_registry_is_nothing_to_reconcile() {
    let script = Script::new([]);
    let ended = stages(&controller(&script), &Audits::default(), "gone").await;
    script.end();
    assert_eq!(ended.expect("it ends"), ReconcileEnd::Settled);
}
