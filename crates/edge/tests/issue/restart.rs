//! Another process goes on where one ended.

use crate::{servers::Rule, world::World};
use edge::certificate::CertificateState;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_on_in_the_next_process() {
    let world = World::start().await;
    world.proxy.rule("finalize", Rule::Stall);
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    let began = Instant::now();
    while world.proxy.asked("finalize") == 0 {
        assert!(began.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(20)).await;
    }
    issuer.kill().await;
    assert_eq!(world.api.all("secrets", "acme-orders").len(), 1);
    assert!(world.certificate("www.a.example").is_none());
    world.proxy.clear();
    let issuer = world.issuer();
    world.issued("www.a.example").await;
    assert_eq!(
        world.proxy.asked("order-plz"),
        1,
        "nothing is ordered twice"
    );
    assert_eq!(
        world.proxy.asked("sign-me-up"),
        1,
        "the account is the same"
    );
    let began = Instant::now();
    while !world.api.all("secrets", "acme-orders").is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(20)).await;
    }
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_waits_on_and_what_is_there_is_not_ordered_again() {
    let mut world = World::start().await;
    world.settings.pace.first_wait = Duration::from_mins(1);
    let records = json!({ "host": "www.broken.example" });
    world.dns.set(&world.tls, "set-servfail", records).await;
    world.hosts(&["www.a.example", "www.broken.example"]);
    let issuer = world.issuer();
    world.issued("www.a.example").await;
    let waits = world.problem("www.broken.example", "dns-servfail").await;
    issuer.stop().await;
    let writes = world.api.writes().len();
    // Another process: the Lease was given back, and is not waited for.
    world.settings.identity = "other".to_owned();
    let issuer = world.issuer();
    world.hosts(&["www.a.example", "www.broken.example", "www.c.example"]);
    let began = Instant::now();
    world.issued("www.c.example").await;
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(world.record("www.broken.example").unwrap(), waits);
    assert_eq!(world.proxy.asked("order-plz"), 2);
    let since: Vec<String> = world.api.writes().split_off(writes);
    let shard = edge::certificate::shard_name(edge::certificate::shard_of("www.a.example"));
    assert!(
        !since
            .iter()
            .any(|it| it.ends_with(&format!("secrets/{shard}"))),
        "{since:?}"
    );
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_without_a_record_is_found_again_and_a_lost_one_is_ordered_anew() {
    let world = World::start().await;
    world.hosts(&["www.a.example", "www.b.example"]);
    let issuer = world.issuer();
    let first = world.issued("www.a.example").await;
    world.issued("www.b.example").await;
    issuer.stop().await;
    let shard = |host: &str| edge::certificate::shard_name(edge::certificate::shard_of(host));
    world.api.delete("configmaps", &shard("www.a.example"));
    world.api.delete("secrets", &shard("www.b.example"));
    let issuer = world.issuer();
    let found = world.issued("www.a.example").await;
    assert_eq!((found.id, found.not_after), (first.id, first.not_after));
    let record = world
        .until("www.b.example", "issued again", |it| {
            it.state == CertificateState::Issued && it.certificates.len() == 2
        })
        .await;
    assert!(record.problem.is_none());
    world.issued("www.b.example").await;
    assert_eq!(world.proxy.asked("order-plz"), 3);
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_leads() {
    let mut world = World::start().await;
    world.hosts(&["www.a.example", "www.b.example", "www.c.example"]);
    let one = world.issuer();
    world.settings.identity = "other".to_owned();
    let other = world.issuer();
    for host in ["www.a.example", "www.b.example", "www.c.example"] {
        world.issued(host).await;
    }
    assert_eq!(world.proxy.asked("order-plz"), 3);
    assert_eq!(world.proxy.asked("sign-me-up"), 1);
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_for_a_moment_loses_nothing() {
    let world = World::start().await;
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    let began = Instant::now();
    while world.proxy.asked("finalize") == 0 {
        assert!(began.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(20)).await;
    }
    world.api.away(true);
    while world.proxy.asked("certZ") == 0 {
        assert!(began.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_secs(2)).await;
    assert!(world.certificate("www.a.example").is_none());
    world.api.away(false);
    world.issued("www.a.example").await;
    assert_eq!(world.proxy.asked("order-plz"), 1);
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_somebody_deletes_is_ordered_anew_at_once() {
    let world = World::start().await;
    world.hosts(&["www.a.example", "www.b.example"]);
    let issuer = world.issuer();
    world.issued("www.a.example").await;
    world.issued("www.b.example").await;
    let host = "www.a.example";
    let shard = edge::certificate::shard_name(edge::certificate::shard_of(host));
    world.api.delete("secrets", &shard);
    let began = Instant::now();
    while world.certificate(host).is_none() {
        assert!(began.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(20)).await;
    }
    let record = world
        .until(host, "issued again", |it| it.certificates.len() == 2)
        .await;
    assert_eq!(record.state, CertificateState::Issued);
    assert_eq!(world.proxy.asked("order-plz"), 3);
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_also_while_the_api_server_is_away() {
    let world = World::start().await;
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    world.issued("www.a.example").await;
    let broken = json!({ "host": "www.broken.example" });
    world.dns.set(&world.tls, "set-servfail", broken).await;
    world.api.away(true);
    world.hosts(&["www.a.example", "www.broken.example"]);
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    issuer.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    // What could not be written is found out again.
    world.api.away(false);
    let issuer = world.issuer();
    world.problem("www.broken.example", "dns-servfail").await;
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_no_longer_writes_nothing_and_orders_nothing() {
    let world = World::start().await;
    world.proxy.rule("finalize", Rule::Stall);
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    let began = Instant::now();
    while world.proxy.asked("finalize") == 0 {
        assert!(began.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(20)).await;
    }
    let spec = json!({ "holderIdentity": "somebody", "leaseDurationSeconds": 15 });
    world
        .api
        .put("leases", edge::issue::LEASE, json!({ "spec": spec }));
    sleep(Duration::from_secs(3)).await;
    let writes = world.api.writes().len();
    world.proxy.clear();
    world.hosts(&["www.a.example", "www.b.example"]);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(world.api.writes().len(), writes, "{:?}", world.api.writes());
    assert_eq!(world.proxy.asked("order-plz"), 1);
    // Somebody is gone: both are seen to their end.
    world.issued("www.a.example").await;
    world.issued("www.b.example").await;
    assert_eq!(world.proxy.asked("order-plz"), 2);
    issuer.stop().await;
}
