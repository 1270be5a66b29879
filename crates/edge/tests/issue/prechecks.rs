//! What is found before the CA is asked, and what the CA finds itself.

use crate::world::World;
use ::api::edge::{BACKENDS, CLOSED, REDIRECTS};
use edge::certificate::CertificateState;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn each_problem_is_named_costs_no_order_and_ends_when_it_is_repaired() {
    let world = World::start().await;
    let set = async |what: &str, value: serde_json::Value| {
        world.dns.set(&world.tls, what, value).await;
    };
    // Of the parent: the host has no records of its own.
    let policies = json!([{ "tag": "issue", "value": "other.example" }]);
    set(
        "add-caa",
        json!({ "host": "caa.example", "policies": policies }),
    )
    .await;
    let stranger = json!(["127.0.0.1", "192.0.2.7"]);
    set(
        "add-a",
        json!({ "host": "www.wrong.example", "addresses": stranger }),
    )
    .await;
    let stranger = json!(["2001:db8::7"]);
    set(
        "add-aaaa",
        json!({ "host": "www.six.example", "addresses": stranger }),
    )
    .await;
    set("set-servfail", json!({ "host": "www.broken.example" })).await;
    set("set-servfail", json!({ "host": "half.example" })).await;
    // What an alias leads to counts, its address and its CAA records.
    set(
        "set-cname",
        json!({ "host": "alias.example", "target": "www.target.example" }),
    )
    .await;
    let stranger = json!(["192.0.2.9"]);
    set(
        "add-a",
        json!({ "host": "www.target.example", "addresses": stranger }),
    )
    .await;
    world.maps(&[
        (BACKENDS, "www.caa.example shop-a"),
        (BACKENDS, "www.wrong.example shop-a"),
        (BACKENDS, "www.six.example shop-a"),
        (BACKENDS, "www.broken.example shop-a"),
        (BACKENDS, "www.half.example shop-a"),
        (BACKENDS, "deaf.example shop-a"),
        (BACKENDS, "*.wild.example shop-a"),
        (BACKENDS, "alias.example shop-a"),
        (CLOSED, "www.gone.example Archived"),
    ]);
    let issuer = world.issuer();
    for (host, code, named) in [
        ("www.caa.example", "caa", "other.example"),
        ("www.wrong.example", "wrong-address", "192.0.2.7"),
        ("www.six.example", "wrong-address", "2001:db8::7"),
        ("www.broken.example", "dns-servfail", "SERVFAIL"),
        ("www.half.example", "caa-servfail", "half.example"),
        ("alias.example", "wrong-address", "192.0.2.9"),
        ("deaf.example", "not-answered-by-the-edge", "127.0.0.1"),
        ("*.wild.example", "wildcard", "bring a certificate"),
    ] {
        let record = world.problem(host, code).await;
        let problem = record.problem.unwrap();
        assert!(problem.contains(named), "{problem}");
        assert_eq!(record.state, CertificateState::Failed, "{host}");
    }
    assert_eq!(world.proxy.asked("order-plz"), 0);
    assert_eq!(world.record("www.gone.example"), None);
    // Repaired, it works at the next try, without anybody's help.
    set("clear-caa", json!({ "host": "caa.example" })).await;
    let policies = json!([
        { "tag": "issue", "value": "other.example" },
        { "tag": "issue", "value": "pebble.example; validationmethods=http-01" },
    ]);
    set(
        "add-caa",
        json!({ "host": "caa.example", "policies": policies }),
    )
    .await;
    set("clear-servfail", json!({ "host": "www.broken.example" })).await;
    for host in ["www.caa.example", "www.broken.example"] {
        let record = world.issued(host).await;
        assert_eq!((record.failures, record.code), (0, None), "{host}");
    }
    assert_eq!(world.proxy.asked("order-plz"), 2);
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ca_finds_is_told_and_counted() {
    let mut world = World::start().await;
    world.settings.pace.first_wait = Duration::from_millis(300);
    // It answers us, and the CA finds somebody else.
    world.maps(&[
        (BACKENDS, "fickle.example shop-a"),
        (BACKENDS, "www.blocked.example shop-a"),
        (REDIRECTS, "good.example www.good.example"),
    ]);
    let issuer = world.issuer();
    let record = world.problem("fickle.example", "ca-unauthorized").await;
    assert!(!record.failed_validations.is_empty(), "{record:?}");
    assert_eq!(record.certificates, []);
    world
        .problem("www.blocked.example", "ca-rejected-host")
        .await;
    world.issued("good.example").await;
    // The sixth try in an hour is not made.
    let record = world
        .problem("fickle.example", "limit-failed-validations")
        .await;
    assert_eq!(record.failed_validations.len(), 5);
    issuer.stop().await;
}
