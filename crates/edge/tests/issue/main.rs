//! The issuer against a real CA: Pebble, with its name server. Nothing here needs root or
//! Kubernetes; the API server is one in memory.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test, whose servers get directories of their own"
)]

mod account;
mod api;
mod brought;
mod limits;
mod many;
mod prechecks;
mod renewal;
mod restart;
mod servers;
mod tls;
mod world;

use edge::certificate::CertificateState;
use jiff::Timestamp;
use servers::Kind;
use tokio::time::Instant;
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_host_gets_a_certificate_also_beside_a_hundred_dead_ones() {
    let world = World::start().await;
    let dead: Vec<String> = (0..100)
        .map(|it| format!("www.{it}.dead.example"))
        .collect();
    let mut hosts: Vec<&str> = dead.iter().map(String::as_str).collect();
    hosts.push("www.good.example");
    world.hosts(&hosts);
    let began = Instant::now();
    let issuer = world.issuer();
    let record = world.issued("www.good.example").await;
    let took = began.elapsed();
    assert_eq!((record.orders.len(), record.certificates.len()), (1, 1));
    assert!(record.renew_at.unwrap() > Timestamp::now());
    assert!(
        record.problem.is_none() && record.next_try.is_none(),
        "{record:?}"
    );
    // The dead are found out only after their name servers were waited for.
    let first = world.record(&dead[0]);
    assert!(first.is_none(), "{took:?} {first:?}");
    let record = world.problem(&dead[99], "dns-timeout").await;
    assert_eq!(
        (record.state, record.failures),
        (CertificateState::Failed, 1)
    );
    assert!(record.next_try.unwrap() > Timestamp::now());
    // None of them was ordered for, and nothing is left of the order that was.
    assert_eq!(world.proxy.asked("order-plz"), 1);
    assert!(world.api.all("secrets", "acme-orders").is_empty());
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_forgets_nonces_issues_all_the_same() {
    let world = World::with(Kind {
        nonces_rejected: 40,
        ..Kind::default()
    })
    .await;
    let hosts: Vec<String> = (0..8).map(|it| format!("www.a{it}.example")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    world.hosts(&hosts);
    let issuer = world.issuer();
    for host in hosts {
        let record = world.issued(host).await;
        assert_eq!(record.failures, 0, "{host} is not to blame");
    }
    issuer.stop().await;
}
