//! A rollout, from what is seen to what is written.

use super::*;
use crate::run::{
    halt::HaltState,
    testing::{controller, has_acme},
};
use api::{Rollout, RolloutSpec, ShopRelease};
use client::scripted::{Exchange, Script, expect, list};
use serde_json::{Value, json};

const SHOP: &str = "PATCH /apis/longshore.dev/v1alpha1/shops/acme/status";
const ROLLOUT: &str = "PATCH /apis/longshore.dev/v1alpha1/rollouts/r/status";

/// A rollout of the release 42 to all shops at once, which has begun.
fn rollout() -> Rollout {
    let spec = json!({ "release": "shops-acme-42", "waves": [{ "percent": 100, "soak": "1m" }] });
    let spec: RolloutSpec = serde_json::from_value(spec).expect("a spec");
    let mut rollout = Rollout::new("r", spec);
    let status = json!({ "phase": "Moving", "wave": 1 });
    rollout.status = Some(serde_json::from_value(status).expect("a status"));
    rollout
}

fn event(reason: &'static str) -> Exchange {
    expect("POST /apis/events.k8s.io/v1/namespaces/default/events").made_of(move |event| {
        assert_eq!(event["reason"], reason);
        event
    })
}

fn records(check: impl Fn(&Value) + Send + 'static) -> Exchange {
    expect(ROLLOUT).made_of(move |sent| {
        check(&sent["status"]);
        sent
    })
}

/// The controller with the shop on `sequence`, and a rollout; what a step of it asks and writes.
async fn stepped(sequence: u64, script: &Script) -> (Controller, Option<ShopRelease>) {
    let controller = controller(script);
    has_acme(&controller, sequence);
    controller.lock().rollout(rollout());
    let (mut memory, mut migrating) = (Memory::default(), BTreeMap::new());
    let result = step(&controller, "r", &mut memory, &mut migrating).await;
    script.end();
    assert!(result.is_ok(), "{result:?}");
    let status = controller.lock().fleet.shops["acme"].status.clone();
    (controller, status.and_then(|status| status.release))
}

#[tokio::test]
async fn the_record_is_written_before_a_shop_is_moved() {
    let script = Script::new([
        records(|status| assert_eq!(status["phase"], "Moving")),
        expect(SHOP).made_of(|sent| {
            assert_eq!(sent["status"]["release"]["sequence"], 42);
            assert_eq!(sent["status"]["previous"]["sequence"], 41);
            sent
        }),
        event("Released"),
    ]);
    let (_, assigned) = stepped(41, &script).await;
    assert_eq!(assigned.map(|it| it.sequence), Some(42));
}

#[tokio::test]
async fn a_record_that_is_refused_moves_nobody() {
    let script = Script::new([expect(ROLLOUT).refuses(403, "Forbidden", "no")]);
    let controller = controller(&script);
    has_acme(&controller, 41);
    controller.lock().rollout(rollout());
    let (mut memory, mut migrating) = (Memory::default(), BTreeMap::new());
    let result = step(&controller, "r", &mut memory, &mut migrating).await;
    script.end();
    assert!(result.is_err());
}

#[tokio::test]
async fn a_halt_after_the_decision_moves_nobody() {
    let script = Script::new([records(|status| assert_eq!(status["phase"], "Moving"))]);
    let controller = controller(&script);
    has_acme(&controller, 41);
    controller.lock().rollout(rollout());
    controller
        .connections
        .halt
        .read(tokio::time::Instant::now(), HaltState::InForce);
    let (mut memory, mut migrating) = (Memory::default(), BTreeMap::new());
    let result = step(&controller, "r", &mut memory, &mut migrating).await;
    script.end();
    assert!(result.is_ok());
    let sequence = |controller: &Controller| {
        let status = controller.lock().fleet.shops["acme"].status.clone();
        Some(status?.release?.sequence)
    };
    assert_eq!(sequence(&controller), Some(41));
}

#[tokio::test]
async fn agents_of_a_shop_that_was_moved_are_asked_and_a_rejection_is_on_record() {
    let pods = "GET /api/v1/namespaces/shop-acme/pods";
    let pod = json!({
        "name": "a", "namespace": "shop-acme",
        "annotations": { "longshore.dev/release": "42-" },
    });
    let manifest = api::fixtures::release(42, release::Migration::None).manifest;
    let rejected = json!({ "rejected": [{ "manifest": manifest, "reason": "probe: 500" }] });
    let status = format!("{pods}/a:{}/proxy/status", render::AGENT_PORT);
    let script = Script::new([
        expect(pods).answers(list(&[pod], None)),
        expect(&status).answers(rejected),
        expect(SHOP).made_of(|sent| {
            assert_eq!(sent["status"]["rejected"][0]["why"], "probe: 500");
            sent
        }),
        event("Rejected"),
        records(|status| {
            assert_eq!(status["failed"][0]["shop"], "acme");
        }),
        event("Stopped"),
    ]);
    let (controller, _) = stepped(42, &script).await;
    let rejected = controller.lock().fleet.shops["acme"].status.clone();
    assert_eq!(rejected.map(|status| status.rejected.len()), Some(1));
}
