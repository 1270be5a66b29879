//! A shop whose workers are busy, and whose processors are not, grows by what `longshore-watch`
//! says of its pods.

use super::LONG;
use e2e::{
    cluster::{Cluster, eventually},
    platform::{
        Class, Platform, Tenant,
        edge::{Signed, WATCH},
    },
    web::{self, Network, Visitors},
};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

const METRIC: &str = "longshore_busy_workers_ratio";
/// Visitors at once: more than two pods have workers, and enough that three are too few by more
/// than the tenth that an autoscaler lets pass.
const VISITORS: usize = 18;
/// A page waits for something else, as for a payment provider.
const WAIT: &str = "usleep(900000);";

/// The shop's autoscaler.
fn scaler(cluster: &Cluster, shop: &Tenant<'_>) -> Value {
    let words = [
        "get",
        "hpa",
        "web",
        "--ignore-not-found",
        "--output",
        "json",
        "--namespace",
    ];
    let words = words.into_iter().chain([shop.namespace.as_str()]);
    let found = cluster.kubectl(words).run().stdout;
    serde_json::from_str(&found).unwrap_or_default()
}

/// What the autoscaler knows of the metric, in thousandths.
fn busy(scaler: &Value) -> Option<u64> {
    let current = scaler["status"]["currentMetrics"].as_array()?;
    let pods = current
        .iter()
        .find(|it| it["pods"]["metric"]["name"] == METRIC)?;
    let text = pods["pods"]["current"]["averageValue"].as_str()?;
    match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse().ok(),
        None => Some(text.parse::<u64>().ok()? * 1000),
    }
}

#[test]
#[ignore = "wants a machine that does nothing else: make test-scaling"]
fn a_shop_grows_by_its_busy_workers_and_shrinks_again() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let signed = Signed::for_host("www.busy.example");
    let edge = platform.haproxy();
    platform.watch(edge, &signed.authority, None);
    platform.class(&Class {
        busy_workers: true,
        ..Class::php("busy")
    });
    let shop = platform.tenant("busy");
    web::write_sources(&shop.module("page"), "busy", WAIT);
    shop.register(shop.publish(&[("page", "")], "shared = [\"media\"]"));
    // One pod is enough for half a minute, and then there is one.
    let scale = json!({
        "min": 2, "max": 4, "target": { "cpuPercent": 95, "busyWorkersPercent": 50 },
        "idle": { "after": "30s" },
    });
    shop.open("busy", &json!({ "scale": scale }));
    let calm = eventually("the autoscaler knows the metric", LONG, || {
        let scaler = scaler(&cluster, &shop);
        busy(&scaler).map(|_| scaler)
    });
    println!("calm: {}", calm["status"]["currentMetrics"]);
    assert_eq!(calm["spec"]["metrics"][1]["pods"]["metric"]["name"], METRIC);

    let networks = [1, 2].map(|node| Network::Of(cluster.node_process(node)));
    let visitors = Visitors::start_from(&networks, shop.service(), VISITORS, Duration::ZERO);
    let begin = Instant::now();
    let grown = eventually("the autoscaler wants four pods", LONG, || {
        let scaler = scaler(&cluster, &shop);
        (scaler["status"]["desiredReplicas"] == 4).then_some(scaler)
    });
    let wanted = begin.elapsed();
    shop.served_by(4);
    println!(
        "load: four pods wanted after {:.0} s, and there after {:.0} s; busy {:?}, {}",
        wanted.as_secs_f64(),
        begin.elapsed().as_secs_f64(),
        busy(&grown),
        grown["status"]["currentMetrics"]
    );

    // While nobody says how busy they are, it does not shrink.
    down(&cluster, "--replicas=0");
    let (_, wrong) = visitors.end();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let blind = eventually("the autoscaler says what it cannot read", LONG, || {
        let scaler = scaler(&cluster, &shop);
        let text = scaler["status"]["conditions"].to_string();
        text.contains("FailedGetPodsMetric").then_some(scaler)
    });
    thread::sleep(Duration::from_secs(45));
    println!("away: {}", blind["status"]["conditions"]);
    assert_eq!(scaler(&cluster, &shop)["status"]["desiredReplicas"], 4);
    down(&cluster, "--replicas=1");
    platform.rolled_out(WATCH, "deployment/longshore-watch");
    let back = Instant::now();
    eventually("it shrinks", LONG, || {
        let wanted = scaler(&cluster, &shop)["status"]["desiredReplicas"].as_u64()?;
        (wanted < 4).then_some(())
    });
    println!(
        "back: fewer pods wanted after {:.0} s",
        back.elapsed().as_secs_f64()
    );
}

fn down(cluster: &Cluster, replicas: &str) {
    let words = [
        "--namespace",
        WATCH,
        "scale",
        "deployment/longshore-watch",
        replicas,
    ];
    cluster.kubectl(words).run().expect(0);
}
