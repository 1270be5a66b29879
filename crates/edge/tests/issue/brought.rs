//! Certificates that people bring are checked, and never ordered for.

use crate::world::World;
use ::api::edge::{BACKENDS, OWN_CERTIFICATES};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use edge::certificate::CertificateState;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};

fn secret(host: &str, last_year: i32) -> Value {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 31);
    let certificate = params.self_signed(&key).unwrap().pem();
    json!({ "type": "kubernetes.io/tls", "data": {
        "tls.key": BASE64_STANDARD.encode(key.serialize_pem()),
        "tls.crt": BASE64_STANDARD.encode(certificate),
    } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_bring_is_checked_again_whenever_it_changes() {
    let world = World::start().await;
    world
        .api
        .put("secrets", "over", secret("over.example", 2021));
    world.api.put("secrets", "other", secret("x.example", 2090));
    world
        .api
        .put("secrets", "good", secret("good.example", 2090));
    let hosts = ["over", "other", "good", "missing"];
    let lines: Vec<(&str, String)> = hosts
        .iter()
        .flat_map(|it| {
            [
                (BACKENDS, format!("{it}.example shop-a")),
                (OWN_CERTIFICATES, format!("{it}.example {it}")),
            ]
        })
        .collect();
    let lines: Vec<(&str, &str)> = lines
        .iter()
        .map(|(file, it)| (*file, it.as_str()))
        .collect();
    world.maps(&lines);
    let issuer = world.issuer();
    world.problem("over.example", "certificate-expired").await;
    world
        .problem("other.example", "certificate-wrong-name")
        .await;
    world.problem("missing.example", "own-missing").await;
    let good = |it: &edge::certificate::CertificateRecord| it.is_valid(jiff::Timestamp::now());
    let record = world.until("good.example", "valid", good).await;
    assert_eq!(record.state, CertificateState::Own);
    // Replaced, it is good at once.
    world
        .api
        .put("secrets", "over", secret("over.example", 2090));
    world
        .api
        .put("secrets", "missing", secret("missing.example", 2090));
    world.until("over.example", "valid", good).await;
    world.until("missing.example", "valid", good).await;
    world.api.delete("secrets", "good");
    world.problem("good.example", "own-missing").await;
    assert_eq!(world.proxy.asked("order-plz"), 0);
    // Whoever brings none any more gets one of the CA.
    world.hosts(&["good.example"]);
    world.issued("good.example").await;
    issuer.stop().await;
}
