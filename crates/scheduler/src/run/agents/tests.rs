//! What is asked of agents, and what their answers come to.

use super::*;
use crate::run::testing::{controller, has_acme};
use client::scripted::{Exchange, Script, expect, list};

const PODS: &str = "/api/v1/namespaces/shop-acme/pods";

/// The list of the shop's pods, which have been told of the release.
fn told(names: &[&str]) -> Exchange {
    pods(names, &json!({ TOUCHED: "42-" }))
}

/// The list of the shop's pods, which have not been told of the release.
fn untold(names: &[&str]) -> Exchange {
    pods(names, &json!({}))
}

fn pods(names: &[&str], annotations: &serde_json::Value) -> Exchange {
    let pod =
        |name: &&str| json!({ "name": name, "namespace": "shop-acme", "annotations": annotations });
    let pods: Vec<_> = names.iter().map(pod).collect();
    expect(&format!("GET {PODS} limit=20")).answers(list(&pods, None))
}

fn says(pod: &str, status: serde_json::Value) -> Exchange {
    expect(&format!("GET {PODS}/{pod}:{AGENT_PORT}/proxy/status")).answers(status)
}

fn running(sequence: u64) -> serde_json::Value {
    let manifest = api::fixtures::release(sequence, release::Migration::None).manifest;
    json!({ "running": { "sequence": sequence, "manifest": manifest, "onTrial": false } })
}

async fn asked(exchanges: Vec<Exchange>) -> AgentsReport {
    let script = Script::new(exchanges).in_any_order();
    let controller = controller(&script);
    has_acme(&controller, 42);
    let manifest = api::fixtures::release(42, release::Migration::None).manifest;
    let report = ask(&controller, "acme", 42, &manifest.to_string()).await;
    script.end();
    report.expect("a report")
}

#[tokio::test]
async fn all_run_it_when_each_of_them_says_so() {
    let report = asked(vec![
        told(&["a", "b"]),
        says("a", running(42)),
        says("b", running(42)),
    ]);
    assert!(report.await.all);
    let report = asked(vec![
        told(&["a", "b"]),
        says("a", running(42)),
        says("b", running(41)),
    ]);
    assert!(!report.await.all);
}

#[tokio::test]
async fn no_pod_and_an_agent_that_does_not_answer_are_no_yes() {
    assert!(!asked(vec![told(&[])]).await.all);
    let silent = expect(&format!("GET {PODS}/b:{AGENT_PORT}/proxy/status")).refuses(
        503,
        "ServiceUnavailable",
        "no such port",
    );
    let report = asked(vec![told(&["a", "b"]), says("a", running(42)), silent]).await;
    assert!(!report.all && report.rejected.is_none());
}

#[tokio::test]
async fn the_first_that_rejected_it_is_named() {
    let manifest = api::fixtures::release(42, release::Migration::None).manifest;
    let rejected = json!({ "rejected": [{ "manifest": manifest, "reason": "probe: 500" }] });
    let report = asked(vec![
        told(&["a", "b"]),
        says("a", running(41)),
        says("b", rejected),
    ])
    .await;
    let why = report.refusal().expect("a refusal");
    assert_eq!(why, "agent of pod b rejected it: probe: 500");
}

#[tokio::test]
async fn a_page_that_is_no_status_says_nothing() {
    let report = asked(vec![told(&["a"]), says("a", json!("hello"))]).await;
    assert!(!report.all && report.rejected.is_none());
}

#[tokio::test]
async fn a_pod_that_was_not_told_is_touched_once() {
    let touch = expect(&format!("PATCH {PODS}/a")).made_of(|sent| {
        assert_eq!(sent["metadata"]["annotations"][TOUCHED], "42-");
        json!({ "metadata": { "name": "a" } })
    });
    asked(vec![untold(&["a"]), touch, says("a", running(42))]).await;
    // One that cannot be touched is asked all the same.
    let refused = expect(&format!("PATCH {PODS}/a")).refuses(403, "Forbidden", "no");
    let report = asked(vec![untold(&["a"]), refused, says("a", running(42))]);
    assert!(report.await.all);
}

#[tokio::test]
async fn one_page_that_works_is_enough_and_else_the_first_that_does_not_is_told() {
    let state = |state: &str| json!({ "page": { "state": state, "problem": "a 500" } });
    for (answers, expected) in [
        (["bad", "good"], PageStatus::Works),
        (
            ["bad", "unknown"],
            PageStatus::Fails("the page of pod a: a 500".to_owned()),
        ),
        (["unknown", "unknown"], PageStatus::Unknown),
    ] {
        let [a, b] = answers;
        let script = Script::new([told(&["a", "b"]), says("a", state(a)), says("b", state(b))])
            .in_any_order();
        let controller = controller(&script);
        has_acme(&controller, 42);
        let seen = page(&controller, "acme").await;
        script.end();
        assert_eq!(seen.expect("pods"), expected);
    }
}
