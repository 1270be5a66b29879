//! The CA's word, and what does not fit.

use crate::{servers::Rule, world::World};
use edge::certificate::{CertificateState, shard_name, shard_of};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn limited(detail: &str) -> String {
    let kind = "urn:ietf:params:acme:error:rateLimited";
    json!({ "type": kind, "detail": detail, "status": 429 }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_one_domain_is_obeyed_and_others_go_on() {
    let world = World::start().await;
    let detail =
        "too many certificates (50) already issued for \"full.example\" in the last 168h0m0s";
    world
        .proxy
        .rule("order-plz", Rule::Refuse(429, "6", limited(detail)));
    world.hosts(&["www.full.example"]);
    let issuer = world.issuer();
    let record = world.problem("www.full.example", "ca-rate-limited").await;
    assert_eq!(
        (record.state, record.failures),
        (CertificateState::Waiting, 0),
        "nobody is to blame"
    );
    assert!(record.problem.unwrap().contains("full.example"));
    let wait = record.next_try.unwrap().duration_since(Timestamp::now());
    assert!(wait.as_secs() >= 3, "{wait:?}");
    world.proxy.clear();
    world.hosts(&["www.full.example", "shop.full.example", "www.b.example"]);
    world.issued("www.b.example").await;
    assert_eq!(world.proxy.asked("order-plz"), 2);
    assert!(world.certificate("shop.full.example").is_none());
    world.issued("www.full.example").await;
    world.issued("shop.full.example").await;
    assert!(Timestamp::now() >= record.next_try.unwrap());
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_account_holds_everybody_until_it_ends() {
    let world = World::start().await;
    let detail = "too many new orders (300) from this account in the last 3h0m0s";
    world
        .proxy
        .rule("order-plz", Rule::Refuse(429, "5", limited(detail)));
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    let record = world.problem("www.a.example", "ca-rate-limited").await;
    world.proxy.clear();
    world.hosts(&["www.a.example", "www.b.example"]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.proxy.asked("order-plz"), 1);
    world.issued("www.a.example").await;
    world.issued("www.b.example").await;
    assert!(Timestamp::now() >= record.next_try.unwrap());
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_down_is_nobodys_fault() {
    let world = World::start().await;
    let rule = Rule::Refuse(500, "", "<html>oops</html>".to_owned());
    world.proxy.rule("", rule);
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.record("www.a.example"), None);
    world.proxy.clear();
    let record = world.issued("www.a.example").await;
    assert_eq!(record.failures, 0);
    // The same once it was open.
    let rule = Rule::Refuse(500, "", "<html>oops</html>".to_owned());
    world.proxy.rule("order-plz", rule);
    world.hosts(&["www.a.example", "www.b.example"]);
    let record = world
        .until("www.b.example", "told", |it| it.code.is_some())
        .await;
    assert_eq!(
        (record.failures, record.state),
        (0, CertificateState::Waiting)
    );
    world.proxy.clear();
    world.issued("www.b.example").await;
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_the_ca_always_fails_at_holds_no_other() {
    let mut world = World::start().await;
    world.settings.pace.first_wait = Duration::from_millis(500);
    // Long enough to be seen, if anybody waited for it.
    world.settings.pace.ca_wait = Duration::from_mins(1);
    world.hosts(&["www.first.example"]);
    let issuer = world.issuer();
    world.issued("www.first.example").await;
    let rule = Rule::Refuse(500, "", "<html>oops</html>".to_owned());
    world.proxy.rule("order-plz", rule);
    world.hosts(&["www.first.example", "www.poisoned.example"]);
    while world.proxy.asked("order-plz") < 4 {
        sleep(Duration::from_millis(50)).await;
    }
    world.proxy.clear();
    world.hosts(&["www.first.example", "www.poisoned.example", "www.b.example"]);
    let began = Instant::now();
    world.issued("www.b.example").await;
    assert!(began.elapsed() < Duration::from_secs(20));
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_does_not_fit_is_told() {
    let world = World::start().await;
    let shard = shard_name(shard_of("www.a.example"));
    let data = json!({ "www.big.example": "A".repeat((1 << 20) - 100) });
    world.api.put("secrets", &shard, json!({ "data": data }));
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    let record = world.problem("www.a.example", "shard-full").await;
    assert!(record.problem.unwrap().contains(&shard));
    assert_eq!(record.state, CertificateState::Failed);
    issuer.stop().await;
}
