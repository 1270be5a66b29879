//! Ten thousand hosts.

use crate::world::World;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use edge::certificate::{SHARDS, shard_name, shard_of};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::Instant;

const HOSTS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_host_does_not_wait_for_ten_thousand_that_have_a_certificate() {
    let mut world = World::start().await;
    world.settings.pace.renewal_info = Duration::from_hours(6);
    // One for all of them, which is as long as a real one.
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["*.many.example".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    let certificate = params.self_signed(&key).unwrap().pem();
    let pem = format!("{}{}", key.serialize_pem(), certificate.repeat(3));
    let pem = Value::from(BASE64_STANDARD.encode(pem));
    let hosts: Vec<String> = (0..HOSTS).map(|it| format!("a{it}.many.example")).collect();
    let mut shards = vec![Map::new(); SHARDS as usize];
    for host in &hosts {
        shards[shard_of(host) as usize].insert(host.clone(), pem.clone());
    }
    for (number, data) in (0..).zip(shards) {
        let labels = json!({ "app.kubernetes.io/component": "certificates" });
        let object = json!({ "metadata": { "labels": labels }, "data": data });
        world.api.put("secrets", &shard_name(number), object);
    }
    let mut hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    hosts.push("www.new.example");
    world.hosts(&hosts);
    let began = Instant::now();
    let issuer = world.issuer();
    world.issued("www.new.example").await;
    println!("{HOSTS} hosts: issued after {:?}", began.elapsed());
    assert_eq!(world.proxy.asked("order-plz"), 1);
    assert!(world.record(hosts[0]).is_some());
    issuer.stop().await;
}
