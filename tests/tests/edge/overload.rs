//! An HAProxy with more to do than it can: weights act.

use e2e::haproxy::{Backend, Edge};
use edge::agent::{caps::shares, lines::Target};
use std::{collections::BTreeMap, thread, time::Duration};

/// Two shops, of which one has twice the weight.
fn edge(pods: &[Backend; 2]) -> Edge {
    let mut edge = Edge::new(8);
    for ((name, weight), pod) in [("big", 200), ("small", 100)].into_iter().zip(pods) {
        let shop = format!("shop-{name}");
        edge.host(&format!("{name}.example"), Target::Shop(shop.clone()));
        edge.shop(&shop, 256, &[(name, pod.address)]);
        edge.shard(&shop, |shard| {
            shard.shops.get_mut(&shop).unwrap().weight = weight;
        });
    }
    edge.start();
    edge
}

fn caps(caps: &[(&str, u32)]) -> BTreeMap<String, u32> {
    caps.iter()
        .map(|(shop, cap)| ((*shop).to_owned(), *cap))
        .collect()
}

#[test]
fn a_shop_with_twice_the_weight_gets_twice_the_requests() {
    let pods = ["big", "small"].map(Backend::new);
    let mut edge = edge(&pods);
    let loads = ["big.example", "small.example"]
        .map(|host| edge.load_of(host, Duration::from_secs(10), 30));
    thread::sleep(Duration::from_secs(2));
    // Less than they ask for, so that it does not matter how busy this machine is besides.
    edge.keeper.caps = shares(900.0, &edge.demands());
    assert_eq!(
        edge.keeper.caps,
        caps(&[("shop-big", 600), ("shop-small", 300)])
    );
    edge.round();
    // The rate is that of a second, and of the one before.
    thread::sleep(Duration::from_secs(2));
    let mut passed = [0.0; 2];
    for _ in 0..8 {
        thread::sleep(Duration::from_millis(500));
        for demand in edge.demands() {
            passed[usize::from(demand.shop == "shop-small")] += demand.passed;
        }
    }
    for load in loads {
        load.end();
    }
    let ratio = passed[0] / passed[1];
    println!("{passed:?}: {ratio:.2}");
    assert!((1.8..2.2).contains(&ratio), "{passed:?}: {ratio}");

    edge.keeper.caps.clear();
    edge.round();
    edge.load_of("small.example", Duration::from_secs(1), 8)
        .whole();
}
